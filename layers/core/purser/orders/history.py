"""The trading history of a user, from stored orders."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from purser.orders.intents import HistoryEntry
    from purser.orders.ports import TradeHistoryStore


class TradeKind(StrEnum):
    """The origin of an order: placed by hand, or for a strategy."""

    MANUAL = "MANUAL"
    STRATEGY = "STRATEGY"


class TradeHistory:
    """The use case of the trading history."""

    def __init__(self, store: TradeHistoryStore) -> None:
        self._store = store

    def page(
        self, user_id: str, kind: TradeKind, since: int, limit: int, before: str | None
    ) -> tuple[list[HistoryEntry], str | None]:
        """Return at most ``limit`` orders since ``since`` (Unix ms), newest first, after the position ``before``.

        Returns:
            The orders, and the position of the next page, or None at the end.
        """
        # One more than asked for tells whether there is a next page.
        found = self._store.page(user_id, kind, since, before, limit + 1)
        shown = found[:limit]
        return [entry for _, entry in shown], shown[-1][0] if len(found) > limit else None
