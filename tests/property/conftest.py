"""A paper exchange, and an order desk there whose calls can be interrupted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.doubles.binance import PaperControl, Served
from purser.exchanges.model import TradeType
from purser.exchanges.pacing import WeightPacer
from tests.support import services
from tests.support.budget import own_budget
from tests.support.fakes import FakeClock
from tests.support.intents import CutDesk


@pytest.fixture(scope="module")
def served() -> Served:
    url = services.new_world("paper")
    control = PaperControl(url)
    control.limits(futures=10**9)
    return Served(url, control)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def desk(served: Served, clock: FakeClock) -> Iterator[CutDesk]:
    pacers = {kind: WeightPacer(10**9, lambda: clock() / 1000, lambda _: None) for kind in TradeType}
    desk = CutDesk(budget=own_budget(clock), endpoint=served.url, timeout=60, pacers=pacers)
    yield desk
    desk.close()
