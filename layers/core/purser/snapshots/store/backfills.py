"""The backfills and the rate gate on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable

from purser.aws.tables import ConditionFailed, Item, Table, batch_get
from purser.exchanges.model import TradeType, Venue
from purser.exchanges.store import ADDRESS, address_pk, cooldown_of, cooldown_sk
from purser.keys_table import BACKFILLS
from purser.snapshots.model import Backfill
from purser.trading_accounts.model import AccountRef
from purser.work.store import Attributes, DynamoWorkStore, Layout

GATE_SK = "GATE"
GATE_KEPT_S = 3600
COOLDOWNS = (cooldown_sk("PAST_BALANCES"), cooldown_sk(TradeType.SPOT))
"""Those of past balances, and of the closing prices that value them."""


def _backfill_of(item: Item) -> Backfill:
    ref = AccountRef(item["userId"], item["SK"])
    return Backfill(ref, requested_at=int(item["requestedAt"]), **Attributes().read(item))


LAYOUT = Layout(lambda trading_account_id: (BACKFILLS, trading_account_id), _backfill_of, (BACKFILLS,))


class DynamoBackfillStore(DynamoWorkStore[Backfill]):
    """The store of backfills on DynamoDB, in the Keys table."""

    def __init__(self, keys: Table) -> None:
        super().__init__(keys, LAYOUT)
        self._keys = keys

    def add(self, backfill: Backfill) -> None:
        """Replace a waiting backfill of the same trading account. Its lease goes on."""
        cause = backfill.correlation_id
        self._keys.update(
            BACKFILLS,
            backfill.ref.id,
            "SET userId = :user, requestedAt = :requested, dueAt = :due, "
            f"version = if_not_exists(version, :requested) + :one{', correlationId = :cause' if cause else ''} "
            f"REMOVE dead, attempts, expiresAt, claimedBy{'' if cause else ', correlationId'}",
            {
                ":user": backfill.ref.user_id,
                ":requested": backfill.requested_at,
                ":due": backfill.due_at,
                ":one": 1,
                ":cause": cause,
            },
        )


class DynamoRateGate:
    """Grants a permit every ``pause_ms`` to all workers together, and none during a cooldown of what they ask.

    ``table`` is the Venues table. ``lane_name`` tells the lane of a trading account. Each lane has permits of its own.
    """

    def __init__(
        self,
        table: Table,
        pause_ms: int,
        lane_name: Callable[[str], str] = lambda _: ADDRESS,
        venue: Venue = Venue.BINANCE,
    ) -> None:
        self._table = table
        self._pause_ms = pause_ms
        self._lane_name = lane_name
        self._venue = venue

    def take(self, trading_account_id: str, now: int) -> int:
        pk = address_pk(self._venue, self._lane_name(trading_account_id))
        found = batch_get({self._table.name: [(pk, sk) for sk in (GATE_SK, *COOLDOWNS)]})
        gate, *cooldowns = (found.get((self._table.name, pk, sk), {}) for sk in (GATE_SK, *COOLDOWNS))
        if (wait := max(int(gate.get("nextAt", 0)), *(cooldown_of(each).until for each in cooldowns)) - now) > 0:
            return wait
        expires_at = (now + self._pause_ms) // 1000 + GATE_KEPT_S
        try:
            self._table.put(
                {"PK": pk, "SK": GATE_SK, "nextAt": now + self._pause_ms, "expiresAt": expires_at},
                condition="attribute_not_exists(PK) OR nextAt <= :now",
                values={":now": now},
            )
        except ConditionFailed:
            return self._pause_ms
        return 0
