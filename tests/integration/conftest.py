"""Provide a paper exchange to the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.aws import Aws
from tests.support.paper import NO_LIMIT, Paper


@pytest.fixture(autouse=True)
def _messages_arrive_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the messages of a sweep arrive at once, since these tests read the queue right after it."""
    monkeypatch.setattr("purser.work.sweeper.SENDING_S", 0)


@pytest.fixture(scope="module")
def _paper_server(aws: Aws, paper_world: str) -> Iterator[Paper]:
    from purser.exchanges import ccxt_gateway

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXCHANGE_ENDPOINT", paper_world)
        # These tests don't wait for the pacer. Tests of other modules have the real limits.
        no_limits = dict.fromkeys(ccxt_gateway.VENUE_WEIGHT_PER_MINUTE, NO_LIMIT)
        patch.setattr(ccxt_gateway, "VENUE_WEIGHT_PER_MINUTE", no_limits)
        paper = Paper(paper_world)
        paper.lift_limits()
        yield paper


@pytest.fixture
def paper(_paper_server: Paper) -> Iterator[Paper]:
    """Return the paper exchange of the worker, to which ``EXCHANGE_ENDPOINT`` leads. What a test sets ends with it."""
    yield _paper_server
    _paper_server.restore()
