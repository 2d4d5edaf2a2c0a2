"""The history of a trading account's balance."""

from __future__ import annotations

from datetime import date, timedelta

from purser.errors import FieldError, InvalidInput
from purser.snapshots.model import Snapshot
from purser.snapshots.ports import BalanceHistoryStore

FIRST_DAY = "0001-01-01"
LAST_DAY = "9999-12-31"


class BalanceHistory:
    """Reads snapshots. The caller's access to the trading account is checked before."""

    def __init__(self, store: BalanceHistoryStore) -> None:
        self._store = store

    def page(
        self, trading_account_id: str, start: str | None, limit: int, after: str | None
    ) -> tuple[list[Snapshot], str | None]:
        """Return at most ``limit`` days since ``start`` (``YYYY-MM-DD``), newest first, after the position ``after``.

        Returns:
            The rows, and the position of the next page, or None at the end.

        Raises:
            InvalidInput: the position is malformed.
        """
        first = start or FIRST_DAY
        last = _day_before(after) if after is not None else LAST_DAY
        found = self._store.page(trading_account_id, first, last, limit + 1)
        rows = found[:limit]
        return rows, rows[-1].date if len(found) > limit else None


def _day_before(position: str) -> str:
    try:
        day = date.fromisoformat(position)
        if day.isoformat() == position:
            return (day - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        pass
    raise InvalidInput([FieldError(("nextToken",), "must be a token of this list", "query")])
