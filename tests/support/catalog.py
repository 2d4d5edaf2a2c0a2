"""What tests of profiles, strategies and follows share: trading accounts put into the table, results in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType, Venue
from purser.strategies.model import Change, Figures, Interval, Result, RiskProfile, Rollup, Shelf, StaleMonth, Strategy
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount


def connect(user_id: str, **given: Any) -> TradingAccount:
    """Puts a trading account that follows strategies into the Keys table, without an exchange."""
    from purser.aws.tables import Table
    from purser.settings import settings
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    account = TradingAccount(
        id=str(uuid4()),
        user_id=user_id,
        venue=Venue.BINANCE,
        trade_type=TradeType.FUTURES,
        strategy_type=StrategyType.AUTOMATED,
        name="Default",
        active=True,
        api_key_status=ApiKeyStatus.AUTHORIZED,
        api_key=uuid4().hex,
        credential_id=str(uuid4()),
        created_at=1,
        updated_at=1,
    )
    account = replace(account, **given)
    store = DynamoTradingAccountStore(Table(settings().require("keys_table")))
    sealed = SealedCredential(account.credential_id, user_id, account.venue, account.api_key, b"sealed", 1)
    store.connect(account, sealed, store.connected(user_id).version)
    return account


class FakeStrategies:
    """The strategy and result stores in memory. ``stale`` months refuse so many times."""

    def __init__(self) -> None:
        self.kept_strategies: dict[str, Strategy] = {}
        self.kept_profiles: dict[str, RiskProfile] = {}
        self.results: dict[str, Result] = {}
        self.days: dict[str, Rollup] = {}
        self.months: dict[str, Rollup] = {}
        self.versions: dict[str, int] = {}
        self.stale = 0

    def strategies(self) -> list[Strategy]:
        return list(self.kept_strategies.values())

    def strategy(self, strategy_id: str) -> Strategy | None:
        return self.kept_strategies.get(strategy_id)

    def add_strategy(self, strategy: Strategy) -> bool:
        return self.kept_strategies.setdefault(strategy.id, strategy) is strategy

    def change_strategy(self, strategy_id: str, change: Change, now: int) -> Strategy | None:
        before = self.strategy(strategy_id)
        if before is None:
            return None
        self.kept_strategies[strategy_id] = replace(before, updated_at=now, **change)
        return self.kept_strategies[strategy_id]

    def risk_profiles(self) -> list[RiskProfile]:
        return list(self.kept_profiles.values())

    def risk_profile(self, risk_profile_id: str) -> RiskProfile | None:
        return self.kept_profiles.get(risk_profile_id)

    def add_risk_profile(self, risk_profile: RiskProfile) -> bool:
        return self.kept_profiles.setdefault(risk_profile.id, risk_profile) is risk_profile

    def change_risk_profile(self, risk_profile_id: str, change: Change, now: int) -> RiskProfile | None:
        before = self.risk_profile(risk_profile_id)
        if before is None:
            return None
        self.kept_profiles[risk_profile_id] = replace(before, updated_at=now, **change)
        return self.kept_profiles[risk_profile_id]

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
        return Shelf(
            self.results.get(result.id),
            self.days.get(result.day, Rollup()),
            self.months.get(result.month, Rollup()),
            self.versions.get(result.month, 0),
        )

    def results_of_day(self, strategy_id: str, day: str) -> Mapping[str, Figures]:
        return {result.place: result.figures for result in self.results.values() if result.day == day}

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        return {day: rollup.figures for day, rollup in self.days.items() if day.startswith(month)}

    def keep(self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int) -> None:
        self.stale -= 1
        if self.stale >= 0 or self.versions.get(result.month, 0) != version:
            raise StaleMonth
        self.results[result.id] = result
        self.days[result.day] = day
        self.months[result.month] = month
        self.versions[result.month] = version + 1

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        known = self.days if interval is Interval.DAY else self.months
        return {name: rollup.figures for name, rollup in known.items() if first <= name <= last}
