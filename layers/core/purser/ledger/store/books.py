"""The books on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws import tables
from purser.aws.shards import newest_between
from purser.aws.tables import ConditionFailed, Item, Part, Table
from purser.ledger.model import (
    EXACT,
    LIMIT,
    MOST_ASSETS,
    ZERO,
    Entry,
    PostingRequest,
    Recorded,
    Transaction,
    Wallet,
    WalletChange,
    WalletStatus,
)
from purser.ledger.ports import NoSuchCustomer, Refused
from purser.ledger.store.customer_links import CustomerLinks, WhileActive
from purser.ledger.store.items import (
    ENTRIES,
    KEY,
    SHARDS,
    TRANSACTION,
    WALLET,
    entry_items,
    entry_of,
    key,
    partitions,
    recorded_of,
    shard_of,
    shard_pk,
    transaction_item,
)

NEW = "attribute_not_exists(PK)"
FIRST, LAST = "0", "9999999999999~"


class DynamoBooks:
    """The books on DynamoDB. Without ``while_active`` no wallet can belong to a customer."""

    def __init__(self, table: Table, recording: Recording, while_active: WhileActive | None = None) -> None:
        self._table = table
        self._recording = recording
        self._links = CustomerLinks(table, while_active)

    def post(self, request: PostingRequest, wallet_changes: Sequence[WalletChange], entry: AuditEntry) -> None:
        """Write header, claim, audit entry, a shard for each wallet and an entry for each posting in one transaction.

        Header and claim must be new. Shards must be in the right state and hold what the postings need. Customers
        whose wallets receive must be active. Each refused part returns what it found, so that explaining a refusal
        costs no further read.
        """
        refused = Refused()

        def by_header(found: Item) -> Refused:
            refused.recorded = recorded_of(found)
            return refused

        def by_key(found: Item) -> Refused:
            refused.claimed_id = found["transactionId"]
            return refused

        def by_shard(wallet_id: str, found: Item) -> Refused:
            refused.shards[wallet_id] = shard_of(found) if found else None
            return refused

        with tables.Transaction() as write:
            write.add(self._table.putting(transaction_item(request), condition=NEW), refused=by_header)
            if request.claims_key:
                write.add(self._table.putting(_claim_item(request), condition=NEW), refused=by_key)
            for change in wallet_changes:
                write.add(self._shard(change), refused=partial(by_shard, change.wallet_id))
            write.add(*map(self._table.putting, entry_items(request.transaction, tuple(wallet_changes))))
            write.add(*self._recording(entry))
            closed = [self._keep(change.wallet_id) for change in wallet_changes if change.after_closing]
            write.add(*closed, refused=lambda _: refused)
            for customer in sorted({change.customer for change in wallet_changes if change.customer}):
                write.add(*self._links.posting(*customer), refused=NoSuchCustomer)

    def _shard(self, wallet_change: WalletChange) -> Part:
        """Return the update of a shard, under conditions on its state and on every balance it changes."""
        state = WalletStatus.CLOSED if wallet_change.after_closing else WalletStatus.ACTIVE
        names = {"#status": "status"}
        values: dict[str, Any] = {":state": state.value, ":zero": ZERO, ":one": 1}
        sets, conditions = ["version = version + :one"], ["#status = :state"]
        for i, (asset, change) in enumerate(wallet_change.changes.items()):
            names[f"#a{i}"] = asset
            condition, bound = _bound(wallet_change, change)
            values |= {f":change{i}": change, f":bound{i}": bound}
            sets.append(f"balances.#a{i} = if_not_exists(balances.#a{i}, :zero) + :change{i}")
            conditions.append(condition.format(balance=f"balances.#a{i}", bound=f":bound{i}"))
            values |= {":most": MOST_ASSETS} if ":most" in condition else {}
        return self._table.updating(
            shard_pk(SHARDS, wallet_change.wallet_id, wallet_change.shard),
            wallet_change.shard,
            "SET " + ", ".join(sets) + (" REMOVE expiresAt" if wallet_change.after_closing else ""),
            values,
            condition=" AND ".join(conditions),
            names=names,
        )

    def _keep(self, wallet_id: str) -> Part:
        """Return the part that keeps a closed wallet with a new posting from expiring: it may be owed something."""
        return self._table.updating(*key(WALLET, wallet_id), "REMOVE expiresAt", {}, condition="attribute_exists(PK)")

    def recorded(self, transaction_id: str) -> Recorded | None:
        item = self._table.get(*key(TRANSACTION, transaction_id))
        return recorded_of(item) if item else None

    def claim(self, request: PostingRequest) -> bool:
        try:
            self._table.put(_claim_item(request), condition=NEW)
        except ConditionFailed:
            item = self._table.get(*key(KEY, request.origin))
            return item is not None and item["transactionId"] == request.transaction.id
        return True

    def transactions(self, transaction_ids: Sequence[str]) -> dict[str, Transaction]:
        items = self._table.get_many([key(TRANSACTION, transaction_id) for transaction_id in transaction_ids])
        transactions = (recorded_of(item).transaction for item in items)
        return {transaction.id: transaction for transaction in transactions}

    def entries(
        self, wallet: Wallet, since: int | None, until: int | None, before: str | None, page_size: int
    ) -> Iterator[tuple[str, Entry]]:
        first = f"{since:013d}" if since is not None else FIRST
        last = f"{until:013d}~" if until is not None else LAST
        for item in newest_between(self._table, partitions(ENTRIES, wallet), first, last, before, page_size):
            yield item["SK"], entry_of(item)


def _claim_item(request: PostingRequest) -> Item:
    pk, sk = key(KEY, request.origin)
    return {"PK": pk, "SK": sk, "transactionId": request.transaction.id}


def _bound(wallet_change: WalletChange, change: Decimal) -> tuple[str, Decimal]:
    """Return the condition on a balance before it changes, and the number it is compared with."""
    needed = change.copy_negate()
    if wallet_change.to_zero:
        return "{balance} = {bound}", needed
    if change < 0 and not wallet_change.may_go_negative:
        return "{balance} >= {bound}", needed
    fresh = "(attribute_not_exists({balance}) AND size(balances) < :most)"
    if change < 0:
        return f"({{balance}} > {{bound}} OR {fresh})", EXACT.subtract(needed, LIMIT)
    return f"({{balance}} < {{bound}} OR {fresh})", EXACT.subtract(LIMIT, change)
