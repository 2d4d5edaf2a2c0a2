"""Pacing of requests to a venue by their weight."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = 60.0
"""The seconds over which venues count request weight."""

BURST = 6.0
"""The seconds' worth of budget that may be spent at once after a pause. Later requests are spread evenly."""


class WeightPacer:
    """Limits the weight of the requests that start within any 60 seconds to ``per_minute``.

    Requests wait in the order of their arrival. Threads may share it. ``clock`` is monotonic, in seconds.
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

    def spend(self, weight: int) -> None:
        """Wait until ``weight`` may be spent, and count it. Raises ``ValueError`` if it exceeds ``per_minute``."""
        delay = self._reserve(weight)
        if delay > 0:
            self._sleep(delay)

    def _reserve(self, weight: int) -> float:
        """Book the earliest start within the budget. Return the seconds until then."""
        if weight > self.per_minute:
            raise ValueError(f"a request of weight {weight} never fits into {self.per_minute} a minute")
        with self._lock:
            now = self._clock()
            start = max(now, self._paid_until - BURST)
            if self._starts:  # a small request must not overtake a big one
                start = max(start, self._starts[-1][0])
            while self._starts and (self._spent + weight > self.per_minute or self._starts[0][0] + WINDOW <= start):
                began, spent = self._starts.popleft()
                self._spent -= spent
                start = max(start, began + WINDOW)
            self._starts.append((start, weight))
            self._spent += weight
            self._paid_until = max(self._paid_until, start) + weight * WINDOW / self.per_minute
            return start - now
