"""The store of backfills on DynamoDB, and who may ask the exchange for past balances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from purser.aws.tables import ConditionFailed, Item, Table, batch_get
from purser.exchanges.model import Venue
from purser.keys_table import BACKFILLS
from purser.snapshots.model import Backfill
from purser.snapshots.store.items import cooldown_key, expiry, rate_gate_key
from purser.trading_accounts.model import AccountRef


class DynamoBackfillStore:
    """The store of backfills on DynamoDB, in the Keys table."""

    def __init__(self, keys: Table) -> None:
        self._table = keys

    def add(self, backfill: Backfill) -> None:
        """Keeps a backfill, in the place of one that waits for the same trading account."""
        self._table.update(
            BACKFILLS,
            backfill.ref.id,
            "SET userId = :user, requestedAt = :requested, dueAt = :due, "
            "version = if_not_exists(version, :requested) + :one REMOVE dead, expiresAt, claimedBy",
            {":user": backfill.ref.user_id, ":requested": backfill.requested_at, ":due": backfill.due_at, ":one": 1},
        )

    def get(self, trading_account_id: str) -> Backfill | None:
        """A backfill, or None when it is over."""
        item = self._table.get(BACKFILLS, trading_account_id)
        return _backfill_of(item) if item else None

    def waiting(self) -> Iterator[Backfill]:
        """All backfills that are not dead, streamed."""
        items = self._table.query("PK = :pk", {":pk": BACKFILLS})
        return (backfill for backfill in map(_backfill_of, items) if not backfill.dead)

    def claim(self, backfill: Backfill, due_at: int) -> bool:
        """Set a new due time; return False when it is over, or has changed since it was read."""
        due = {"dueAt": due_at}
        return self._table.claim(BACKFILLS, backfill.ref.id, due, at_version=backfill.version) is not None

    def finish(self, backfill: Backfill) -> None:
        """Remove a backfill, unless it has changed since it was read."""
        with suppress(ConditionFailed):
            self._table.delete(BACKFILLS, backfill.ref.id, at_version=backfill.version)

    def give_up(self, backfill: Backfill) -> None:
        """Make a backfill dead, unless it has changed since it was read. It expires."""
        self._table.claim(
            BACKFILLS, backfill.ref.id, {"dead": True, "expiresAt": expiry()}, at_version=backfill.version
        )


class DynamoRateGate:
    """Grants a permit every ``pause_ms`` to all workers together, and none during the cooldown of the venue."""

    def __init__(self, table: Table, pause_ms: int, venue: Venue = Venue.BINANCE) -> None:
        self._table = table
        self._pause_ms = pause_ms
        self._gate, self._cooldown = rate_gate_key(venue), cooldown_key(venue)

    def take(self, now: int) -> int:
        """Take a permit: return 0, or after how many ms to try again."""
        found = batch_get({self._table.name: [self._gate, self._cooldown]})
        gate, cooldown = (found.get((self._table.name, *key), {}) for key in (self._gate, self._cooldown))
        if (wait := max(int(gate.get("nextAt", 0)), int(cooldown.get("heldUntil", 0))) - now) > 0:
            return wait
        pk, sk = self._gate
        try:
            self._table.put(
                {"PK": pk, "SK": sk, "nextAt": now + self._pause_ms, "expiresAt": expiry()},
                condition="attribute_not_exists(PK) OR nextAt <= :now",
                values={":now": now},
            )
        except ConditionFailed:
            return self._pause_ms
        return 0


def _backfill_of(item: Item) -> Backfill:
    return Backfill(
        ref=AccountRef(item["userId"], item["SK"]),
        requested_at=int(item["requestedAt"]),
        due_at=int(item["dueAt"]),
        dead=item.get("dead", False),
        version=int(item.get("version", 0)),
    )
