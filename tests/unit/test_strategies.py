"""Strategies and their results."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from purser import retrying
from purser.actor import Actor
from purser.errors import Contended, InvalidInput, NotFound
from purser.strategies.model import NOTHING, Direction, Interval
from purser.strategies.service import NewResult, NewStrategy, Results, Strategies
from tests.support.catalog import FakeStrategies
from tests.support.fakes import FakeClock

ADMIN = Actor("admin", is_admin=True)

NOON = int(datetime(2022, 10, 19, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 24 * 3600 * 1000
STRATEGY = NewStrategy(str(uuid4()), "STRATEGY #1", None, "BINANCE", "BTC/USDT")


@pytest.fixture
def store() -> FakeStrategies:
    return FakeStrategies()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def results(store: FakeStrategies, clock: FakeClock) -> Results:
    Strategies(store, clock).publish(ADMIN, STRATEGY)
    return Results(store, store, clock)


def trade(
    closed_at: int, exit_price: str = "110", direction: Direction = Direction.LONG, entry: str = "100"
) -> NewResult:
    return NewResult(str(uuid4()), direction, Decimal(entry), Decimal(exit_price), closed_at - 1000, closed_at)


def test_publishing_again_returns_the_stored_strategy(store: FakeStrategies, clock: FakeClock) -> None:
    strategies = Strategies(store, clock)
    first = strategies.publish(ADMIN, STRATEGY)
    clock.advance(5)
    assert strategies.publish(ADMIN, STRATEGY) == first
    profile = strategies.publish_risk_profile(ADMIN, "p", "MODERATE", Decimal(2))
    assert strategies.publish_risk_profile(ADMIN, "p", "OTHER", Decimal(3)) == profile
    for change in (strategies.change, strategies.change_risk_profile):
        with pytest.raises(NotFound):
            change(ADMIN, "unknown", {})


def test_lists_are_in_the_order_of_publishing(store: FakeStrategies, clock: FakeClock) -> None:
    strategies = Strategies(store, clock)
    for name in "cab":
        clock.advance(1)
        strategies.publish(ADMIN, NewStrategy(name, name, None, "BINANCE", "BTC/USDT"))
        strategies.publish_risk_profile(ADMIN, name, name, Decimal(1))
    assert [strategy.id for strategy in strategies.all()] == list("cab")
    assert [profile.id for profile in strategies.risk_profiles()] == list("cab")


def test_the_figures_of_a_day_count_its_trades(results: Results) -> None:
    for exit_price in ("110", "99", "104.5", "50"):
        results.publish(ADMIN, STRATEGY.id, trade(NOON, exit_price))
    today = results.history(STRATEGY.id, Interval.DAY, 1)[0].figures
    assert (today.trades, today.wins, today.longs, today.shorts) == (4, 2, 4, 0)
    assert today.win_rate == Decimal("0.5")
    assert today == results.performance(STRATEGY.id, Interval.DAY, 1)


def test_longs_profit_from_rising_and_shorts_from_falling_prices(results: Results) -> None:
    published = [
        trade(NOON - 3, "110", Direction.LONG),
        trade(NOON - 2, "90", Direction.SHORT),
        trade(NOON - 1, "110", Direction.SHORT),
        trade(NOON, "100", Direction.LONG),
    ]
    for new in published:
        results.publish(ADMIN, STRATEGY.id, new)
    figures = results.performance(STRATEGY.id, Interval.DAY, 1)
    assert figures.net_profit_percent == Decimal("8.9")  # 1.1 · 1.1 · 0.9 · 1
    assert figures.max_draw_down == Decimal("0.1")
    assert (figures.wins, figures.longs, figures.shorts) == (2, 2, 2)


def test_a_short_cannot_lose_more_than_everything(results: Results) -> None:
    results.publish(ADMIN, STRATEGY.id, trade(NOON, "500", Direction.SHORT))
    results.publish(ADMIN, STRATEGY.id, trade(NOON, "110"))
    figures = results.performance(STRATEGY.id, Interval.MONTH, 5)
    assert (figures.net_profit_percent, figures.max_draw_down) == (Decimal(-100), Decimal(1))


def test_history_has_a_row_for_each_utc_day_or_month(results: Results, clock: FakeClock) -> None:
    midnight = NOON - DAY // 2
    results.publish(ADMIN, STRATEGY.id, trade(midnight))
    results.publish(ADMIN, STRATEGY.id, trade(midnight - 1))
    results.publish(ADMIN, STRATEGY.id, trade(NOON - 60 * DAY))
    rows = results.history(STRATEGY.id, Interval.DAY, 3)
    assert [(str(row.start), str(row.end), row.figures.trades) for row in rows] == [
        ("2022-10-19", "2022-10-20", 1),
        ("2022-10-18", "2022-10-19", 1),
        ("2022-10-17", "2022-10-18", 0),
    ]
    assert rows[2].figures == NOTHING
    assert rows[2].figures.net_profit_percent is rows[2].figures.win_rate is rows[2].figures.max_draw_down is None
    months = results.history(STRATEGY.id, Interval.MONTH, 4)
    assert [(str(row.start), str(row.end), row.figures.trades) for row in months] == [
        ("2022-10-01", "2022-11-01", 2),
        ("2022-09-01", "2022-10-01", 0),
        ("2022-08-01", "2022-09-01", 1),
        ("2022-07-01", "2022-08-01", 0),
    ]
    assert len(results.history(STRATEGY.id, Interval.MONTH, 1000)) == 1000


def test_a_result_counts_once_and_its_id_cannot_be_reused(results: Results) -> None:
    new = trade(NOON)
    first = results.publish(ADMIN, STRATEGY.id, new)
    assert results.publish(ADMIN, STRATEGY.id, new) == first
    assert results.performance(STRATEGY.id, Interval.DAY, 1).trades == 1
    other = NewResult(new.id, new.direction, new.entry_price, Decimal(5), new.opened_at, new.closed_at)
    with pytest.raises(InvalidInput, match="invalid") as refused:
        results.publish(ADMIN, STRATEGY.id, other)
    assert refused.value.field_errors[0].path == ("id",)


def test_results_with_impossible_times_are_refused(results: Results) -> None:
    backwards = NewResult("x", Direction.LONG, Decimal(1), Decimal(1), NOON + 5, NOON + 1)
    with pytest.raises(InvalidInput) as refused:
        results.publish(ADMIN, STRATEGY.id, backwards)
    assert [field_error.message for field_error in refused.value.field_errors] == [
        "must not be before openedAt",
        "must not be in the future",
    ]


def test_results_of_an_unknown_strategy_are_not_found(results: Results) -> None:
    with pytest.raises(NotFound):
        results.publish(ADMIN, "unknown", trade(NOON))
    with pytest.raises(NotFound):
        results.history("unknown", Interval.DAY, 1)
    with pytest.raises(NotFound):
        results.performance("unknown", Interval.DAY, 1)


def test_results_whose_figures_would_overflow_are_refused(results: Results) -> None:
    for _ in range(3):
        results.publish(ADMIN, STRATEGY.id, trade(NOON, "1000000000000000", entry="0.0001"))
    with pytest.raises(InvalidInput) as refused:
        results.publish(ADMIN, STRATEGY.id, trade(NOON, "1000000000000000", entry="0.0001"))
    assert refused.value.field_errors[0].path == ("exitPrice",)
    assert results.performance(STRATEGY.id, Interval.DAY, 1).net_profit_percent is not None


def test_publishing_retries_when_the_month_has_changed(
    results: Results, store: FakeStrategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "backoff", lambda tried: None)
    store.stale = retrying.STALE_TRIES - 1
    results.publish(ADMIN, STRATEGY.id, trade(NOON))
    store.stale = retrying.STALE_TRIES
    with pytest.raises(Contended):
        results.publish(ADMIN, STRATEGY.id, trade(NOON))
