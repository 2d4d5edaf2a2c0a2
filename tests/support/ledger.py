"""A ledger on DynamoDB Local, faults to inject, and a check of its books."""

from __future__ import annotations

import os
import signal
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from purser.actor import Actor
from purser.audit.model import Action
from purser.audit.service import Audit
from purser.audit.store import DynamoAuditStore, recording
from purser.aws import clients
from purser.aws.tables import Item, Table, from_wire
from purser.clock import now_ms
from purser.ledger.model import EXACT, ZERO, Transaction, TransactionType, Wallet, WalletStatus, WalletType, summed
from purser.ledger.service import Ledger
from purser.ledger.store.books import DynamoBooks
from purser.ledger.store.items import TRANSACTION, WALLET, entry_of, recorded_of, wallet_of
from purser.ledger.store.wallet_store import DynamoWalletStore
from purser.ledger.wallets import NewWallet, Wallets
from tests.support.audit import counted
from tests.support.template import resources

ADMIN = Actor("admin", is_admin=True)

TABLES = resources("AWS::DynamoDB::Table")
CHANGES = (Action.WALLET_CREATE, Action.WALLET_FREEZE, Action.WALLET_UNFREEZE, Action.WALLET_CLOSE)
WRITES = ("transact_write_items", "update_item", "put_item")
SHAPE = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def new_table() -> Table:
    """Create a new Wallets table, and an Audit table beside it."""
    table = Table(f"Wallets-{uuid.uuid4()}")
    _create(table, "WalletsTable")
    return with_audit(table)


def with_audit(wallets_table: Table) -> Table:
    """Create the Audit table beside a Wallets table, and return the latter."""
    _create(audit_table(wallets_table), "AuditTable")
    return wallets_table


def _create(table: Table, logical_id: str) -> None:
    shape = {key: TABLES[logical_id][key] for key in SHAPE if key in TABLES[logical_id]}
    clients.client("dynamodb").create_table(TableName=table.name, **shape)


def audit_table(wallets_table: Table) -> Table:
    """Return the Audit table beside a Wallets table."""
    return Table(wallets_table.name.replace("Wallets", "Audit"))


@dataclass
class Bed:
    """The ledger of one process over a table."""

    table: Table
    wallets: Wallets
    ledger: Ledger

    def wallet(self, owner: str = "owner", *, allow_negative: bool = False, **holding: str) -> Wallet:
        """Create a wallet with these balances."""
        kind = WalletType.DEALER if allow_negative else WalletType.CLIENT
        created = self.wallets.create(ADMIN, NewWallet(str(uuid.uuid4()), owner, kind, allow_negative))
        for asset, amount in holding.items():
            self.ledger.deposit(ADMIN, created.id, asset, Decimal(amount), str(uuid.uuid4()))
        return created

    def balance(self, wallet_id: str, asset: str) -> Decimal:
        """Return the balance of an asset in a wallet."""
        return self.wallets.balances(self.wallets.existing(wallet_id)).get(asset, ZERO)


def bed(table: Table) -> Bed:
    """Return a ledger over a table."""
    record = partial(recording, audit_table(table))
    store = DynamoWalletStore(table, record)
    wallets = Wallets(store, Audit(DynamoAuditStore(audit_table(table)), now_ms), now_ms, lambda _: True)
    return Bed(table, wallets, Ledger(wallets, store, DynamoBooks(table, record), now_ms))


class FaultyClient:
    """A DynamoDB client that injects one fault after the other into its writes. None, and the end, mean no fault.

    throttle, conflict, unsent: the write does not happen. lost: the write happens, and its answer is lost.
    killed-before, killed-after: the process is killed before or after the write.
    """

    def __init__(self, client: Any, faults: Iterable[str | None]) -> None:
        self._client = client
        self._faults = iter(list(faults))

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return partial(self._meet, name, call) if name in WRITES else call

    def _meet(self, name: str, call: Any, **request: Any) -> Any:
        fault = next(self._faults, None)
        match fault:
            case "throttle":
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
            case "conflict" if name == "transact_write_items":
                reasons: list[Any] = [
                    {"Code": "TransactionConflict"},
                    *({"Code": "None"} for _ in request["TransactItems"][1:]),
                ]
                raise ClientError(
                    {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons},
                    name,
                )
            case "conflict":
                raise ClientError({"Error": {"Code": "TransactionConflictException"}}, name)
            case "unsent":
                raise ConnectTimeoutError(endpoint_url="")
            case "killed-before":
                os.kill(os.getpid(), signal.SIGKILL)
        answer = call(**request)
        if fault == "lost":
            raise ReadTimeoutError(endpoint_url="")
        if fault == "killed-after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


