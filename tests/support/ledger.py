"""A ledger on a real DynamoDB, faults to inject, and what must be true of the books whatever happened."""

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
from purser.aws import clients
from purser.aws.tables import Item, Table, from_wire
from purser.clock import now_ms
from purser.ledger.model import EXACT, ZERO, Transaction, Wallet, WalletType, summed
from purser.ledger.service import Ledger
from purser.ledger.store.books import DynamoBooks
from purser.ledger.store.items import TRANSACTION, entry_of, recorded_of
from purser.ledger.store.wallet_store import DynamoWalletStore
from purser.ledger.wallets import NewWallet, Wallets
from tests.support.template import resources

ADMIN = Actor("admin", is_admin=True)

WALLETS_TABLE = resources("AWS::DynamoDB::Table")["WalletsTable"]
WRITES = ("transact_write_items", "update_item", "put_item")
SHAPE = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def new_table() -> Table:
    """A Wallets table of its own."""
    name = f"Wallets-{uuid.uuid4()}"
    shape = {key: WALLETS_TABLE[key] for key in SHAPE}
    clients.client("dynamodb").create_table(TableName=name, **shape)
    return Table(name)


@dataclass
class Bed:
    """A ledger over one table, as one process would have it."""

    table: Table
    wallets: Wallets
    ledger: Ledger

    def wallet(self, owner: str = "owner", *, allow_negative: bool = False, **holding: str) -> Wallet:
        """A new wallet, holding so much of each asset."""
        kind = WalletType.DEALER if allow_negative else WalletType.CLIENT
        created = self.wallets.create(NewWallet(str(uuid.uuid4()), owner, kind, allow_negative))
        for asset, amount in holding.items():
            self.ledger.deposit(created.id, asset, Decimal(amount), str(uuid.uuid4()))
        return created

    def balance(self, wallet_id: str, asset: str) -> Decimal:
        """What a wallet holds of an asset."""
        return self.wallets.balances(self.wallets.existing(wallet_id)).get(asset, ZERO)


def bed(table: Table) -> Bed:
    """A ledger over a table."""
    store = DynamoWalletStore(table)
    wallets = Wallets(store, now_ms, has_account=lambda owner, account: True)
    return Bed(table, wallets, Ledger(wallets, store, DynamoBooks(table), now_ms))


class FaultyClient:
    """A DynamoDB client whose writes meet one fault after the other; None is none, and so is the end of them.

    throttle, conflict, unsent: the write does not happen. lost: it happens, the answer does not arrive. killed-before,
    killed-after: the process dies with it.
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
    """This process's writes to DynamoDB meet these faults, whichever thread makes them."""
    client = FaultyClient(clients.client("dynamodb"), sequence)
    with patch("purser.aws.tables.client", lambda _: client):
        yield


class RecordingClient:
    """A DynamoDB client that notes what it is asked."""

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
    """What this process asks of DynamoDB meanwhile: operations and requests."""
    client = RecordingClient(clients.client("dynamodb"))
    with patch("purser.aws.tables.client", lambda _: client):
        yield client.asked


def scan(table: Table) -> list[Item]:
    """Everything in a table."""
    pages = clients.client("dynamodb").get_paginator("scan").paginate(TableName=table.name, ConsistentRead=True)
    return [from_wire(item) for page in pages for item in page["Items"]]


def audit(table: Table) -> dict[str, dict[str, Decimal]]:
    """Asserts that the books balance; answers what each wallet holds.

    For each asset all wallets sum to zero; each balance is the replay of its entries; no wallet is below zero that
    may not be; each transaction stands whole, with its entries and no others.
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
        assert postings == sorted(entries.pop(created.id)), "a transaction stands half"
    assert not entries, "entries without their transaction"
    for wallet_id, balances in by_wallet.items():
        assert nonzero(balances) == nonzero(replayed.get(wallet_id, {})), "a balance is not the replay of its entries"
        assert may_go_negative[wallet_id] or min(balances.values(), default=ZERO) >= 0, "a wallet is below zero"
    totals = summed(balance for balances in by_wallet.values() for balance in balances.items())
    assert not nonzero(totals), f"the books do not balance: {totals}"
    return by_wallet


def transactions(items: Iterable[Item]) -> list[Transaction]:
    """The transactions among items."""
    return [recorded_of(item).transaction for item in items if item["SK"] == TRANSACTION]


def _add(balances: dict[str, Decimal], changes: dict[str, Decimal]) -> None:
    for asset, change in changes.items():
        balances[asset] = EXACT.add(balances.get(asset, ZERO), change)


def nonzero(balances: dict[str, Decimal]) -> dict[str, Decimal]:
    """The balances that are not zero."""
    return {asset: balance for asset, balance in balances.items() if balance}
