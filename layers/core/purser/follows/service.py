"""The use cases of follows. Their rules are in the reference ("Strategy Automated")."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from purser.errors import (
    ExchangeMismatch,
    FeatureNotInPlan,
    FieldError,
    InvalidInput,
    NotFound,
    StrategyTypeMismatch,
    SymbolMismatch,
    TradingAccountInactive,
    Unavailable,
    found,
)
from purser.follows.model import (
    NO_PROTECTIONS,
    Follow,
    FollowChange,
    FollowView,
    OnStop,
    Protections,
    TradeClosing,
)
from purser.plans.model import Plans
from purser.ports import Sender
from purser.strategies.model import RiskProfile, Strategy
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount


class FollowStore(Protocol):
    """The store of follows. Every method may raise ``purser.errors.Unavailable``."""

    def of_account(self, user_id: str, trading_account_id: str) -> list[Follow]:
        """Return the follows of an account."""

    def find(self, user_id: str, follow_id: str) -> Follow | None:
        """Return one of the user's follows, or None."""

    def add(self, follow: Follow) -> Follow:
        """Store a new follow, which ends with its account's connection. Return the existing follow with its id, if any.

        Raises:
            purser.errors.SymbolFollowed: the account follows a strategy of this symbol.
            purser.errors.TradingAccountInactive: the account is not active.
        """

    def change(self, follow: Follow, change: FollowChange, now: int) -> Follow | None:
        """Change a follow, and return it, or None if it has ended. A change of ``active`` ends a suspension.

        Raises:
            purser.errors.TradingAccountInactive: the follow is activated, but its account is not active.
        """

    def end(self, follow: Follow, now: int) -> bool:
        """End a follow. Return False if it has ended before."""


class TradeClosings(Protocol):
    """The store of the closings of trades, which stopping a follow with ``OnStop.CLOSE`` puts there."""

    def waiting(self, trading_account_id: str) -> list[TradeClosing]:
        """Return the closings of an account."""


class Accounts(Protocol):
    """The store of trading accounts."""

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """Return one of the user's connected trading accounts, or None."""


class Catalog(Protocol):
    """The store of strategies and risk profiles."""

    def find(
        self, strategy_ids: Iterable[str], risk_profile_ids: Iterable[str]
    ) -> tuple[dict[str, Strategy], dict[str, RiskProfile]]:
        """Return the existing strategies and risk profiles by id."""


@dataclass(frozen=True, slots=True)
class NewFollow:
    """A follow to begin."""

    id: str
    user_id: str
    trading_account_id: str
    strategy_id: str
    risk_profile_id: str
    active: bool = True
    protections: Protections = NO_PROTECTIONS