@contextmanager
def faults(sequence: Iterable[str | None]) -> Iterator[None]:
    """Inject these faults into the writes of this process to DynamoDB, in all its threads."""
    client = FaultyClient(clients.client("dynamodb"), sequence)
    with patch("purser.aws.tables.client", lambda _: client):
        yield


class RecordingClient:
    """A DynamoDB client that records its requests."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return partial(self._note, name, getattr(self._client, name))

    def _note(self, name: str, call: Any, **request: Any) -> Any:
        self.asked.append((name, request))
        return call(**request)


@contextmanager
def recorded() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Record the operations and requests of this process to DynamoDB."""
    client = RecordingClient(clients.client("dynamodb"))
    with patch("purser.aws.tables.client", lambda _: client):
        yield client.asked


def scan(table: Table) -> list[Item]:
    """Return all items of a table."""
    pages = clients.client("dynamodb").get_paginator("scan").paginate(TableName=table.name, ConsistentRead=True)
    return [from_wire(item) for page in pages for item in page["Items"]]


def check_books(table: Table) -> dict[str, dict[str, Decimal]]:
    """Assert that the books balance, and return the balances of each wallet.

    All wallets sum to zero for each asset. Each balance is the replay of its entries. No wallet is below zero unless it
    may go negative. Each transaction is complete, with exactly its entries. Each change has one audit entry.
    """
    items = scan(table)
    by_wallet: dict[str, dict[str, Decimal]] = defaultdict(dict)
    replayed: dict[str, dict[str, Decimal]] = defaultdict(dict)
    entries: dict[str, list[tuple[str, str, Decimal]]] = defaultdict(list)
    may_go_negative: dict[str, bool] = {}
    for item in items:
        kind, _, rest = item["PK"].partition("#")
        if kind == "WALLET":
            may_go_negative[item["walletId"]] = item["allowNegative"]
        elif kind == "LANES":
            _add(by_wallet[rest.split("#")[0]], item["balances"])
        elif kind == "ENTRIES":
            entry = entry_of(item)
            _add(replayed[entry.wallet_id], {entry.asset: entry.amount})
            entries[entry.transaction_id].append((entry.wallet_id, entry.asset, entry.amount))
    for created in transactions(items):
        postings = sorted((p.wallet_id, p.asset, p.amount) for p in created.postings)
        assert postings == sorted(entries.pop(created.id)), "a transaction is incomplete"
    assert not entries, "entries without their transaction"
    for wallet_id, balances in by_wallet.items():
        assert nonzero(balances) == nonzero(replayed.get(wallet_id, {})), "a balance is not the replay of its entries"
        assert may_go_negative[wallet_id] or min(balances.values(), default=ZERO) >= 0, "a wallet is below zero"
    totals = summed(balance for balances in by_wallet.values() for balance in balances.items())
    assert not nonzero(totals), f"the books do not balance: {totals}"
    _check_audit_entries(table, items)
    return by_wallet


def _check_audit_entries(table: Table, items: Iterable[Item]) -> None:
    """Assert that each transaction and each change of a wallet has exactly one audit entry, and that no other is there.

    The version of a wallet with one shard counts its changes. That of a sharded one also counts attempts to close it.
    """
    acts = counted(scan(audit_table(table)))
    for recorded in transactions(items):
        assert acts.pop((Action(recorded.type.value), f"transaction/{recorded.id}"), 0) == 1
    for wallet in (wallet_of(item) for item in items if item["SK"] == WALLET):
        created, frozen, unfrozen, closed = (acts.pop((kind, f"wallet/{wallet.id}"), 0) for kind in CHANGES)
        assert created == 1
        assert closed == (wallet.status is WalletStatus.CLOSED)
        assert frozen - unfrozen in ((0, 1) if closed else (wallet.status is WalletStatus.FROZEN,))
        assert wallet.is_sharded or wallet.version == 1 + frozen + unfrozen + closed
    without_change = {action for action, _ in acts} & {*CHANGES, *(Action(kind.value) for kind in TransactionType)}
    assert not without_change, f"audit entries without a change: {acts}"


def transactions(items: Iterable[Item]) -> list[Transaction]:
    """Return the transactions among items."""
    return [recorded_of(item).transaction for item in items if item["SK"] == TRANSACTION]


def _add(balances: dict[str, Decimal], changes: dict[str, Decimal]) -> None:
    for asset, change in changes.items():
        balances[asset] = EXACT.add(balances.get(asset, ZERO), change)


def nonzero(balances: dict[str, Decimal]) -> dict[str, Decimal]:
    """Return the balances that are not zero."""
    return {asset: balance for asset, balance in balances.items() if balance}
