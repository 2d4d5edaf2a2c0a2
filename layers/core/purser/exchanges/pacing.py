"""Keeps this process within its share of a venue's request weight."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from purser.errors import ExchangeRateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = 60.0
"""Seconds over which venues count request weight."""

BURST = 6.0
"""Seconds' worth of the budget that may be spent at once after a pause; beyond that, requests are spread evenly, so
that nobody's turn is far away."""


class WeightPacer:
    """Lets requests through so that no more than ``per_minute`` weight starts within any 60 seconds.

    Those that must wait get their turn in the order they came. Safe to share between threads.
    ``clock`` gives seconds and never goes back.
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._starts: deque[tuple[float, int]] = deque()
        self._spent = 0
        self._paid_until = float("-inf")
        self._closed_until = float("-inf")

    def spend(self, weight: int) -> None:
        """Waits until ``weight`` may be spent, and counts it.

        Raises:
            ExchangeRateLimited: the venue has asked to wait (``close_for``), now or during the wait for the turn.
            ValueError: ``weight`` is more than a whole minute's share.
        """
        self._check_open()
        delay = self._reserve(weight)
        if delay > 0:
            self._sleep(delay)
            self._check_open()

    def close_for(self, seconds: float) -> None:
        """Stays closed for at least that long: the venue has turned our address away."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _check_open(self) -> None:
        with self._lock:
            remaining = self._closed_until - self._clock()
        if remaining > 0:
            raise ExchangeRateLimited(retry_after=remaining)

    def _reserve(self, weight: int) -> float:
        """Books the earliest start that keeps the budget; answers the seconds until then."""
        if weight > self.per_minute:
            raise ValueError(f"a request of weight {weight} never fits into {self.per_minute} a minute")
        with self._lock:
            now = self._clock()
            start = max(now, self._paid_until - BURST)
            if self._starts:  # booked in order: a small request never overtakes a big one
                start = max(start, self._starts[-1][0])
            while self._starts and (self._spent + weight > self.per_minute or self._starts[0][0] + WINDOW <= start):
                began, spent = self._starts.popleft()
                self._spent -= spent
                start = max(start, began + WINDOW)
            self._starts.append((start, weight))
            self._spent += weight
            self._paid_until = max(self._paid_until, start) + weight * WINDOW / self.per_minute
            return start - now
