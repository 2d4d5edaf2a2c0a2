"""The console output while the system starts: each step with its time, and signs of life during a long one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE_SECONDS = 4.0
"""The longest silence while the system starts."""


class Console:
    """Prints lines with the seconds since the start in front. Threads may share it."""

    def __init__(self, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._silence_seconds = silence_seconds
        self._began = self._said_at = time.monotonic()
        self._lock = threading.Lock()
        self._step = ""

    def say(self, text: str) -> None:
        """Print one line."""
        with self._lock:
            self._said_at = time.monotonic()
            print(f"{self._said_at - self._began:5.1f} s  {text}", flush=True)

    def step(self, text: str) -> None:
        """Announce a step, as "making the tables". It is the one under way until the next."""
        self._step = text
        self.say(f"{text} …")

    @contextmanager
    def signs_of_life(self) -> Iterator[None]:
        """Print the current step again if nothing has been printed for a while."""
        ended = threading.Event()
        thread = threading.Thread(target=self._repeat, args=(ended,), name="signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _repeat(self, ended: threading.Event) -> None:
        while not ended.wait(max(0.0, self._said_at + self._silence_seconds - time.monotonic())):
            if time.monotonic() - self._said_at >= self._silence_seconds:
                self.say(f"still {self._step} …")
