"""Retries: at once after a concurrent change, later after failed work."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from purser.errors import Contended, ExchangeRateLimited, Unfinished

T = TypeVar("T")
Known = TypeVar("Known")
Stale = type[Exception] | tuple[type[Exception], ...]

STALE_TRIES = 12
FIRST_RETRY_S = 20
RETRY_GROWTH = 6
"""Retries come after 20 s, 2 min, 12 min and 72 min, which outlasts most outages of an exchange."""

FIRST_BACKOFF_S = 0.02
MOST_DOUBLINGS = 6


def backoff(attempt: int) -> None:
    """Wait at most 20 ms, 40 ms, … 1.28 s after ``attempt`` 0, 1, ….

    Source: full jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    time.sleep(random.uniform(0, FIRST_BACKOFF_S * 2 ** min(attempt, MOST_DOUBLINGS)))  # noqa: S311 - not a secret


def until_fresh(attempt: Callable[[], T], *, stale: Stale) -> T:
    """Repeat an attempt after a pause while it raises ``stale``. Raises ``Contended`` after the last try."""
    return until_fresh_from(None, lambda _: attempt(), lambda: None, stale=stale)


def until_fresh_from(known: Known, attempt: Callable[[Known], T], read: Callable[[], Known], *, stale: Stale) -> T:
    """Make an attempt on ``known``, and repeat it on a new reading after a pause while it raises ``stale``.

    Raises:
        Contended: the last try was stale too.
    """
    for tried in range(STALE_TRIES):
        try:
            return attempt(known)
        except stale:
            backoff(tried)
            known = read()
    raise Contended


def delay_after(error: Exception, attempt: int) -> float:
    """Return how many seconds after a failed ``attempt`` its message comes again: as the error says, if it does."""
    return error.retry_after if isinstance(error, Unfinished | ExchangeRateLimited) else retry_delay(attempt)


def retry_delay(attempt: int) -> int:
    """Return the seconds between a failed ``attempt``, counted from 1, and the next."""
    return FIRST_RETRY_S * int(RETRY_GROWTH ** (attempt - 1))
