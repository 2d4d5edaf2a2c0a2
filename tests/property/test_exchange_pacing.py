"""The pacer never exceeds its budget, for any requests at any times."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

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
    """Return when each request was made, when it started, and its weight.

    Pauses are in quarters of a second, which floats represent exactly.
    """
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
def test_a_request_waits_at_most_a_minute_after_the_one_before(budget: int, asked: Asked) -> None:
    previous = 0.0
    for asked_at, start, _ in paced(budget, asked):
        assert start <= max(asked_at, previous + WINDOW) + EPSILON
        previous = start


@given(st.integers(200, 2000), st.lists(st.tuples(st.integers(1, 20), st.integers(0, 120)), min_size=1, max_size=60))
def test_a_burst_within_its_share_starts_immediately(budget: int, asked: Asked) -> None:
    totals = accumulate(weight for weight, _ in asked)
    burst = [each for each, total in zip(asked, totals, strict=True) if total <= budget * BURST / WINDOW]
    assert burst
    for asked_at, start, _ in paced(budget, burst):
        assert start == asked_at


@given(BUDGETS, st.integers(1, 3))
def test_a_steady_stream_is_spread_evenly(budget: int, minutes: int) -> None:
    log = paced(budget, [(1, 0)] * budget * minutes)
    even = WINDOW / budget
    assert (len(log) - 1) * even - BURST - EPSILON <= log[-1][1] <= len(log) * even + EPSILON
