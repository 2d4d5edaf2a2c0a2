"""The pacer never exceeds its budget, whatever is asked of it and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.errors import ExchangeRateLimited
from purser.exchanges.pacing import BURST, WINDOW, WeightPacer


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


EPSILON = 1e-6  # seconds; floats of a clock
BUDGETS = st.integers(1, 200)
ASKED = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 120)), max_size=60)

Asked = list[tuple[int, int]]
"""Weights of requests, each with the pause before it in quarters of a second."""


def paced(budget: int, asked: Asked) -> list[tuple[float, float, int]]:
    """When each was asked for, when it started, and its weight; pauses are in quarters of a second: exact in binary."""
    time = FakeTime()
    pacer = WeightPacer(budget, time.clock, time.sleep)
    log = []
    for weight, pause in asked:
        time.now += pause / 4
        asked_at = time.now
        pacer.spend(min(weight, budget))
        log.append((asked_at, time.now, min(weight, budget)))
    return log


@given(BUDGETS, ASKED)
def test_no_minute_holds_more_than_the_budget(budget: int, asked: Asked) -> None:
    log = paced(budget, asked)
    for _, end, _ in log:
        assert sum(weight for _, start, weight in log if end - WINDOW + EPSILON < start <= end) <= budget


@given(BUDGETS, ASKED)
def test_no_request_waits_more_than_a_minute_for_the_one_before(budget: int, asked: Asked) -> None:
    previous = 0.0
    for asked_at, start, _ in paced(budget, asked):
        assert start <= max(asked_at, previous + WINDOW) + EPSILON
        previous = start


@given(BUDGETS, ASKED)
def test_after_a_pause_a_burst_goes_through_at_once(budget: int, asked: Asked) -> None:
    if sum(min(weight, budget) for weight, _ in asked) <= budget * BURST / WINDOW:
        assert all(asked_at == start for asked_at, start, _ in paced(budget, asked))


@given(BUDGETS, st.integers(1, 3))
def test_a_steady_stream_flows_at_its_share(budget: int, minutes: int) -> None:
    log = paced(budget, [(1, 0)] * budget * minutes)
    even = WINDOW / budget
    assert (len(log) - 1) * even - BURST - EPSILON <= log[-1][1] <= len(log) * even + EPSILON


@given(st.integers(1, 300_000), st.integers(0, 300_000))
def test_closed_means_closed_until_the_venue_said(closed_for: int, waited: int) -> None:
    time = FakeTime()
    pacer = WeightPacer(10, time.clock, time.sleep)
    pacer.close_for(closed_for)
    time.now += waited
    if waited >= closed_for:
        pacer.spend(1)
        return
    with pytest.raises(ExchangeRateLimited) as refused:
        pacer.spend(1)
    assert refused.value.retry_after == closed_for - waited
    assert time.now == waited, "it must not wait"
