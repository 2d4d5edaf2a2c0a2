"""The demo strategies, published into DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from local.demo import strategies as demo_strategies
from purser.bootstrap.strategies import strategies, strategy_results
from purser.strategies.model import Interval
from tests.support.aws import Aws
from tests.support.functions import forget_process

DAYS = 20


class Ended(Exception):
    """The process was killed."""


@pytest.fixture
def ids(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Those of two strategies that nobody else has."""
    fresh = [str(uuid4()), str(uuid4())]
    monkeypatch.setattr(demo_strategies, "DAYS", DAYS)
    monkeypatch.setattr(demo_strategies, "STRATEGIES", [(id, f"STRATEGY {id}"[:24]) for id in fresh])
    forget_process()
    yield fresh
    forget_process()


def silent(done: int, total: int) -> None:
    """Hear how far it is, and say nothing."""


def trades_by_day(strategy_id: str) -> list[int]:
    """How many each day has, the running one first."""
    return [row.figures.trades for row in strategy_results().history(strategy_id, Interval.DAY, DAYS + 2)]


def expected_by_day(strategy_id: str) -> list[int]:
    today = datetime.now(UTC).date()
    past = [today - timedelta(days=ago) for ago in range(1, DAYS + 1)]
    return [0, *(len(list(demo_strategies.believable_trades(strategy_id, day))) for day in past), 0]


def test_every_past_day_has_results_and_again_nothing_is_added(ids: list[str], aws: Aws) -> None:
    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"], silent)
    results, catalog = strategy_results(), strategies()
    profiles = {(profile.id, profile.name, profile.percentage) for profile in catalog.risk_profiles()}
    assert profiles >= set(demo_strategies.RISK_PROFILES)
    before = []
    for strategy_id, name in demo_strategies.STRATEGIES:
        assert name in {strategy.name for strategy in catalog.all() if strategy.id == strategy_id}
        running, *past = results.history(strategy_id, Interval.DAY, DAYS + 2)
        assert [bool(row.figures.trades) for row in (running, *past)] == [False] + [True] * DAYS + [False]
        before.append(past)
    assert before[0] != before[1]

    def fail(done: int, total: int) -> None:
        pytest.fail("a result is published anew")

    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"], fail)
    after = [results.history(strategy_id, Interval.DAY, DAYS + 2)[1:] for strategy_id in ids]
    assert after == before


def test_killed_half_way_it_goes_on_where_it_was(ids: list[str], aws: Aws) -> None:
    table, totals = aws.tables["STRATEGIES_TABLE"], []
    # In the middle of days, too: some have several trades. Each has at least one, so that every try is cut.
    tries = range(1, 8)
    assert sum(tries) < DAYS * len(ids)
    for last in tries:

        def end(done: int, total: int, last: int = last) -> None:
            totals.append(total)
            if done == last:
                raise Ended

        with pytest.raises(Ended):
            demo_strategies.publish(table, end)
    demo_strategies.publish(table, silent)
    assert totals[-1] < totals[0]
    for strategy_id in ids:
        assert trades_by_day(strategy_id) == expected_by_day(strategy_id)
