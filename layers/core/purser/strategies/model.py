"""Strategies, risk profiles, results, and the figures of results.

Figures of consecutive ranges combine into those of the whole range, so stored days answer any range of them.
``Figures.then`` is associative. With E(0) = 1 and E(i) the value of one unit after trade i, a range holds

    factor  E(n)                        for a range A followed by B:   A.factor · B.factor
    peak    max E(i)                                                   max(A.peak, A.factor · B.peak)
    low     min E(i)                                                   min(A.low, A.factor · B.low)
    kept    min E(j) / E(i), i ≤ j                                     min(A.kept, B.kept, A.factor · B.low / A.peak)

because the deepest fall lies within A, within B, or goes from A's peak to B's low. The draw-down is 1 - kept.
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
"""34 digits in every step, so that the error of a thousand days stays far below the 8 digits of an answer."""

ANSWERED = Decimal("1e-8")
ROOMY = Context(prec=80)
ONE = Decimal(1)
LARGEST_STORED = Decimal("1e60")
"""Larger figures of a month, and those below the inverse, would not fit a DynamoDB number."""


class Direction(StrEnum):
    """The direction of a trade."""

    LONG = "LONG"
    SHORT = "SHORT"


class Interval(StrEnum):
    """The ranges of a history: UTC days or months."""

    DAY = "1d"
    MONTH = "1M"


class PriceType(StrEnum):
    """The price that triggers exits: of the contract's last trade, or its mark price."""

    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


@dataclass(frozen=True, slots=True)
class DefaultTakeProfit:
    """A take-profit ``percent`` away from the entry, for ``share`` percent of the position."""

    percent: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class SignalDefaults:
    """Defaults for the signals of a strategy that leave fields out.

    ``stop_percent`` is the stop's distance from the entry. Nothing enters ``expiry_seconds`` after a signal was made.
    """

    stop_percent: Decimal | None = None
    take_profits: tuple[DefaultTakeProfit, ...] = ()
    expiry_seconds: int = 60
    price_type: PriceType = PriceType.CONTRACT_PRICE


NO_DEFAULTS = SignalDefaults()


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy that trades one symbol of one venue. Times are Unix milliseconds.

    ``venue`` is only a name, since Purser may not connect to the venue.
    """

    id: str
    active: bool
    name: str
    description: str | None
    venue: str
    symbol: str
    created_at: int
    updated_at: int
    signal_defaults: SignalDefaults = NO_DEFAULTS


@dataclass(frozen=True, slots=True)
class RiskProfile:
    """The share of the equity that a trade may risk, in percent. Times are Unix milliseconds."""

    id: str
    name: str
    percentage: Decimal
    created_at: int
    updated_at: int


Change = Mapping[str, Any]
"""Fields of a strategy or risk profile by name, with their new values. None empties a field."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of consecutive trades (see the module). The defaults are those of no trades."""

    factor: Decimal = ONE
    peak: Decimal = ONE
    low: Decimal = ONE
    kept: Decimal = ONE
    trades: int = 0
    wins: int = 0
    longs: int = 0

    def then(self, later: Figures) -> Figures:
        """Return the figures of this range and a later one together."""
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
        """The number of short trades."""
        return self.trades - self.longs

    @property
    def net_profit_percent(self) -> Decimal | None:
        """The compound return in percent, or None without trades."""
        return self._answered((self.factor - 1) * 100)

    @property
    def win_rate(self) -> Decimal | None:
        """Winning trades as a fraction of all, or None without trades."""
        return self._answered(Decimal(self.wins) / max(self.trades, 1))

    @property
    def max_draw_down(self) -> Decimal | None:
        """The deepest fall from a peak as a fraction of it, or None without trades."""
        return self._answered(1 - self.kept)

    def _answered(self, number: Decimal) -> Decimal | None:
        if not self.trades:
            return None
        return number.quantize(ANSWERED, context=ROOMY) if number < LARGEST_STORED else number

    @property
    def is_storable(self) -> bool:
        """True if the table can store every number."""
        numbers = (self.factor, self.peak, self.low, self.kept)
        return all(not n or 1 / LARGEST_STORED < n < LARGEST_STORED for n in numbers)


NOTHING = Figures()


def combined(ranges: Iterable[Figures]) -> Figures:
    """Return the figures of consecutive ranges, given oldest first."""
    return reduce(Figures.then, ranges, NOTHING)


@dataclass(frozen=True, slots=True)
class Result:
    """A closed trade of a strategy. Times are Unix milliseconds."""

    id: str
    direction: Direction
    entry_price: Decimal
    exit_price: Decimal
    opened_at: int
    closed_at: int
    created_at: int

    @property
    def place(self) -> str:
        """The key that sorts results by their close, then by id."""
        return f"{self.closed_at:013d}#{self.id}"

    @property
    def day(self) -> str:
        """The UTC day of its close, ``YYYY-MM-DD``."""
        return datetime.fromtimestamp(self.closed_at // 1000, UTC).date().isoformat()

    @property
    def month(self) -> str:
        """The UTC month of its close, ``YYYY-MM``."""
        return self.day[:7]

    @property
    def figures(self) -> Figures:
        """The figures of this trade alone, before fees and without leverage.

        A short that lost more than its entry is a total loss, since without leverage nothing more can be lost.
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
    """The figures of a day or month, and the place of its last result."""

    figures: Figures = NOTHING
    last_place: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The stored data around a result: the result itself if it was stored before, its day and its month.

    ``version`` grows with every result of the month.
    """

    known: Result | None
    day: Rollup
    month: Rollup
    version: int


@dataclass(frozen=True, slots=True)
class Row:
    """A range of a history, from ``start`` (inclusive) to ``end`` (exclusive)."""

    start: date
    end: date
    figures: Figures


@dataclass(frozen=True, slots=True)
class Range:
    """A calendar day or month."""

    interval: Interval
    start: date

    @classmethod
    def at(cls, interval: Interval, now: int) -> Range:
        """Return the range that contains ``now`` (Unix ms), in UTC."""
        today = datetime.fromtimestamp(now // 1000, UTC).date()
        return cls(interval, today if interval is Interval.DAY else today.replace(day=1))

    @property
    def key(self) -> str:
        """The name of the range, ``YYYY-MM-DD`` or ``YYYY-MM``."""
        text = self.start.isoformat()
        return text if self.interval is Interval.DAY else text[:7]

    @property
    def end(self) -> date:
        """The first day after the range."""
        if self.interval is Interval.DAY:
            return self.start + timedelta(days=1)
        return (self.start + timedelta(days=31)).replace(day=1)

    def before(self) -> Range:
        """Return the preceding range."""
        day = self.start - timedelta(days=1)
        return Range(self.interval, day if self.interval is Interval.DAY else day.replace(day=1))


class StaleMonth(Exception):
    """Another result of the month has been stored since it was read."""
