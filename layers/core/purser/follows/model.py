"""Follows of trading accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from purser.strategies.model import RiskProfile, Strategy
from purser.work.model import WorkItem

DEFAULT_SLIPPAGE_PERCENT = Decimal("0.5")


class OnStop(StrEnum):
    """The handling of an open trade when its user pauses or ends its follow, or changes its strategy.

    It is kept by default, and when the plan suspends the follow.
    """

    KEEP = "KEEP"
    """It stays until one of its exits is executed."""
    CLOSE = "CLOSE"
    """What it holds is closed at the market."""


@dataclass(frozen=True, slots=True)
class Protections:
    """A follower's own limits. Those that are not set are None.

    An order is executed at most ``slippage_percent`` worse than the strategy's price. Below ``min_equity_usd`` nothing
    is traded. An account with more than ``max_equity_usd`` trades as if it had no more.
    """

    max_slippage_percent: Decimal | None = None
    max_leverage: int | None = None
    min_equity_usd: Decimal | None = None
    max_equity_usd: Decimal | None = None
    on_stop: OnStop | None = None

    @property
    def slippage_percent(self) -> Decimal:
        """The greatest slippage of an entry, in percent."""
        return DEFAULT_SLIPPAGE_PERCENT if self.max_slippage_percent is None else self.max_slippage_percent


NO_PROTECTIONS = Protections()


@dataclass(frozen=True, slots=True)
class Follow:
    """A trading account that follows a strategy with a risk profile. Times are Unix milliseconds.

    ``symbol`` is the strategy's and never changes; an account follows at most one strategy for it. A ``suspended``
    follow is inactive because of the plan, which may resume it (``purser.enforcement``).
    """

    id: str
    user_id: str
    trading_account_id: str
    symbol: str
    strategy_id: str
    risk_profile_id: str
    active: bool
    created_at: int
    updated_at: int
    suspended: bool = False
    protections: Protections = NO_PROTECTIONS


@dataclass(frozen=True, slots=True)
class Follower:
    """The ids that find an active follow and its trading account."""

    user_id: str
    trading_account_id: str
    follow_id: str


@dataclass(frozen=True, slots=True)
class FollowView:
    """A follow with its current strategy and risk profile."""

    follow: Follow
    strategy: Strategy
    risk_profile: RiskProfile


@dataclass(frozen=True, slots=True)
class FollowChange:
    """A change of a follow. None leaves a field unchanged.

    ``protections`` are those that change, by field name, with their new values; None removes one.
    """

    active: bool | None = None
    strategy_id: str | None = None
    risk_profile_id: str | None = None
    protections: Mapping[str, Any] = field(default_factory=dict)

    def stops(self, follow: Follow) -> bool:
        """Return whether the follow gets no signals of its strategy any more."""
        return self.active is False or self.strategy_id not in (None, follow.strategy_id)


@dataclass(frozen=True, slots=True)
class TradeClosing(WorkItem):
    """The work of closing the open trade of a follow that has stopped (``OnStop.CLOSE``).

    ``trade_id`` is the id of the trade's intent. It is done once that is stored as closing.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("tradingAccountId", "tradeId")

    user_id: str
    trading_account_id: str
    trade_id: str
    stopped_at: int

    @property
    def key(self) -> tuple[str, ...]:
        """The ids of the trading account and the trade."""
        return self.trading_account_id, self.trade_id

    @property
    def since(self) -> int:
        """The time at which the follow stopped."""
        return self.stopped_at
