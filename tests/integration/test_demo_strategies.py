"""The demo strategies, published into DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import demo_strategies
from purser.bootstrap.strategies import strategies, strategy_results
from purser.strategies.model import Interval
from tests.integration.conftest import Aws
from tests.support.functions import forget_process


@pytest.fixture
def short(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(demo_strategies, "DAYS", 20)
    forget_process()
    yield
    forget_process()


def test_every_past_day_has_results_and_again_nothing_is_added(short: None, aws: Aws) -> None:
    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"])
    results, catalog = strategy_results(), strategies()
    profiles = {(profile.id, profile.name, profile.percentage) for profile in catalog.risk_profiles()}
    assert profiles >= set(demo_strategies.RISK_PROFILES)
    before = []
    for strategy_id, name in demo_strategies.STRATEGIES:
        assert name in {strategy.name for strategy in catalog.all() if strategy.id == strategy_id}
        running, *past = results.history(strategy_id, Interval.DAY, 22)
        assert [bool(row.figures.trades) for row in (running, *past)] == [False] + [True] * 20 + [False]
        before.append(past)
    assert before[0] != before[1]
    demo_strategies.publish(aws.tables["STRATEGIES_TABLE"])
    after = [results.history(strategy_id, Interval.DAY, 22)[1:] for strategy_id, _ in demo_strategies.STRATEGIES]
    assert after == before
