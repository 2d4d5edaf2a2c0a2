"""Strategies, risk profiles, results, and the figures that results come to.

Figures of two ranges that follow each other combine into those of the whole range, so that days can be stored
and any range of them answered. ``Figures.then`` is associative; with a draw-down that takes four numbers. With
E(0) = 1 and E(i) what one unit has become after trade i, a range holds

    factor  E(n)                        for a range A followed by B:   A.factor · B.factor
    peak    max E(i)                                                   max(A.peak, A.factor · B.peak)
    low     min E(i)                                                   min(A.low, A.factor · B.low)
    kept    min E(j) / E(i), i ≤ j                                     min(A.kept, B.kept, A.factor · B.low / A.peak)

for the deepest fall lies within A, within B, or goes from A's peak to B's low. The draw-down is 1 - kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from functools import reduce
from typing import Any

EXACT = Context(prec=34)
"""34 digits through every step: the error of a thousand days stays some 20 digits below the 8 that are answered."""

ANSWERED = Decimal("1e-8")
ROOMY = Context(prec=80)
ONE = Decimal(1)
LARGEST_STORED = Decimal("1e60")
"""Beyond this, and below its inverse, a month's figures would leave what a DynamoDB number holds."""


class Direction(StrEnum):
    """Which way a trade bets."""

    LONG = "LONG"
    SHORT = "SHORT"


class Interval(StrEnum):
    """The ranges of a history: UTC days or months."""

    DAY = "1d"
    MONTH = "1M"


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy that trades one symbol of one venue. Times are Unix milliseconds.

    ``venue`` is a name: a strategy may be shown of a venue to which Purser does not connect.
    """

    id: str
    active: bool
    name: str
    description: str | None
    venue: str
    symbol: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class RiskProfile:
    """How much of the equity a trade may risk, in percent. Times are Unix milliseconds."""

    id: str
    name: str
    percentage: Decimal
    created_at: int
    updated_at: int


Change = Mapping[str, Any]
"""Fields of a strategy or risk profile by name, and what they become; None empties one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What trades that follow each other come to; see the module. No trades at all: its defaults."""

    factor: Decimal = ONE
    peak: Decimal = ONE
    low: Decimal = ONE
    kept: Decimal = ONE
    trades: int = 0
    wins: int = 0
    longs: int = 0

    def then(self, later: Figures) -> Figures:
        """The figures of this range and a later one together."""
        with localcontext(EXACT):
            return Figures(
                factor=self.factor * later.factor,
                peak=max(self.peak, self.factor * later.peak),
                low=min(self.low, self.factor * later.low),
                kept=min(self.kept, later.kept, self.factor * later.low / self.peak),
                trades=self.trades + later.trades,
                wins=self.wins + later.wins,
                longs=self.longs + later.longs,
            )

    @property
    def shorts(self) -> int:
        """Trades that bet on a fall."""
        return self.trades - self.longs

    @property
    def net_profit_percent(self) -> Decimal | None:
        """The compound return in percent; None without trades."""
        return self._answered((self.factor - 1) * 100)

    @property
    def win_rate(self) -> Decimal | None:
        """Winning trades as a fraction of all; None without trades."""
        return self._answered(Decimal(self.wins) / max(self.trades, 1))

    @property
    def max_draw_down(self) -> Decimal | None:
        """The deepest fall from a peak as a fraction of it; None without trades."""
        return self._answered(1 - self.kept)

    def _answered(self, number: Decimal) -> Decimal | None:
        if not self.trades:
            return None
        return number.quantize(ANSWERED, context=ROOMY) if number < LARGEST_STORED else number

    @property
    def is_storable(self) -> bool:
        """Tell whether the table can store every number."""
        numbers = (self.factor, self.peak, self.low, self.kept)
        return all(not n or 1 / LARGEST_STORED < n < LARGEST_STORED for n in numbers)


NOTHING = Figures()


def combined(ranges: Iterable[Figures]) -> Figures:
    """The figures of ranges that follow each other, oldest first."""
    return reduce(Figures.then, ranges, NOTHING)


@dataclass(frozen=True, slots=True)
class Result:
    """A closed trade of a strategy, opened and closed at Unix milliseconds."""

    id: str
    direction: Direction
    entry_price: Decimal
    exit_price: Decimal
    opened_at: int
    closed_at: int
    created_at: int

    @property
    def place(self) -> str:
        """Where it stands among all results: by its close, then by its id."""
        return f"{self.closed_at:013d}#{self.id}"

    @property
    def day(self) -> str:
        """The UTC day on which it counts, ``YYYY-MM-DD``."""
        return datetime.fromtimestamp(self.closed_at // 1000, UTC).date().isoformat()

    @property
    def month(self) -> str:
        """The UTC month on which it counts, ``YYYY-MM``."""
        return self.day[:7]

    @property
    def figures(self) -> Figures:
        """What it comes to alone: before fees, without leverage.

        A short that lost more than its entry is a total loss: without leverage nothing more can be lost.
        """
        with localcontext(EXACT):
            ratio = self.exit_price / self.entry_price
            factor = ratio if self.direction is Direction.LONG else max(Decimal(0), 2 - ratio)
        lowest = min(ONE, factor)
        return Figures(
            factor=factor,
            peak=max(ONE, factor),
            low=lowest,
            kept=lowest,
            trades=1,
            wins=int(factor > 1),
            longs=int(self.direction is Direction.LONG),
        )


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the results of a day or month come to, and the place of the last of them."""

    figures: Figures = NOTHING
    last_place: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known where a result belongs: the result itself if it was kept before, its day, its month.

    ``version`` moves with every result of the month.
    """

    known: Result | None
    day: Rollup
    month: Rollup
    version: int


@dataclass(frozen=True, slots=True)
class Row:
    """A range of a history: from ``start`` (inclusive) to ``end`` (exclusive)."""

    start: date
    end: date
    figures: Figures


@dataclass(frozen=True, slots=True)
class Range:
    """One of a calendar's days or months."""

    interval: Interval
    start: date

    @classmethod
    def at(cls, interval: Interval, now: int) -> Range:
        """The one that runs at ``now`` (Unix ms), UTC."""
        today = datetime.fromtimestamp(now // 1000, UTC).date()
        return cls(interval, today if interval is Interval.DAY else today.replace(day=1))

    @property
    def key(self) -> str:
        """Its name: ``YYYY-MM-DD`` or ``YYYY-MM``."""
        text = self.start.isoformat()
        return text if self.interval is Interval.DAY else text[:7]

    @property
    def end(self) -> date:
        """The first day after it."""
        if self.interval is Interval.DAY:
            return self.start + timedelta(days=1)
        return (self.start + timedelta(days=31)).replace(day=1)

    def before(self) -> Range:
        """The one before."""
        day = self.start - timedelta(days=1)
        return Range(self.interval, day if self.interval is Interval.DAY else day.replace(day=1))


class StaleMonth(Exception):
    """Another result of the month has been kept since it was read."""
