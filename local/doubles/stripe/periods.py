"""Billing periods begin on the day of the anchor, or on the last day of a shorter month."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from local.doubles.stripe.account import Object

HOUR, DAY = 3600, 86_400


def shifted(anchor: int, recurring: Object, times: int) -> int:
    """Return the time a number of intervals after the anchor, in Unix seconds."""
    count = times * recurring["interval_count"]
    moment = datetime.fromtimestamp(anchor, UTC)
    if recurring["interval"] in ("day", "week"):
        days = count * (7 if recurring["interval"] == "week" else 1)
        return int((moment + timedelta(days=days)).timestamp())
    months = moment.year * 12 + moment.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return int(moment.replace(year=year, month=month + 1, day=min(moment.day, last)).timestamp())


def end_of_period(anchor: int, recurring: Object, start: int) -> int:
    """Return the end of the period that begins at, or contains, a moment."""
    times = 1
    while shifted(anchor, recurring, times) <= start:
        times += 1
    return shifted(anchor, recurring, times)


def day_of(moment: int) -> str:
    """Format a day as invoice lines do: 05 Dec 2026."""
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
