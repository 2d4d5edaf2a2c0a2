"""Wallets and their shards on DynamoDB.

*Sharded wallets.* One write can change a hundred items, and postings of different counterparties may share
none: so no single write can stop them all. The wallet's item decides, and shards follow it:

- Every change of the wallet's state gives it the next ``version`` (the attribute ``revision``). A shard copies state
  and version from one consistent read of the wallet, and never goes back to an older version.
- A shard that takes no posting looks at the wallet again before a posting is refused (``enter``). So making a
  wallet active is one write.
- To stop a wallet, its item is written first, then every shard that is not as new is stopped. A shard that is made
  meanwhile is stopped when made, and reads the wallet afterwards: it finds the new state, or the walk finds it.
- Closing first writes ``closing_until``, then stops and sums the shards, and closes in the one write that still finds
  the version under which every shard stood still. Postings wait until then; one that meets a time that has passed
  cancels the closing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from operator import itemgetter
from typing import Any

from purser.aws.tables import BATCH_GET_LIMIT, ConditionFailed, Item, Part, Table, Transaction, batch_get
from purser.errors import WalletNotEmpty
from purser.ledger.model import SINGLE, STOPPED, BalanceShard, Wallet, WalletStatus, summed
from purser.ledger.ports import StaleWallet, WalletExists
from purser.ledger.store.items import (
    WALLET,
    expires_at,
    list_shards,
    partitions,
    shard_item,
    shard_of,
    shard_state,
    shards_pk,
    wallet_item,
    wallet_of,
    wallet_pk,
    wallet_state,
)

NEW = "attribute_not_exists(PK)"
# Longer than the function that closes may run.
CLOSING_MS = 30_000
WALKERS = 16


class DynamoWalletStore:
    """Wallets on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, wallet: Wallet) -> None:
        """One write; for a wallet with one shard, wallet and shard in one transaction."""
        with Transaction() as write:
            write.add(self._table.putting(wallet_item(wallet), condition=NEW), refused=WalletExists)
            if not wallet.is_sharded:
                write.add(self._table.putting(self._single_shard(wallet), condition=NEW), refused=WalletExists)

    def _single_shard(self, wallet: Wallet) -> Item:
        return shard_item(wallet.id, SINGLE, BalanceShard(shard_state(wallet), wallet.version)) | {
            "expiresAt": expires_at(wallet)
        }

    def get(self, wallet_id: str) -> Wallet | None:
        """One read."""
        item = self._table.get(wallet_pk(wallet_id), WALLET)
        return wallet_of(item) if item else None

    def find(self, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        """One read."""
        keys = [(wallet_pk(wallet_id), WALLET) for wallet_id in dict.fromkeys(wallet_ids)]
        return {item["walletId"]: wallet_of(item) for item in batch_get({self._table.name: keys}).values()}

    def listed(self, owner_id: str | None, before: str | None, page_size: int) -> Iterator[tuple[str, Wallet]]:
        """One query of an index; for all wallets one for each of its shards, merged."""
        if owner_id is not None:
            streams = [self._listed("OwnerIndex", "ownerId", owner_id, before, page_size)]
        else:
            share = 2 + page_size * 3 // (2 * len(list_shards()))
            streams = [self._listed("WalletIndex", "listShard", shard, before, share) for shard in list_shards()]
        for item in heapq.merge(*streams, key=itemgetter("listedAs"), reverse=True):
            yield item["listedAs"], wallet_of(item)

    def _listed(self, index: str, key: str, value: str, before: str | None, page_size: int) -> Iterator[Item]:
        condition, values = f"{key} = :value", {":value": value}
        if before:
            condition, values = condition + " AND listedAs < :before", {**values, ":before": before}
        return self._table.query(condition, values, index=index, newest_first=True, page_size=page_size)

    def of_account(self, account_id: str) -> Iterator[Wallet]:
        """One query of an index."""
        return map(wallet_of, self._table.query("accountId = :id", {":id": account_id}, index="AccountIndex"))

    def balances(self, wallet: Wallet) -> dict[str, Decimal]:
        """One query; for a sharded wallet one for each partition of its shards, some at a time."""
        return self._sum(wallet, self._shards)

    def balances_of(self, wallets: Sequence[Wallet]) -> dict[str, dict[str, Decimal]]:
        """A read for each hundred wallets that have one shard; sharded ones each as ``balances``."""
        found = {wallet.id: self.balances(wallet) for wallet in wallets if wallet.is_sharded}
        single = [wallet.id for wallet in wallets if not wallet.is_sharded]
        for start in range(0, len(single), BATCH_GET_LIMIT):
            pks = {shards_pk(wallet_id, SINGLE): wallet_id for wallet_id in single[start : start + BATCH_GET_LIMIT]}
            shards = batch_get({self._table.name: [(pk, SINGLE) for pk in pks]}).values()
            found |= {pks[shard["PK"]]: shard["balances"] for shard in shards}
        return found

    def _sum(self, wallet: Wallet, read: Any) -> dict[str, Decimal]:
        """The sum of the shards that ``read`` gives for each partition."""
        pks = partitions(wallet, "LANES")
        if len(pks) == 1:
            shards = list(read(pks[0]))
        else:
            with ThreadPoolExecutor(WALKERS) as walkers:
                shards = [shard for found in walkers.map(lambda pk: list(read(pk)), pks) for shard in found]
        return summed(balance for shard in shards for balance in shard["balances"].items())

    def _shards(self, pk: str) -> Iterator[Item]:
        return self._table.query("PK = :pk", {":pk": pk}, consistent=True)

    def enter(self, wallet_id: str, shard: str) -> Wallet | None:
        """Three requests of one item each, none of which another shard's postings write or check."""
        # First the shard, then the wallet: who stops the wallet in between finds the shard.
        with suppress(ConditionFailed):
            self._table.put(shard_item(wallet_id, shard, BalanceShard(STOPPED, 0)), condition=NEW)
        wallet = self.get(wallet_id)
        if wallet is not None:
            self._set_shard(shards_pk(wallet_id, shard), shard, shard_state(wallet), wallet.version)
        return wallet

    def _set_shard(self, pk: str, shard: str, status: str, wallet_version: int) -> Item | None:
        """Gives a shard a newer state; None when it has one as new."""
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

    def freeze(self, wallet: Wallet, now: int) -> Wallet:
        """One transaction; for a sharded wallet, a write, a walk, and a write that says that the walk is over."""
        if not wallet.is_sharded:
            return self._with_single_shard(_next(wallet, WalletStatus.FROZEN, now))
        freezing = wallet
        if not wallet.settling:
            freezing = _next(wallet, WalletStatus.FROZEN, now, settling=True)
            self._write(freezing)
        self._stop_shards(freezing)
        frozen = replace(freezing, settling=False)
        with suppress(StaleWallet):  # its state is a newer one by now
            self._write(frozen, expected=frozen.version)
        return frozen

    def unfreeze(self, wallet: Wallet, now: int) -> Wallet:
        """One transaction; for a sharded wallet one write."""
        active = _next(wallet, WalletStatus.ACTIVE, now)
        if not wallet.is_sharded:
            return self._with_single_shard(active)
        return self._write(active)

    def close(self, wallet: Wallet, now: int) -> Wallet:
        """One transaction; for a sharded wallet that is not frozen, first a write and a walk.

        A closed wallet goes on with a shard of its own, empty as the wallet is.
        """
        if not wallet.is_sharded:
            return self._close_single_shard(wallet, now)
        if any(self.balances(wallet).values()):
            raise WalletNotEmpty
        closing = wallet
        if wallet.status is WalletStatus.ACTIVE:
            closing = replace(wallet, version=wallet.version + 1, closing_until=now + CLOSING_MS)
            self._write(closing)
        if any(self._stop_shards(closing).values()):
            self.cancel_closing(closing)
            raise WalletNotEmpty
        closed = _next(closing, WalletStatus.CLOSED, now)
        return self._write(closed, self._table.putting(self._single_shard(closed), condition=NEW))

    def cancel_closing(self, wallet: Wallet) -> None:
        """One write."""
        if wallet.closing_until is not None:
            with suppress(StaleWallet):
                self._write(replace(wallet, version=wallet.version + 1, closing_until=None))

    def _close_single_shard(self, wallet: Wallet, now: int) -> Wallet:
        """Closes if the shard is empty: a posting in between has moved its version on."""
        item = self._table.get(shards_pk(wallet.id, SINGLE), SINGLE)
        if item is None:
            raise StaleWallet
        shard = shard_of(item)
        if any(shard.balances.values()):
            raise WalletNotEmpty
        return self._with_single_shard(_next(wallet, WalletStatus.CLOSED, now), version=shard.version)

    def _with_single_shard(self, after: Wallet, version: int | None = None) -> Wallet:
        values: dict[str, Any] = {":status": shard_state(after), ":revision": after.version}
        expression, condition = "SET #status = :status, revision = :revision", "attribute_exists(PK)"
        if version is not None:
            values |= {":version": version, ":expires": expires_at(after)}
            expression, condition = expression + ", expiresAt = :expires", "version = :version"
        shard = self._table.updating(
            shards_pk(after.id, SINGLE), SINGLE, expression, values, condition=condition, names={"#status": "status"}
        )
        return self._write(after, shard)

    def _write(self, after: Wallet, *shards: Part, expected: int | None = None) -> Wallet:
        """Write a wallet's state over the version before it (or ``expected``), in one transaction with its shard.

        Raises:
            StaleWallet: another version is there, or the shard is not as it must be.
        """
        with Transaction() as write:
            write.add(self._changing(after, after.version - 1 if expected is None else expected), refused=StaleWallet)
            write.add(*shards, refused=StaleWallet)
        return after

    def _changing(self, after: Wallet, expected: int) -> Part:
        state = wallet_state(after)
        present = [name for name, value in state.items() if value is not None]
        absent = [name for name, value in state.items() if value is None]
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in present)
        expression += " REMOVE " + ", ".join(f"#{name}" for name in absent) if absent else ""
        return self._table.updating(
            wallet_pk(after.id),
            WALLET,
            expression,
            {f":{name}": state[name] for name in present} | {":expected": expected},
            condition="#revision = :expected",
            names={f"#{name}": name for name in state},
        )

    def _stop_shards(self, wallet: Wallet) -> dict[str, Decimal]:
        """Stops every shard that is not as new as the wallet's state, and sums what they hold when they stand still."""

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


def _next(wallet: Wallet, status: WalletStatus, now: int, *, settling: bool = False) -> Wallet:
    """The wallet in its next state."""
    return replace(
        wallet, status=status, version=wallet.version + 1, updated_at=now, closing_until=None, settling=settling
    )
