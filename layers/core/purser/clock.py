"""Time and calendar days."""

from __future__ import annotations

import time
from datetime import UTC, datetime

DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    """Return the current time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def day_of(instant: int) -> str:
    """Return the UTC day (``YYYY-MM-DD``) of an instant in Unix ms."""
    return f"{datetime.fromtimestamp(instant // 1000, UTC):%Y-%m-%d}"
