"""The price of every pair: the current one, and all of the past that candles show.

A price changes only when it is set. Minutes in which it moved are kept for a week, days for ever. The days before the
exchange existed have generated closes, which are always the same: a slow wave around the pair's start price. Where no
minutes are known, the price runs straight from one close to the next.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from local.doubles.binance.markets import STABLE, Market
from local.doubles.binance.model import Minute, Quote, Range
from local.doubles.kit.store import Store

MINUTE = 60_000
DAY = 86_400_000
MINUTES_A_DAY = DAY // MINUTE
DAYS_OF_MINUTES = 7


def day_of(milliseconds: int) -> int:
    """Return the number of the UTC day since 1970."""
    return milliseconds // DAY


@dataclass(frozen=True)
class Candle:
    """The prices of a market in a time, and the volume in base units."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def average(self) -> Decimal:
        return (self.open + self.high + self.low + self.close) / 4


@dataclass
class Moves:
    """The minutes in which one pair moved, by their number since 1970."""

    numbers: list[int] = field(default_factory=list)
    minutes: dict[int, Minute] = field(default_factory=dict)

    def add(self, number: int, minute: Minute) -> None:
        insort(self.numbers, number)
        self.minutes[number] = minute

    def between(self, first: int, end: int) -> list[Minute]:
        """Return the minutes from the first up to the end, without the end."""
        here = self.numbers[bisect_left(self.numbers, first) : bisect_left(self.numbers, end)]
        return [self.minutes[number] for number in here]

    def price_at(self, number: int) -> Decimal | None:
        """Return the price at the beginning of a minute, or None if the pair never moved."""
        before = bisect_left(self.numbers, number)
        if before:
            return self.minutes[self.numbers[before - 1]].close
        return self.minutes[self.numbers[0]].open if self.numbers else None

    def forget(self, until: int) -> list[int]:
        """Forget the minutes before one, and return them."""
        kept = bisect_left(self.numbers, until)
        gone, self.numbers = self.numbers[:kept], self.numbers[kept:]
        for number in gone:
            del self.minutes[number]
        return gone


