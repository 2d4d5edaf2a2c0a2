"""When queued work that failed is tried again."""

from __future__ import annotations

FIRST_RETRY_S = 20
RETRY_GROWTH = 6
"""Retries come after 20 s, 2 min, 12 min and 72 min: together they outlast most outages of an exchange."""


def retry_delay(attempt: int) -> int:
    """Seconds from a failed ``attempt`` (the first is 1) to the next."""
    return FIRST_RETRY_S * int(RETRY_GROWTH ** (attempt - 1))
