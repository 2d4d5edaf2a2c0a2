"""Trying again: at once, when others were in the way; later, when queued work failed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from purser.errors import Contended

T = TypeVar("T")
Known = TypeVar("Known")
Stale = type[Exception] | tuple[type[Exception], ...]

STALE_TRIES = 12
FIRST_RETRY_S = 20
RETRY_GROWTH = 6
"""Retries come after 20 s, 2 min, 12 min and 72 min: together they outlast most outages of an exchange."""

FIRST_BACKOFF_S = 0.02
MOST_DOUBLINGS = 6


def backoff(attempt: int) -> None:
    """Waits before another try, longer after each ``attempt`` (the first is 0): at most 20 ms, 40 ms, … 1.28 s.

    Source: full jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    time.sleep(random.uniform(0, FIRST_BACKOFF_S * 2 ** min(attempt, MOST_DOUBLINGS)))  # noqa: S311 - not a secret


def until_fresh(attempt: Callable[[], T], *, stale: Stale) -> T:
    """Make an attempt, and again after a pause for as long as what it has read proves stale.

    Raises:
        Contended: it was stale every time.
    """
    return until_fresh_from(None, lambda _: attempt(), lambda: None, stale=stale)


def until_fresh_from(known: Known, attempt: Callable[[Known], T], read: Callable[[], Known], *, stale: Stale) -> T:
    """Make an attempt on what is known, and again after a pause on a new reading for as long as that proves stale.

    Raises:
        Contended: it was stale every time.
    """
    for tried in range(STALE_TRIES):
        try:
            return attempt(known)
        except stale:
            backoff(tried)
            known = read()
    raise Contended


def retry_delay(attempt: int) -> int:
    """Seconds from a failed ``attempt`` (the first is 1) to the next."""
    return FIRST_RETRY_S * int(RETRY_GROWTH ** (attempt - 1))
