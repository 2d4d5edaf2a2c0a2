"""The ended trades of strategies, whose books are to be closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from purser.orders.intents import Intent
from purser.work.model import WorkItem

LIFETIME_MS = 28 * 24 * 3600 * 1000
"""The time for which it is tried to close the books of a trade. Its intent expires soon afterwards."""


@dataclass(frozen=True, slots=True)
class EndedTrade(WorkItem):
    """A strategy's trade that has ended, or that has given way to an intent that closes it.

    ``ended_at`` is when that was stored (Unix ms).
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("tradingAccountId", "intentId")

    user_id: str
    trading_account_id: str
    intent_id: str
    ended_at: int

    @property
    def key(self) -> tuple[str, ...]:
        """The ids of the trading account and the intent."""
        return self.trading_account_id, self.intent_id

    @property
    def deadline(self) -> int:
        """The time from which the books stay open."""
        return self.ended_at + LIFETIME_MS

    @property
    def since(self) -> int:
        """The time of its end."""
        return self.ended_at


def ended_trade(intent: Intent) -> EndedTrade | None:
    """Return the ended trade of an intent, or None if it is not a follow's, has not ended, or filled nothing.

    An entry that was open when it gave way may have been executed before it was cancelled. Its books will tell.
    """
    entry, strategy = intent.placed_entry, intent.strategy
    if strategy is None or strategy.follow_id is None or not intent.state.is_final:
        return None
    if entry is None or not (entry.filled or entry.is_open):
        return None
    return EndedTrade(
        intent.user_id, intent.trading_account_id, intent.id, ended_at=intent.updated_at, due_at=intent.updated_at
    )
