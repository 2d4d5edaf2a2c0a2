"""Figures of ranges combine into those of replaying every trade, however the ranges are divided."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from purser.actor import SYSTEM
from purser.strategies.model import Direction, Figures, Interval, Result, combined
from purser.strategies.service import NewResult, NewStrategy, Results, Strategies
from tests.support.catalog import FakeStrategies
from tests.support.fakes import FakeClock

LAST = int(datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
CLOSE = Decimal("1e-25")
PRICES = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(1000), places=2)


@st.composite
def trades(draw: st.DrawFn) -> Result:
    # Few instants, so that trades often close on the same day or at the same time.
    closed = LAST - draw(st.integers(0, 40)) * 8 * 3600 * 1000
    return Result(
        id=str(draw(st.uuids(version=4))),
        direction=draw(st.sampled_from(Direction)),
        entry_price=draw(PRICES),
        exit_price=draw(PRICES),
        opened_at=closed,
        closed_at=closed,
        created_at=LAST,
    )


def replayed(results: list[Result]) -> dict[str, Fraction]:
    """Return the figures of trades, computed one by one in exact fractions."""
    equity = peak = Fraction(1)
    deepest = Fraction(0)
    wins = longs = 0
    for result in sorted(results, key=lambda each: each.place):
        ratio = Fraction(result.exit_price) / Fraction(result.entry_price)
        factor = ratio if result.direction is Direction.LONG else max(Fraction(0), 2 - ratio)
        equity *= factor
        peak = max(peak, equity)
        deepest = max(deepest, 1 - equity / peak)
        wins += factor > 1
        longs += result.direction is Direction.LONG
    return {
        "factor": equity,
        "kept": 1 - deepest,
        "trades": Fraction(len(results)),
        "wins": Fraction(wins),
        "longs": Fraction(longs),
    }


def assert_same(figures: Figures, wanted: dict[str, Fraction]) -> None:
    for name, value in wanted.items():
        # The tolerance is relative above one and absolute below.
        assert abs(Fraction(getattr(figures, name)) - value) <= Fraction(CLOSE) * max(Fraction(1), value), name


@given(st.lists(trades(), max_size=30, unique_by=lambda each: each.id))
def test_combined_figures_equal_replayed_figures(results: list[Result]) -> None:
    ordered = sorted(results, key=lambda each: each.place)
    assert_same(combined(each.figures for each in ordered), replayed(results))


@given(*[st.lists(trades(), max_size=8)] * 3)
def test_combining_figures_is_associative(a: list[Result], b: list[Result], c: list[Result]) -> None:
    first, second, third = (combined(each.figures for each in part) for part in (a, b, c))
    left, right = first.then(second).then(third), first.then(second.then(third))
    for name in ("factor", "peak", "low", "kept"):
        one, other = getattr(left, name), getattr(right, name)
        assert abs(one - other) <= CLOSE * max(1, abs(one)), name
    assert (left.trades, left.wins, left.longs) == (right.trades, right.wins, right.longs)


@given(st.lists(trades(), max_size=20))
def test_combining_with_empty_figures_is_the_identity(results: list[Result]) -> None:
    figures = combined(each.figures for each in results)
    assert figures.then(Figures()) == Figures().then(figures) == figures


@given(st.lists(trades(), max_size=25, unique_by=lambda each: each.id), st.randoms(use_true_random=False))
def test_publishing_in_any_order_and_repeatedly_gives_the_same_figures(results: list[Result], random: Random) -> None:
    store, clock = FakeStrategies(), FakeClock(LAST)
    Strategies(store, clock).publish(SYSTEM, NewStrategy("s", "s", None, "BINANCE", "BTC/USDT"))
    service = Results(store, store, clock)
    shuffled = results + random.sample(results, len(results) // 2)
    random.shuffle(shuffled)
    for each in shuffled:
        new = NewResult(each.id, each.direction, each.entry_price, each.exit_price, each.opened_at, each.closed_at)
        service.publish(SYSTEM, "s", new)
    assert_same(service.performance("s", Interval.DAY, 40), replayed(results))
    assert_same(service.performance("s", Interval.MONTH, 3), replayed(results))
    for row in service.history("s", Interval.DAY, 20):
        of_day = [each for each in results if each.day == row.start.isoformat()]
        assert_same(row.figures, replayed(of_day))
