"""Schedules of EventBridge Scheduler: ``rate(5 minutes)``, ``cron(5 0 * * ? *)``."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if number}
DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, MONTHS),
    (1, 7, DAYS),
    (1970, 2199, {}),
)
HORIZON_DAYS = 366 * 8  # the longest distance between two 29 Februaries

Schedule = Callable[[datetime], datetime | None]
"""Returns the first firing after an instant, or None if there is none."""


def parse(expression: str, timezone: str = "UTC") -> Schedule:
    """Return the schedule of an expression.

    Raises:
        ValueError: the expression is of another kind, or uses what this does not know (``L``, ``W``, ``#``).
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        step = int(rate[1]) * UNITS[rate[2]]
        return lambda after: after + step
    if cron := re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", expression):
        fields = [_values(text, *field) for text, field in zip(cron.groups(), FIELDS, strict=True)]
        return _cron(fields, ZoneInfo(timezone))
    raise ValueError(f"not a schedule that is understood here: {expression}")


def fires_at_once(expression: str) -> bool:
    """Return whether a schedule fires first when it is made, as those by rate do."""
    return expression.startswith("rate(")


def _values(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if first in ("*", "?") else _number(first, names)
        end = high if first in ("*", "?") or (step and not last) else _number(last or first, names)
        found.update(range(begin, end + 1, int(step or 1)))
    if not found or not found <= set(range(low, high + 1)):
        raise ValueError(f"not a field of a schedule: {text}")
    return frozenset(found)


def _number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)


def _cron(fields: list[frozenset[int]], zone: ZoneInfo) -> Schedule:
    minutes, hours, days, months, weekdays, years = fields

    def following(after: datetime) -> datetime | None:
        start = after.astimezone(zone).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for offset in range(HORIZON_DAYS):
            day = start.date() + timedelta(days=offset)
            if not (day.day in days and day.month in months and day.year in years):
                continue
            if day.isoweekday() % 7 + 1 not in weekdays:
                continue
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                    if moment >= start:
                        return moment.astimezone(UTC)
        return None

    return following
