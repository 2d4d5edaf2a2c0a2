"""Trading accounts in the Keys table and results in memory, for tests of profiles, strategies and follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

from purser.audit.model import AuditEntry
from purser.exchanges.model import TradeType
from purser.strategies.model import Change, Figures, Interval, Result, RiskProfile, Rollup, Shelf, StaleMonth, Strategy
from purser.trading_accounts.model import StrategyType, TradingAccount
from tests.support.accounts import sealed_credential, trading_account

P = TypeVar("P", Strategy, RiskProfile)


def connect(user_id: str, **given: Any) -> TradingAccount:
    """Put a trading account that follows strategies into the Keys table, without an exchange."""
    from purser.aws.tables import Table
    from purser.settings import settings
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    automated = {"trade_type": TradeType.FUTURES, "strategy_type": StrategyType.AUTOMATED}
    ids = {"api_key": uuid4().hex, "credential_id": str(uuid4())}
    account = trading_account(str(uuid4()), user_id, **(automated | ids | given))
    store = DynamoTradingAccountStore(Table(settings().require("keys_table")))
    store.connect(account, sealed_credential(account), store.connected(user_id).version)
    return account


class FakeStrategies:
    """The strategy and result stores in memory. They refuse the next ``stale`` results."""

    def __init__(self) -> None:
        self.published: dict[tuple[type, str], Strategy | RiskProfile] = {}
        self.results: dict[tuple[str, str], Result] = {}
        self.days: dict[tuple[str, str], Rollup] = {}
        self.months: dict[tuple[str, str], Rollup] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.audit: list[AuditEntry] = []
        self.stale = 0

    def all(self, kind: type[P]) -> list[P]:
        return [each for each in self.published.values() if isinstance(each, kind)]

    def get(self, kind: type[P], id: str) -> P | None:
        found = self.published.get((kind, id))
        return found if isinstance(found, kind) else None

    def add(self, published: Strategy | RiskProfile, entry: AuditEntry) -> bool:
        place = (type(published), published.id)
        is_new = place not in self.published
        self.published.setdefault(place, published)
        self.audit += [entry] if is_new else []
        return is_new

    def change(self, kind: type[P], id: str, change: Change, now: int, entry: AuditEntry) -> P | None:
        before = self.get(kind, id)
        if before is None:
            return None
        after = self.published[kind, id] = replace(before, updated_at=now, **change)
        self.audit.append(entry)
        return after

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
        return Shelf(
            self.results.get((strategy_id, result.id)),
            self.days.get((strategy_id, result.day), Rollup()),
            self.months.get((strategy_id, result.month), Rollup()),
            self.versions.get((strategy_id, result.month), 0),
        )

    def results_of_day(self, strategy_id: str, day: str) -> Mapping[str, Figures]:
        own = [result for (owner, _), result in self.results.items() if owner == strategy_id]
        return {result.place: result.figures for result in own if result.day == day}

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        return self.history(strategy_id, Interval.DAY, f"{month}-01", f"{month}-31")

    def keep(
        self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int, entry: AuditEntry
    ) -> None:
        in_month = (strategy_id, result.month)
        self.stale -= 1
        if self.stale >= 0 or self.versions.get(in_month, 0) != version or (strategy_id, result.id) in self.results:
            raise StaleMonth
        self.results[strategy_id, result.id] = result
        self.days[strategy_id, result.day] = day
        self.months[in_month] = month
        self.versions[in_month] = version + 1
        self.audit.append(entry)

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        known = self.days if interval is Interval.DAY else self.months
        own = {name: rollup.figures for (owner, name), rollup in known.items() if owner == strategy_id}
        return {name: figures for name, figures in own.items() if first <= name <= last}
