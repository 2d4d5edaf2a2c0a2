"""Follows of trading accounts."""

from __future__ import annotations

from dataclasses import dataclass

from purser.strategies.model import RiskProfile, Strategy


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


@dataclass(frozen=True, slots=True)
class FollowView:
    """A follow with its current strategy and risk profile."""

    follow: Follow
    strategy: Strategy
    risk_profile: RiskProfile


@dataclass(frozen=True, slots=True)
class FollowChange:
    """A change of a follow. None leaves a field unchanged."""

    active: bool | None = None
    strategy_id: str | None = None
    risk_profile_id: str | None = None
