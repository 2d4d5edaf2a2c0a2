"""Caching values for a short time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from purser.exchanges.cache import BriefCache


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_loaded_once_in_its_lifetime() -> None:
    clock = Clock()
    cache: BriefCache[str, int] = BriefCache(1.0, clock)
    loads = iter(range(10))
    assert [cache.get("a", lambda: next(loads)) for _ in range(3)] == [0, 0, 0]
    clock.now += 0.999
    assert cache.get("a", lambda: next(loads)) == 0
    assert cache.get("b", lambda: next(loads)) == 1
    clock.now += 0.001
    assert cache.get("a", lambda: next(loads)) == 2


def test_a_failed_load_is_not_cached() -> None:
    cache: BriefCache[str, int] = BriefCache(60)

    def fail() -> int:
        raise LookupError("down")

    with pytest.raises(LookupError):
        cache.get("a", fail)
    assert cache.get("a", lambda: 7) == 7


def test_expired_entries_are_removed() -> None:
    clock = Clock()
    cache: BriefCache[int, int] = BriefCache(1.0, clock)
    for key in range(100):
        cache.get(key, lambda: 0)
        clock.now += 0.1
    assert len(cache._entries) <= 11


def test_concurrent_threads_share_one_load() -> None:
    cache: BriefCache[str, int] = BriefCache(60)
    barrier = threading.Barrier(8)
    loads = []

    def load() -> int:
        loads.append(1)
        threading.Event().wait(0.05)
        return 42

    def ask(_: int) -> int:
        barrier.wait()
        return cache.get("a", load)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [42] * 8
    assert len(loads) == 1
