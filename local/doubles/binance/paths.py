"""Price paths: move a pair along a list of prices, one in each interval, in the background or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal


class Paths:
    """The active paths, at most one for each pair. A restart ends them, but keeps the last price."""

    def __init__(self, turn: Callable[[], AbstractContextManager[int]], move: Callable[[str, Decimal, int], None]):
        self._turn, self._move = turn, move
        self._stops: dict[str, threading.Event] = {}

    def start(self, pair: str, prices: list[Decimal], interval_ms: int) -> None:
        """Start a path in place of the pair's former one. With interval 0, return after the last step."""
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
        """Stop a pair's path at its current price, or all paths."""
        for name in [pair] if pair else list(self._stops):
            stop = self._stops.pop(name, None)
            if stop:
                stop.set()

    def _walk(self, pair: str, prices: list[Decimal], interval: float, stop: threading.Event) -> None:
        for price in prices:
            with self._turn() as now:
                # Checked inside the turn: a price that was set while this step waited must stay.
                if stop.is_set():
                    return
                self._move(pair, price, now)
            stop.wait(interval)
