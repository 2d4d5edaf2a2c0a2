"""Price paths: walk a pair along a list of prices, one each interval, in the background or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal


class Paths:
    """The walks that are under way, at most one a pair. They do not survive a restart; the price they reached does."""

    def __init__(self, turn: Callable[[], AbstractContextManager[int]], move: Callable[[str, Decimal, int], None]):
        self._turn, self._move = turn, move
        self._stops: dict[str, threading.Event] = {}

    def start(self, pair: str, prices: list[Decimal], interval_ms: int) -> None:
        """Begin a walk in the place of the pair's former one; returns after the last step when the interval is 0."""
        self.stop(pair)
        if interval_ms == 0:
            for price in prices:
                with self._turn() as now:
                    self._move(pair, price, now)
            return
        stop = self._stops[pair] = threading.Event()
        arguments = (pair, prices, interval_ms / 1000, stop)
        threading.Thread(target=self._walk, args=arguments, daemon=True, name=f"path {pair}").start()

    def stop(self, pair: str | None = None) -> None:
        """End a pair's walk where it is, or all of them."""
        for name in [pair] if pair else list(self._stops):
            stop = self._stops.pop(name, None)
            if stop:
                stop.set()

    def _walk(self, pair: str, prices: list[Decimal], interval: float, stop: threading.Event) -> None:
        for price in prices:
            with self._turn() as now:
                # Asked inside the turn: a price that was put while this step waited for it must stay where it is.
                if stop.is_set():
                    return
                self._move(pair, price, now)
            stop.wait(interval)
