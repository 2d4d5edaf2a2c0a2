"""Executions, and the reasons for which a signal is not executed for a follower."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SkipReason(StrEnum):
    """The reasons for which a signal is not executed for a follower. Followers see them."""

    NOT_ACTIVE = "NOT_ACTIVE"
    """The follow has ended, is paused, or follows another strategy by now."""
    PLAN = "PLAN"
    """The user's plan does not allow strategies."""
    KEY = "KEY"
    """The trading account is disabled, or the exchange refuses its key."""
    HALTED = "HALTED"
    """An administrator has stopped the strategy, or all trading."""
    EXPIRED = "EXPIRED"
    """The signal was too old before its order could be sent."""
    TOO_SMALL = "TOO_SMALL"
    """The follower's risk buys less than the venue's least amount."""
    STOP_TOO_TIGHT = "STOP_TOO_TIGHT"
    """The stop is on the wrong side of the price, or so near that fees would be most of the loss."""
    MARGIN = "MARGIN"
    """The available margin, at the leverage that the follower allows, carries less than the venue's least amount."""
    SLIPPAGE = "SLIPPAGE"
    """The market was worse than the worst price that the follower accepts."""
    MIN_EQUITY = "MIN_EQUITY"
    """The equity is below the follower's minimum."""
    LIQUIDATION = "LIQUIDATION"
    """Even the least position would be liquidated before its stop."""
    BRACKET = "BRACKET"
    """The venue's brackets of leverage do not allow even the least position."""
    CROSSED = "CROSSED"
    """The margin of the symbol is crossed, so that one gap could take the whole wallet."""
    DAILY_LOSS = "DAILY_LOSS"
    """The trading account has reached its greatest loss of the day."""
    MAX_TRADES = "MAX_TRADES"
    """The trading account has reached its greatest number of open trades."""
    HEDGE_MODE = "HEDGE_MODE"
    """The account is in hedge mode, and Purser trades in one-way mode only."""
    MULTI_ASSETS = "MULTI_ASSETS"
    """All assets of the account are margin together, so that no position is isolated."""
    SYMBOL_BUSY = "SYMBOL_BUSY"
    """The symbol has a position or an order that is not of a strategy."""
    VENUE_REFUSED = "VENUE_REFUSED"
    """The venue refused the order. Nothing of it is left."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A signal is not executed for a follower, for this reason. ``detail`` is the venue's code, if it refused."""

    reason: SkipReason
    detail: str | None = None
