"""Test that the demo strategies are published completely and once on DynamoDB Local."""

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
    """Return the ids of two new strategies, which replace the demo strategies."""
    fresh = [str(uuid4()), str(uuid4())]
    monkeypatch.setattr(demo_strategies, "STRATEGIES", [(id, f"STRATEGY {id}"[:24]) for id in fresh])
    forget_process()
    yield fresh
    forget_process()


def silent(done: int, total: int) -> None:
    """Ignore the progress."""


def trades_by_day(strategy_id: str) -> list[int]:
    """Return the number of trades of each day, the current day first."""
    return [row.figures.trades for row in strategy_results().history(strategy_id, Interval.DAY, DAYS + 2)]


def expected_by_day(strategy_id: str) -> list[int]:
    today = datetime.now(UTC).date()
    past = [today - timedelta(days=ago) for ago in range(1, DAYS + 1)]
    return [0, *(len(list(demo_strategies.believable_trades(strategy_id, day))) for day in past), 0]


def test_publishing_fills_every_past_day_and_publishing_again_adds_nothing(ids: list[str], aws: Aws) -> None:
    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"], aws.tables["AUDIT_TABLE"], DAYS, silent)
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
        pytest.fail("a result is published again")

    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"], aws.tables["AUDIT_TABLE"], DAYS, fail)
    after = [results.history(strategy_id, Interval.DAY, DAYS + 2)[1:] for strategy_id in ids]
    assert after == before


def test_publishing_continues_after_it_was_killed(ids: list[str], aws: Aws) -> None:
    table, totals = aws.tables["STRATEGIES_TABLE"], []
    # Some days have several trades, so a try may end in the middle of one. Each try ends before everything is done.
    tries = range(1, 8)
    assert sum(tries) < DAYS * len(ids)
    for last in tries:

        def end(done: int, total: int, last: int = last) -> None:
            totals.append(total)
            if done == last:
                raise Ended

        with pytest.raises(Ended):
            demo_strategies.publish(table, aws.tables["AUDIT_TABLE"], DAYS, end)
    demo_strategies.publish(table, aws.tables["AUDIT_TABLE"], DAYS, silent)
    assert totals[-1] < totals[0]
    for strategy_id in ids:
        assert trades_by_day(strategy_id) == expected_by_day(strategy_id)
