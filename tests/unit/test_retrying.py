"""Retrying an attempt while what it has read is stale."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from purser import retrying
from purser.errors import Contended
from purser.retrying import STALE_TRIES, until_fresh, until_fresh_from


class Stale(Exception):
    pass


class Outdated(Exception):
    pass


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pauses: list[int] = []
    monkeypatch.setattr(retrying, "backoff", pauses.append)
    return pauses


def stale_times(number: int, error: type[Exception] = Stale) -> Callable[..., list[tuple[str, ...]]]:
    """Return an attempt that fails so many times, and then returns the arguments of every call."""
    attempts: list[tuple[str, ...]] = []

    def attempt(*known: str) -> list[tuple[str, ...]]:
        attempts.append(known)
        if len(attempts) <= number:
            raise error
        return attempts

    return attempt


def test_a_successful_attempt_is_made_once(pauses: list[int]) -> None:
    assert until_fresh(stale_times(0), stale=Stale) == [()]
    assert pauses == []


def test_a_stale_attempt_is_retried_after_growing_pauses(pauses: list[int]) -> None:
    assert len(until_fresh(stale_times(3), stale=(Stale, Outdated))) == 4
    assert pauses == [0, 1, 2]


def test_a_permanently_stale_read_is_contended(pauses: list[int]) -> None:
    with pytest.raises(Contended):
        until_fresh(stale_times(STALE_TRIES), stale=Stale)
    assert len(pauses) == STALE_TRIES
    assert len(until_fresh(stale_times(STALE_TRIES - 1), stale=Stale)) == STALE_TRIES


def test_any_other_error_is_raised_immediately(pauses: list[int]) -> None:
    with pytest.raises(Outdated):
        until_fresh(stale_times(1, Outdated), stale=Stale)
    assert pauses == []


def test_a_known_state_is_read_again_only_when_stale(pauses: list[int]) -> None:
    readings = iter(["second", "third", "fourth"])
    attempts = until_fresh_from("first", stale_times(2), lambda: next(readings), stale=Stale)
    assert attempts == [("first",), ("second",), ("third",)]
    assert next(readings) == "fourth"
