"""Wallets and their shards on DynamoDB.

*Sharded wallets.* A wallet may have more shards than one transaction can change, and postings of different
counterparties must not share an item. So the wallet's item decides, and its shards follow:

- Every change of the wallet's state gives it the next ``version`` (the attribute ``revision``). A shard copies state
  and version from one consistent read of the wallet, and never goes back to an older version.
- Before a stopped shard refuses a posting, it looks at the wallet again (``enter``). So one write makes a wallet
  active.
- Stopping a wallet first writes its item, then stops every older shard. A shard that is created meanwhile is
  stopped at first and then reads the wallet. So it finds the new state, or the walk finds the shard.
- Closing first writes ``closing_until``, stops the shards and sums them. One write then closes the wallet, if its
  version is still the one under which the shards stopped. Postings wait until then. One that finds
  ``closing_until`` in the past cancels the closing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws.counts import Count
from purser.aws.shards import merged
from purser.aws.tables import ConditionFailed, Item, Part, Table, Transaction, setting
from purser.errors import AccountInUse, TooManyWallets, WalletNotEmpty
from purser.ledger.model import PLATFORM, SINGLE, STOPPED, BalanceShard, Wallet, WalletStatus, summed
from purser.ledger.ports import NoSuchCustomer, StaleWallet, WalletExists
from purser.ledger.store.customer_links import CustomerLinks, WhileActive
from purser.ledger.store.items import (
    LINKS,
    LIST_SHARDS,
    SHARDS,
    WALLET,
    customer_pk,
    expires_at,
    key,
    owner_pk,
    partitions,
    shard_item,
    shard_of,
    shard_pk,
    shard_state,
    wallet_item,
    wallet_of,
    wallet_state,
)

NEW = "attribute_not_exists(PK)"
# Longer than the closing function may run.
CLOSING_MS = 30_000
WALKERS = 16


class DynamoWalletStore:
    """Wallets on DynamoDB. Without ``while_active`` no wallet can belong to a customer."""

    def __init__(self, table: Table, recording: Recording, while_active: WhileActive | None = None) -> None:
        self._table = table
        self._recording = recording
        self._links = CustomerLinks(table, while_active)
        self._count = Count(table, "wallets", TooManyWallets)

    def create(self, wallet: Wallet, entry: AuditEntry, most: int | None = None) -> None:
        def attempt() -> None:
            with Transaction() as write:
                write.add(self._table.putting(wallet_item(wallet), condition=NEW), refused=WalletExists)
                if not wallet.is_sharded:
                    write.add(self._table.putting(self._single_shard(wallet), condition=NEW), refused=WalletExists)
                write.add(*self._links.creating(wallet), refused=NoSuchCustomer)
                if wallet.owner_id != PLATFORM:
                    write.add(self._count.changing(owner_pk(wallet.owner_id), 1, most), refused=self._count.refusal)
                write.add(*self._recording(entry))

        self._counted(wallet.owner_id, attempt)

    def _counted(self, owner_id: str, write: Callable[[], None]) -> None:
        """Make a write that changes the count of an owner's wallets that are not closed."""

        def count() -> int:
            items = self._table.query("ownerId = :owner", {":owner": owner_id}, index="OwnerIndex")
            return sum(item["status"] != WalletStatus.CLOSED for item in items)

        self._count.kept(owner_pk(owner_id), count, write)

    def _single_shard(self, wallet: Wallet) -> Item:
        return shard_item(wallet.id, SINGLE, BalanceShard(shard_state(wallet), wallet.version)) | {
            "expiresAt": expires_at(wallet)
        }

    def get(self, wallet_id: str) -> Wallet | None:
        item = self._table.get(*key(WALLET, wallet_id))
        return wallet_of(item) if item else None

    def find(self, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        items = self._table.get_many([key(WALLET, wallet_id) for wallet_id in dict.fromkeys(wallet_ids)])
        return {wallet.id: wallet for wallet in map(wallet_of, items)}

    def listed(self, owner_id: str | None, before: str | None, page_size: int) -> Iterator[tuple[str, Wallet]]:
        if owner_id is not None:
            read, values = partial(self._listed, "OwnerIndex", "ownerId", before), [owner_id]
        else:
            read = partial(self._listed, "WalletIndex", "listShard", before)
            values = [str(n) for n in range(LIST_SHARDS)]
        for item in merged(read, values, page_size, key="listedAs"):
            yield item["listedAs"], wallet_of(item)

    def _listed(self, index: str, attribute: str, before: str | None, value: str, page_size: int) -> Iterator[Item]:
        condition, values = f"{attribute} = :value", {":value": value}
        if before:
            condition, values = condition + " AND listedAs < :before", {**values, ":before": before}
        return self._table.query(condition, values, index=index, newest_first=True, page_size=page_size)

    def while_empty(self, customer_id: str) -> Part:
        """Return the transaction part that requires a customer's wallets to be as empty as they are now.

        Raises:
            purser.errors.AccountInUse: one of them has a balance.
        """
        # First the version, then the balances, so that a posting in between makes the version stale.
        pk = customer_pk(customer_id)
        links = self._table.get(pk, LINKS) or {}
        # Wallets from before there were links are in the index only, which is long up to date for them.
        indexed = self._table.query("accountId = :id", {":id": customer_id}, index="AccountIndex")
        wallets = self.find([*links.get("walletIds", ()), *(item["walletId"] for item in indexed)])
        if any(any(balances.values()) for balances in self.balances_of([*wallets.values()]).values()):
            raise AccountInUse
        return self._table.checking(pk, LINKS, at_version=int(links.get("version", 0)))

    def balances(self, wallet: Wallet) -> dict[str, Decimal]:
        return self._sum(wallet, self._shards)

    def balances_of(self, wallets: Sequence[Wallet]) -> dict[str, dict[str, Decimal]]:
        found = {wallet.id: self.balances(wallet) for wallet in wallets if wallet.is_sharded}
        single = {shard_pk(SHARDS, wallet.id, SINGLE): wallet.id for wallet in wallets if not wallet.is_sharded}
        shards = self._table.get_many([(pk, SINGLE) for pk in single])
        return found | {single[shard["PK"]]: shard["balances"] for shard in shards}

    def _sum(self, wallet: Wallet, read: Any) -> dict[str, Decimal]:
        """Return the sum of the shards that ``read`` yields for each partition."""
        pks = partitions(SHARDS, wallet)
        if len(pks) == 1:
            shards = list(read(pks[0]))
        else:
            with ThreadPoolExecutor(WALKERS) as walkers:
                shards = [shard for found in walkers.map(lambda pk: list(read(pk)), pks) for shard in found]
        return summed(balance for shard in shards for balance in shard["balances"].items())

    def _shards(self, pk: str) -> Iterator[Item]:
        return self._table.query("PK = :pk", {":pk": pk}, consistent=True)

    def enter(self, wallet_id: str, shard: str) -> Wallet | None:
        # First the shard, then the wallet, so that whoever stops the wallet in between finds the shard.
        with suppress(ConditionFailed):
            self._table.put(shard_item(wallet_id, shard, BalanceShard(STOPPED, 0)), condition=NEW)
        wallet = self.get(wallet_id)
        if wallet is not None:
            self._set_shard(shard_pk(SHARDS, wallet_id, shard), shard, shard_state(wallet), wallet.version)
        return wallet

    def _set_shard(self, pk: str, shard: str, status: str, wallet_version: int) -> Item | None:
        """Give a shard a newer state, or return None when its state is as new."""
        try:
            return self._table.update(
                pk,
                shard,
                "SET #status = :status, revision = :revision",
                {":status": status, ":revision": wallet_version},
                condition="revision < :revision",
                names={"#status": "status"},
            )
        except ConditionFailed:
            return None

    def freeze(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        if not wallet.is_sharded:
            return self._with_single_shard(_next(wallet, WalletStatus.FROZEN, now), entry)
        started = wallet
        if not wallet.freezing:  # else it is frozen already, and its entry is written
            started = self._write(_next(wallet, WalletStatus.FROZEN, now, freezing=True), *self._recording(entry))
        self._stop_shards(started)
        frozen = replace(started, freezing=False)
        with suppress(StaleWallet):  # the wallet has a newer state by now
            self._write(frozen, expected=frozen.version)
        return frozen

    def unfreeze(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        active = _next(wallet, WalletStatus.ACTIVE, now)
        if not wallet.is_sharded:
            return self._with_single_shard(active, entry)
        return self._write(active, *self._recording(entry))

    def close(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        """Close a wallet. A closed sharded wallet continues with the shard ``SINGLE``, which is empty."""
        if not wallet.is_sharded:
            return self._close_single_shard(wallet, now, entry)
        if any(self.balances(wallet).values()):
            raise WalletNotEmpty
        closing = wallet
        if wallet.status is WalletStatus.ACTIVE:
            closing = self._write(replace(wallet, version=wallet.version + 1, closing_until=now + CLOSING_MS))
        if any(self._stop_shards(closing).values()):
            self.cancel_closing(closing)
            raise WalletNotEmpty
        closed = _next(closing, WalletStatus.CLOSED, now)
        single_shard = self._table.putting(self._single_shard(closed), condition=NEW)
        return self._write(closed, single_shard, *self._recording(entry))

    def cancel_closing(self, wallet: Wallet) -> None:
        if wallet.closing_until is not None:
            with suppress(StaleWallet):
                self._write(replace(wallet, version=wallet.version + 1, closing_until=None))

    def _close_single_shard(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        """Close if the shard is empty. A posting in between changes its version, which refuses the closing."""
        item = self._table.get(shard_pk(SHARDS, wallet.id, SINGLE), SINGLE)
        if item is None:
            raise StaleWallet
        shard = shard_of(item)
        if any(shard.balances.values()):
            raise WalletNotEmpty
        return self._with_single_shard(_next(wallet, WalletStatus.CLOSED, now), entry, version=shard.version)

    def _with_single_shard(self, after: Wallet, entry: AuditEntry, version: int | None = None) -> Wallet:
        values: dict[str, Any] = {":status": shard_state(after), ":revision": after.version}
        expression, condition = "SET #status = :status, revision = :revision", "attribute_exists(PK)"
        if version is not None:
            values |= {":version": version, ":expires": expires_at(after)}
            expression, condition = expression + ", expiresAt = :expires", "version = :version"
        pk, names = shard_pk(SHARDS, after.id, SINGLE), {"#status": "status"}
        shard = self._table.updating(pk, SINGLE, expression, values, condition=condition, names=names)
        return self._write(after, shard, *self._recording(entry))

    def _write(self, after: Wallet, *parts: Part, expected: int | None = None) -> Wallet:
        """Write a wallet's state over the version before it (or ``expected``), in one transaction with other parts.

        Raises:
            StaleWallet: the wallet has another version, or another part is refused.
        """
        expected = after.version - 1 if expected is None else expected
        closes = after.status is WalletStatus.CLOSED and after.owner_id != PLATFORM

        def attempt() -> None:
            with Transaction() as write:
                write.add(self._changing(after, expected), refused=StaleWallet)
                write.add(*parts, refused=StaleWallet)
                if closes:
                    write.add(self._count.changing(owner_pk(after.owner_id), -1), refused=self._count.refusal)

        self._counted(after.owner_id, attempt)
        return after

    def _changing(self, after: Wallet, expected: int) -> Part:
        expression, values, names = setting(wallet_state(after))
        return self._table.updating(
            *key(WALLET, after.id),
            expression,
            values | {":expected": expected},
            condition="#revision = :expected",
            names=names,
        )

    def _stop_shards(self, wallet: Wallet) -> dict[str, Decimal]:
        """Stop every shard that is older than the wallet's state, and return the sum of all shards."""

        def stopped(pk: str) -> Iterator[Item]:
            for item in self._shards(pk):
                if item["revision"] >= wallet.version:
                    yield item
                else:
                    yield self._stop_shard(pk, item["SK"], wallet.version)

        return self._sum(wallet, stopped)

    def _stop_shard(self, pk: str, shard: str, wallet_version: int) -> Item:
        item = self._set_shard(pk, shard, STOPPED, wallet_version) or self._table.get(pk, shard)
        if item is None:
            raise RuntimeError(f"shard {shard} of {pk} is gone")
        return item


def _next(wallet: Wallet, status: WalletStatus, now: int, *, freezing: bool = False) -> Wallet:
    return replace(
        wallet, status=status, version=wallet.version + 1, updated_at=now, closing_until=None, freezing=freezing
    )
