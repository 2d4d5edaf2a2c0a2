"""The history of a trading account's balance."""

from __future__ import annotations

from datetime import date, timedelta

from purser.errors import FieldError, InvalidInput
from purser.snapshots.model import Snapshot
from purser.snapshots.ports import BalanceHistoryStore

FIRST_DAY = "0001-01-01"
LAST_DAY = "9999-12-31"


class BalanceHistory:
    """Reads snapshots. Whether the caller may see the trading account is checked before."""

    def __init__(self, store: BalanceHistoryStore) -> None:
        self._store = store

    def page(
        self, trading_account_id: str, start: str | None, limit: int, after: str | None
    ) -> tuple[list[Snapshot], str | None]:
        """A page of days, newest first, in one bounded read.

        Args:
            trading_account_id: whose.
            start: no days before this one (``YYYY-MM-DD``).
            limit: so many rows at most.
            after: the position that the page before gave.

        Returns:
            The rows, and the position from which to go on, or None at the end.

        Raises:
            InvalidInput: no page gives such a position.
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
