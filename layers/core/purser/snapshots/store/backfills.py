"""The store of backfills on DynamoDB, and who may ask the exchange for past balances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from purser.aws.tables import ConditionFailed, Item, Table, batch_get
from purser.exchanges.model import Venue
from purser.snapshots.model import Backfill
from purser.snapshots.store.items import cooldown_key, expiry, turn_key
from purser.trading_accounts.model import AccountRef
from purser.trading_accounts.store.items import BACKFILLS, backfill_item

UNCHANGED = "requestedAt = :read"


class DynamoBackfillStore:
    """The store of backfills on DynamoDB, in the Keys table."""

    def __init__(self, keys: Table) -> None:
        self._table = keys

    def add(self, backfill: Backfill) -> None:
        """Keeps a backfill, in the place of one that waits for the same trading account."""
        ref = backfill.ref
        self._table.put(backfill_item(ref.user_id, ref.id, backfill.requested_at, backfill.due_at))

    def get(self, trading_account_id: str) -> Backfill | None:
        """A backfill, or None when it is over."""
        item = self._table.get(BACKFILLS, trading_account_id)
        return _backfill_of(item) if item else None

    def waiting(self) -> Iterator[Backfill]:
        """All backfills that are not dead, streamed."""
        items = self._table.query("PK = :pk", {":pk": BACKFILLS})
        return (backfill for backfill in map(_backfill_of, items) if not backfill.dead)

    def claim(self, backfill: Backfill, due_at: int) -> bool:
        """Notes a new due time; False when it is over, or the due time has changed since it was read."""
        values = {":due": due_at, ":read": backfill.due_at, ":me": uuid4().hex}
        try:
            # A second try, when the first one's answer was lost, finds itself.
            self._update(backfill, "SET dueAt = :due, claimedBy = :me", "dueAt = :read OR claimedBy = :me", values)
        except ConditionFailed:
            return False
        return True

    def finish(self, backfill: Backfill) -> None:
        """Removes a backfill, unless it was asked for again since it was read."""
        with suppress(ConditionFailed):
            values = {":read": backfill.requested_at}
            self._table.delete(BACKFILLS, backfill.ref.id, condition=UNCHANGED, values=values)

    def give_up(self, backfill: Backfill) -> None:
        """Makes a backfill dead, unless it was asked for again since it was read. It expires."""
        values = {":yes": True, ":end": expiry(), ":read": backfill.requested_at}
        with suppress(ConditionFailed):
            self._update(backfill, "SET dead = :yes, expiresAt = :end", UNCHANGED, values)

    def _update(self, backfill: Backfill, expression: str, condition: str, values: Mapping[str, Any]) -> None:
        self._table.update(BACKFILLS, backfill.ref.id, expression, values, condition=condition)


class DynamoRateGate:
    """One turn every ``pause_ms``, for all workers together; none during the cooldown of the venue."""

    def __init__(self, table: Table, pause_ms: int, venue: Venue = Venue.BINANCE) -> None:
        self._table = table
        self._pause_ms = pause_ms
        self._turn, self._cooldown = turn_key(venue), cooldown_key(venue)

    def take(self, now: int) -> int:
        """Takes the turn. Returns 0, or else in how many ms it is worth to try again."""
        found = batch_get({self._table.name: [self._turn, self._cooldown]})
        turn, cooldown = (found.get((self._table.name, *key), {}) for key in (self._turn, self._cooldown))
        if (wait := max(int(turn.get("nextAt", 0)), int(cooldown.get("heldUntil", 0))) - now) > 0:
            return wait
        pk, sk = self._turn
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
    )
