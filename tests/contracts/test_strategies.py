"""The contracts of the stores of strategies and of their results."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.strategies.model import (
    NO_DEFAULTS,
    DefaultTakeProfit,
    Direction,
    Interval,
    PriceType,
    Result,
    RiskProfile,
    Rollup,
    Shelf,
    SignalDefaults,
    StaleMonth,
    Strategy,
    combined,
)
from purser.strategies.service import ResultStore, StrategyStore
from purser.strategies.store import DynamoResultStore, DynamoStrategyStore
from tests.support.audit import entry, recording
from tests.support.catalog import FakeStrategies

NOW = 1_700_000_000_000
DAY, MONTH = "2023-11-14", "2023-11"
DAY_MS = 86_400_000


@pytest.fixture
def strategies(tables: dict[str, str] | None) -> StrategyStore:
    return DynamoStrategyStore(Table(tables["STRATEGIES_TABLE"]), recording(tables)) if tables else FakeStrategies()


@pytest.fixture
def results(tables: dict[str, str] | None) -> ResultStore:
    return DynamoResultStore(Table(tables["STRATEGIES_TABLE"]), recording(tables)) if tables else FakeStrategies()


@pytest.fixture
def strategy_id() -> str:
    return str(uuid4())


def a_strategy(**given: str | None) -> Strategy:
    strategy = Strategy(str(uuid4()), True, "Trend", "Follows the trend.", "BINANCE", "BTC/USDT", NOW, NOW)
    return replace(strategy, **given)  # type: ignore[arg-type]


def a_profile() -> RiskProfile:
    return RiskProfile(str(uuid4()), "Careful", Decimal("1.50"), NOW, NOW)


def a_result(closed_at: int = NOW, exit_price: str = "110") -> Result:
    return Result(str(uuid4()), Direction.LONG, Decimal(100), Decimal(exit_price), closed_at - 5, closed_at, NOW)


def rollup(*results: Result) -> Rollup:
    in_order = sorted(results, key=lambda result: result.place)
    return Rollup(combined(result.figures for result in in_order), in_order[-1].place)


def test_a_strategy_is_added_once(strategies: StrategyStore) -> None:
    strategy = a_strategy()
    assert strategies.get(Strategy, strategy.id) is None
    assert strategies.add(strategy, entry())
    for again in (replace(strategy, name="Other"), strategy):
        assert not strategies.add(again, entry())
    assert strategies.get(Strategy, strategy.id) == strategy
    assert strategy in strategies.all(Strategy)


def test_a_strategy_keeps_the_defaults_of_its_signals(strategies: StrategyStore) -> None:
    take_profits = (DefaultTakeProfit(Decimal("1.5"), Decimal(40)), DefaultTakeProfit(Decimal(3), Decimal(60)))
    defaults = SignalDefaults(Decimal("0.75"), take_profits, 300, PriceType.MARK_PRICE)
    strategy = replace(a_strategy(), signal_defaults=defaults)
    strategies.add(strategy, entry())
    assert strategies.get(Strategy, strategy.id) == strategy
    without = strategies.change(Strategy, strategy.id, {"signal_defaults": NO_DEFAULTS}, NOW, entry())
    assert without == replace(strategy, signal_defaults=NO_DEFAULTS)


def test_a_strategy_changes_in_the_given_fields_only(strategies: StrategyStore) -> None:
    strategy = a_strategy()
    strategies.add(strategy, entry())
    assert strategy.signal_defaults == NO_DEFAULTS
    changed = replace(strategy, active=False, description=None, updated_at=NOW + 5)
    assert strategies.change(Strategy, strategy.id, {"active": False, "description": None}, NOW + 5, entry()) == changed
    assert strategies.get(Strategy, strategy.id) == changed
    touched = replace(changed, updated_at=NOW + 6)
    assert strategies.change(Strategy, strategy.id, {}, NOW + 6, entry()) == touched


def test_a_change_does_not_create_an_unknown_strategy_or_profile(strategies: StrategyStore, strategy_id: str) -> None:
    assert strategies.change(Strategy, strategy_id, {"name": "New"}, NOW, entry()) is None
    assert strategies.change(RiskProfile, strategy_id, {"name": "New"}, NOW, entry()) is None
    assert strategies.get(Strategy, strategy_id) is None
    assert strategies.get(RiskProfile, strategy_id) is None


def test_a_risk_profile_is_added_once_and_changes(strategies: StrategyStore) -> None:
    profile = a_profile()
    assert strategies.add(profile, entry())
    assert not strategies.add(replace(profile, percentage=Decimal(9)), entry())
    changed = replace(profile, percentage=Decimal("0.1"), updated_at=NOW + 5)
    assert strategies.change(RiskProfile, profile.id, {"percentage": Decimal("0.1")}, NOW + 5, entry()) == changed
    assert strategies.get(RiskProfile, profile.id) == changed
    assert changed in strategies.all(RiskProfile)
    assert profile.id not in {strategy.id for strategy in strategies.all(Strategy)}


def test_a_result_is_kept_with_its_day_and_month(results: ResultStore, strategy_id: str) -> None:
    result = a_result()
    assert results.shelf(strategy_id, result) == Shelf(None, Rollup(), Rollup(), 0)
    results.keep(strategy_id, result, rollup(result), rollup(result), 0, entry())
    assert results.shelf(strategy_id, result) == Shelf(result, rollup(result), rollup(result), 1)
    assert results.results_of_day(strategy_id, DAY) == {result.place: result.figures}
    assert results.days_of_month(strategy_id, MONTH) == {DAY: result.figures}


def test_results_belong_to_their_strategy(results: ResultStore, strategy_id: str) -> None:
    result, other = a_result(), str(uuid4())
    results.keep(strategy_id, result, rollup(result), rollup(result), 0, entry())
    assert results.shelf(other, result) == Shelf(None, Rollup(), Rollup(), 0)
    assert results.results_of_day(other, DAY) == {}
    assert results.days_of_month(other, MONTH) == {}
    assert results.history(other, Interval.DAY, DAY, DAY) == {}


def test_of_two_writers_of_one_version_of_a_month_one_stores_its_result(results: ResultStore, strategy_id: str) -> None:
    first, second = a_result(), a_result(NOW - DAY_MS)
    results.keep(strategy_id, first, rollup(first), rollup(first), 0, entry())
    for stale in (0, 2):
        with pytest.raises(StaleMonth):
            results.keep(strategy_id, second, rollup(second), rollup(second), stale, entry())
    assert results.shelf(strategy_id, second) == Shelf(None, Rollup(), rollup(first), 1)
    results.keep(strategy_id, second, rollup(second), rollup(first, second), 1, entry())
    assert results.shelf(strategy_id, second) == Shelf(second, rollup(second), rollup(first, second), 2)


def test_a_result_counts_once(results: ResultStore, strategy_id: str) -> None:
    result = a_result()
    results.keep(strategy_id, result, rollup(result), rollup(result), 0, entry())
    with pytest.raises(StaleMonth):
        results.keep(strategy_id, result, rollup(result, result), rollup(result, result), 1, entry())
    assert results.shelf(strategy_id, result) == Shelf(result, rollup(result), rollup(result), 1)


def test_a_history_has_the_days_or_months_of_its_range(results: ResultStore, strategy_id: str) -> None:
    days = [a_result(NOW + DAY_MS * number) for number in (0, 1, 20, 400)]
    for number, result in enumerate(days):
        month = days[: number + 1] if number < 2 else [result]
        results.keep(strategy_id, result, rollup(result), rollup(*month), number if number < 2 else 0, entry())

    def names(interval: Interval, first: str, last: str) -> list[str]:
        return sorted(results.history(strategy_id, interval, first, last))

    assert names(Interval.DAY, DAY, "2023-12-04") == [DAY, "2023-11-15", "2023-12-04"]
    assert names(Interval.DAY, "2023-11-15", "2023-12-03") == ["2023-11-15"]
    assert names(Interval.MONTH, "2023-11", "2023-12") == ["2023-11", "2023-12"]
    assert names(Interval.MONTH, "2024-12", "2024-12") == ["2024-12"]
    assert sorted(results.days_of_month(strategy_id, MONTH)) == [DAY, "2023-11-15"]
    assert results.history(strategy_id, Interval.MONTH, MONTH, MONTH) == {MONTH: rollup(*days[:2]).figures}


def test_the_results_of_a_day_are_those_that_closed_on_it(results: ResultStore, strategy_id: str) -> None:
    midnight = NOW // DAY_MS * DAY_MS
    closed = [a_result(at) for at in (midnight - 1, midnight, midnight + DAY_MS - 1, midnight + DAY_MS)]
    for version, result in enumerate(closed):
        results.keep(strategy_id, result, rollup(result), rollup(*closed[: version + 1]), version, entry())
    assert set(results.results_of_day(strategy_id, DAY)) == {closed[1].place, closed[2].place}
