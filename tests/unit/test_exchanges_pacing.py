"""Pacing requests to a venue by weight."""

import threading
import time
from itertools import pairwise

import pytest

from purser.exchanges.pacing import BURST, WeightPacer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_after_a_burst_requests_are_spread_evenly() -> None:
    clock = Clock()
    pacer = WeightPacer(1200, clock, clock.sleep)  # 20 a second
    starts = []
    for _ in range(300):
        pacer.spend(20)
        starts.append(clock.now)
    gaps = [after - before for before, after in pairwise(starts)]
    assert starts[6] == 0, "six seconds' worth at once"
    assert max(gaps) <= BURST + 1
    assert starts[-1] == pytest.approx(299 - BURST, abs=1)


def test_no_minute_exceeds_the_budget() -> None:
    clock = Clock()
    pacer = WeightPacer(50, clock, clock.sleep)
    starts = []
    for _ in range(5):
        pacer.spend(20)
        starts.append(clock.now)
    assert starts == [0, 18, 60, 78, 120]


def test_a_light_request_does_not_overtake_a_heavy_one() -> None:
    clock = Clock()
    pacer = WeightPacer(100, clock, lambda _: None)  # sleeping does not move the clock, so three requests wait at once
    delays = [pacer._reserve(weight) for weight in (90, 80, 5)]
    assert delays == [0, 60, 102]


def test_a_weight_beyond_the_budget_is_an_error() -> None:
    with pytest.raises(ValueError, match="never fits"):
        WeightPacer(10).spend(11)


def test_threads_share_one_budget() -> None:
    real_start = time.monotonic()

    def fast() -> float:
        return (time.monotonic() - real_start) * 600  # a minute in a tenth of a second

    starts: list[tuple[float, int]] = []
    lock = threading.Lock()
    pacer = WeightPacer(40, fast, lambda seconds: time.sleep(seconds / 600))

    def work() -> None:
        for _ in range(5):
            pacer.spend(4)
            with lock:
                starts.append((fast(), 4))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(starts) == 40
    # A weight of 160 at 40 a minute: the last request starts three minutes after the first.
    assert max(starts)[0] >= 180
