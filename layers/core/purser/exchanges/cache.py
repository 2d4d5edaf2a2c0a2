"""A short-lived cache of readings from a venue."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    expires: float
    value: Future[V]


class BriefCache(Generic[K, V]):
    """Values by key, each kept for ``lifetime`` seconds from its request.

    Threads that ask for the same key at once share one load. A failed load is not kept.
    """

    def __init__(self, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[K, _Entry[V]] = {}

    def get(self, key: K, load: Callable[[], V]) -> V:
        """Return the fresh value of ``key``, or load it. Raises what ``load`` raises."""
        with self._lock:
            now = self._clock()
            self._entries = {k: entry for k, entry in self._entries.items() if now < entry.expires}
            known = self._entries.get(key)
            entry = known or _Entry(now + self._lifetime, Future())
            self._entries[key] = entry
        if known is None:
            self._fill(key, entry, load)
        return entry.value.result()

    def _fill(self, key: K, entry: _Entry[V], load: Callable[[], V]) -> None:
        try:
            entry.value.set_result(load())
        except BaseException as error:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            entry.value.set_exception(error)