class Follows:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        store: FollowStore,
        closings: TradeClosings,
        queue: Sender,
        accounts: Accounts,
        catalog: Catalog,
        plans: Plans,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._closings = closings
        self._queue = queue
        self._accounts = accounts
        self._catalog = catalog
        self._plans = plans
        self._now = now

    def of(self, user_id: str, trading_account_id: str) -> list[FollowView]:
        """Return the follows of a trading account, oldest first. Raises ``NotFound`` for an unknown account."""
        self._account(user_id, trading_account_id)
        follows = sorted(self._store.of_account(user_id, trading_account_id), key=lambda f: (f.created_at, f.id))
        if not follows:
            return []
        strategies, profiles = self._catalog.find(
            (follow.strategy_id for follow in follows), (follow.risk_profile_id for follow in follows)
        )
        return [FollowView(f, strategies[f.strategy_id], profiles[f.risk_profile_id]) for f in follows]

    def _account(self, user_id: str, trading_account_id: str) -> TradingAccount:
        return found(self._accounts.get(user_id, trading_account_id))

    def begin(self, new: NewFollow) -> FollowView:
        """Begin to follow a strategy. A repeat with the same id returns the existing follow.

        Raises:
            NotFound: the user has no such account.
            InvalidInput: there is no such active strategy or risk profile.
            FeatureNotInPlan, StrategyTypeMismatch, TradingAccountInactive: the user or the account may not follow.
            ExchangeMismatch, SymbolFollowed: the account may not follow this strategy.
        """
        account = self._account(new.user_id, new.trading_account_id)
        strategy, risk_profile = self._pick(new.strategy_id, new.risk_profile_id)
        self._check_plan(new.user_id)
        if account.strategy_type is not StrategyType.AUTOMATED:
            raise StrategyTypeMismatch
        if not account.active:
            raise TradingAccountInactive
        if strategy.venue != account.venue:
            raise ExchangeMismatch
        now = self._now()
        follow = Follow(
            id=new.id,
            user_id=new.user_id,
            trading_account_id=account.id,
            symbol=strategy.symbol,
            strategy_id=strategy.id,
            risk_profile_id=risk_profile.id,
            active=new.active,
            created_at=now,
            updated_at=now,
            protections=new.protections,
        )
        return FollowView(self._store.add(follow), strategy, risk_profile)

    def _pick(
        self, strategy_id: str, risk_profile_id: str, *, unchanged: str | None = None
    ) -> tuple[Strategy, RiskProfile]:
        """Return a strategy and a risk profile. The strategy must be active, unless it is ``unchanged``."""
        strategies, profiles = self._catalog.find([strategy_id], [risk_profile_id])
        strategy, profile = strategies.get(strategy_id), profiles.get(risk_profile_id)
        field_errors = []
        if strategy is None or not (strategy.active or strategy_id == unchanged):
            message = "must be active strategy automated id"
            field_errors.append(FieldError(("strategyAutomatedId",), message, "body", strategy_id))
        if profile is None:
            message = "must be valid strategy risk profile id"
            field_errors.append(FieldError(("strategyRiskProfileId",), message, "body", risk_profile_id))
        if field_errors or strategy is None or profile is None:
            raise InvalidInput(field_errors)
        return strategy, profile

    def _check_plan(self, user_id: str) -> None:
        plan = self._plans.plan_of(user_id)
        if plan is None or not plan.strategy_automated:
            raise FeatureNotInPlan

    def change(self, user_id: str, follow_id: str, change: FollowChange) -> FollowView:
        """Change a follow, and return it.

        Raises:
            NotFound: the user has no such follow.
            InvalidInput: there is no such active strategy or risk profile.
            FeatureNotInPlan: the follow is activated, but the user's plan does not allow follows.
            TradingAccountInactive: the follow is activated, but the account is inactive or its key not AUTHORIZED.
            ExchangeMismatch, SymbolMismatch: the follow may not change to this strategy.
        """
        follow = self._find(user_id, follow_id)
        account = self._account(user_id, follow.trading_account_id)
        strategy, risk_profile = self._pick(
            change.strategy_id or follow.strategy_id,
            change.risk_profile_id or follow.risk_profile_id,
            unchanged=follow.strategy_id if change.strategy_id is None else None,
        )
        if change.active:
            self._check_plan(user_id)
            if not account.active or account.api_key_status is not ApiKeyStatus.AUTHORIZED:
                raise TradingAccountInactive
        if strategy.venue != account.venue:
            raise ExchangeMismatch
        if strategy.symbol != follow.symbol:
            raise SymbolMismatch
        changed = found(self._store.change(follow, change, self._now()))
        if change.stops(follow):
            self._close_trade(changed)
        return self._view(changed, strategy, risk_profile)

    def _view(self, follow: Follow, strategy: Strategy, risk_profile: RiskProfile) -> FollowView:
        """Return a stored follow, whose strategy and risk profile a concurrent change may have replaced."""
        if (follow.strategy_id, follow.risk_profile_id) == (strategy.id, risk_profile.id):
            return FollowView(follow, strategy, risk_profile)
        strategies, profiles = self._catalog.find([follow.strategy_id], [follow.risk_profile_id])
        return FollowView(follow, strategies[follow.strategy_id], profiles[follow.risk_profile_id])

    def _find(self, user_id: str, follow_id: str) -> Follow:
        return found(self._store.find(user_id, follow_id))

    def end(self, user_id: str, follow_id: str) -> None:
        """End a follow for good. Raises ``NotFound`` if the user has no such follow."""
        follow = self._find(user_id, follow_id)
        if not self._store.end(follow, self._now()):
            raise NotFound
        self._close_trade(follow)

    def _close_trade(self, follow: Follow) -> None:
        """Begin at once to close the trade of a follow that has stopped, if its user wants that.

        The closing is stored with the stop. If it cannot be queued now, a sweep finds it.
        """
        if follow.protections.on_stop is OnStop.CLOSE:
            with suppress(Unavailable):
                self._queue.send(closing.message for closing in self._closings.waiting(follow.trading_account_id))
