"""A paper exchange in this process, and an order desk there whose calls can be interrupted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.doubles.binance import PaperControl, PaperExchange
from tests.support.fakes import FakeClock
from tests.support.intents import CutDesk
from tests.support.paper_in_process import ControlInProcess, DirectDesk


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def exchange(clock: FakeClock) -> Iterator[PaperExchange]:
    with PaperExchange(clock=clock) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def control(exchange: PaperExchange) -> PaperControl:
    return ControlInProcess(exchange)


@pytest.fixture(scope="module")
def desk(exchange: PaperExchange, clock: FakeClock) -> CutDesk:
    return DirectDesk(exchange, clock)