class PriceBoard:
    """Quotes by pair. Spot, perpetual and dated contracts of a pair share one price."""

    def __init__(self, store: Store, markets: Iterable[Market], now: int):
        """Load the stored prices, and start the others at the catalogue's."""
        self._store = store
        self._markets: dict[str, Market] = {}
        self.quotes: dict[str, Quote] = {}
        for market in markets:
            self._markets.setdefault(market.pair, market)
            self.quotes.setdefault(market.pair, Quote(market.pair, market.start, market.start, market.start))
        self.quotes.update(store.load("quote", Quote))
        self.closes: dict[str, Decimal] = dict(store.load("close", Decimal))
        self._ranges: dict[str, Range] = dict(store.load("range", Range))
        self._moves: defaultdict[str, Moves] = defaultdict(Moves)
        for name, minute in store.load("minute", Minute):
            pair, _, number = name.partition("@")
            self._moves[pair].add(int(number), minute)
        self._known_from = dict(store.load("minutes", int)).get("known_from", now // MINUTE)
        store.put("minutes", "known_from", self._known_from)

    def price(self, pair: str) -> Decimal:
        """Return the price exactly as it was set, which is also the mark price."""
        return self.quotes[pair].price

    def last(self, market: Market) -> Decimal:
        """Return the last traded price of a market: the pair's price on the market's own grid."""
        return market.on_tick(self.quotes[market.pair].price)

    def move(self, pair: str, price: Decimal, now: int) -> None:
        """Set the price of a pair."""
        quote, number = self.quotes[pair], now // MINUTE
        moves = self._moves[pair]
        if number not in moves.minutes:
            moves.add(number, Minute(quote.price, quote.price, quote.price, quote.price))
        quote.price = price
        for each in (quote, moves.minutes[number]):
            each.high, each.low = max(each.high, price), min(each.low, price)
        moves.minutes[number].close = price
        self._store.put("quote", pair, quote)
        self._store.put("minute", f"{pair}@{number}", moves.minutes[number])

    def end_day(self, day: int) -> None:
        """Record the close and the range of a past day, and begin the next day's range."""
        for pair, quote in self.quotes.items():
            ends = self.close(pair, day - 1), quote.price
            if quote.high > max(ends) or quote.low < min(ends):
                self._ranges[f"{pair}@{day}"] = Range(quote.high, quote.low)
                self._store.put("range", f"{pair}@{day}", self._ranges[f"{pair}@{day}"])
            self.closes[f"{pair}@{day}"] = quote.price
            self._store.put("close", f"{pair}@{day}", quote.price)
            quote.high = quote.low = quote.price
            self._store.put("quote", pair, quote)
        self._forget_minutes((day - DAYS_OF_MINUTES + 1) * MINUTES_A_DAY)

    def _forget_minutes(self, until: int) -> None:
        for pair, moves in self._moves.items():
            for number in moves.forget(until):
                self._store.remove("minute", f"{pair}@{number}")
        if until > self._known_from:
            self._known_from = until
            self._store.put("minutes", "known_from", until)

    def close(self, pair: str, day: int) -> Decimal:
        """Return the close of a past day."""
        return self.closes.get(f"{pair}@{day}") or self._made_up_close(pair, day)

    def _made_up_close(self, pair: str, day: int) -> Decimal:
        market = self._markets[pair]
        phase = zlib.crc32(pair.encode()) % 628 / 100
        swing = 0.0005 if {market.base, market.quote} <= STABLE else 0.06
        wave = math.sin(day / 9 + phase) + 0.3 * math.sin(day / 2.3 + 2 * phase)
        return market.on_tick(market.start * Decimal(str(round(1 + swing * wave, 6))))

    def price_at(self, pair: str, minute: int) -> Decimal:
        """Return the price at the beginning of a minute, which is not after the current one."""
        if minute >= self._known_from:
            known = self._moves[pair].price_at(minute)
            return self.quotes[pair].price if known is None else known
        day, into = divmod(minute, MINUTES_A_DAY)
        before = self.close(pair, day - 1)
        if day == self._known_from // MINUTES_A_DAY:
            return before  # The exchange began later that day.
        return before + (self.close(pair, day) - before) * into / MINUTES_A_DAY

    def candle(self, market: Market, start: int, end: int, today: int) -> Candle:
        """Return the last prices of a market from a time up to another: whole days, or minutes of one day."""
        raw = self.mark_candle(market, start, end, today)
        opened, high, low, closed = (market.on_tick(price) for price in (raw.open, raw.high, raw.low, raw.close))
        return Candle(opened, high, low, closed, raw.volume)

    def mark_candle(self, market: Market, start: int, end: int, today: int) -> Candle:
        """Return the same of the mark price."""
        span = self._days if end - start >= DAY else self._minutes
        opened, closed, between = span(market.pair, start, end, today)
        volume = (Decimal(2_000_000_000) / market.start * (end - start) / DAY).quantize(market.step)
        prices = [opened, closed, *between]
        return Candle(opened, max(prices), min(prices), closed, volume)

    def _days(self, pair: str, start: int, end: int, today: int) -> tuple[Decimal, Decimal, list[Decimal]]:
        """Return the first and the last price of whole days, and the greatest and least of each."""
        days = range(day_of(start), min(day_of(end), today + 1))
        quote = self.quotes[pair]
        ranges = [self._ranges.get(f"{pair}@{day}") for day in days if day < today]
        extremes = [price for each in ranges if each for price in (each.high, each.low)]
        closes = [self.close(pair, day) for day in days if day < today]
        if days[-1] == today:
            closes.append(quote.price)
            extremes += [quote.high, quote.low]
        return self.close(pair, days[0] - 1), closes[-1], extremes + closes

    def _minutes(self, pair: str, start: int, end: int, today: int) -> tuple[Decimal, Decimal, list[Decimal]]:
        """Return the first and the last price of minutes of one day, and the greatest and least of each."""
        first, after = start // MINUTE, end // MINUTE
        moves = self._moves[pair].between(first, after)
        extremes = [price for each in moves for price in (each.high, each.low)]
        return self.price_at(pair, first), self.price_at(pair, after), extremes
