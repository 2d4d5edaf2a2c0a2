"""What a trading account follows."""

from __future__ import annotations

from dataclasses import dataclass

from purser.strategies.model import RiskProfile, Strategy


@dataclass(frozen=True, slots=True)
class Follow:
    """A trading account follows a strategy at the risk of a profile. Times are Unix milliseconds.

    ``symbol`` is the strategy's, of which an account follows one strategy at most; it never changes. A follow that is
    ``suspended`` is not active because the plan stopped it, and the plan may start it again (``purser.enforcement``).
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


@dataclass(frozen=True, slots=True)
class FollowView:
    """A follow with the strategy and the risk profile as they are now."""

    follow: Follow
    strategy: Strategy
    risk_profile: RiskProfile


@dataclass(frozen=True, slots=True)
class FollowChange:
    """What changes of a follow; None stays as it is."""

    active: bool | None = None
    strategy_id: str | None = None
    risk_profile_id: str | None = None
