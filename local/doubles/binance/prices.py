"""The price of every pair: the current one, its last 24 hours, and the daily closes of the past.

A price changes only when it is set. Days before the exchange existed have generated closes, which are always the same:
a slow wave around the pair's start price.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from local.doubles.binance.markets import STABLE, Market
from local.doubles.binance.model import Quote
from local.doubles.kit.store import Store

DAY = 86_400_000


def day_of(milliseconds: int) -> int:
    """Return the number of the UTC day since 1970."""
    return milliseconds // DAY


@dataclass(frozen=True)
class DayStats:
    """A day's open, high, low and close, and the volume in base units."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def average(self) -> Decimal:
        return (self.open + self.high + self.low + self.close) / 4


class PriceBoard:
    """Quotes by pair. Spot, perpetual and dated contracts of a pair share one price."""

    def __init__(self, store: Store, markets: Iterable[Market]):
        """Load the stored prices, and start the others at the catalogue's."""
        self._store = store
        self._markets: dict[str, Market] = {}
        self.quotes: dict[str, Quote] = {}
        for market in markets:
            self._markets.setdefault(market.pair, market)
            self.quotes.setdefault(market.pair, Quote(market.pair, market.start, market.start, market.start))
        self.quotes.update(store.load("quote", Quote))
        self.closes: dict[str, Decimal] = dict(store.load("close", Decimal))

    def price(self, pair: str) -> Decimal:
        """Return the price exactly as it was set, which is also the mark price."""
        return self.quotes[pair].price

    def last(self, market: Market) -> Decimal:
        """Return the last traded price of a market: the pair's price on the market's own grid."""
        return market.on_tick(self.quotes[market.pair].price)

    def move(self, pair: str, price: Decimal) -> None:
        """Set the price of a pair."""
        quote = self.quotes[pair]
        quote.price = price
        quote.high, quote.low = max(quote.high, price), min(quote.low, price)
        self._store.put("quote", pair, quote)

    def end_day(self, day: int) -> None:
        """Record the closes of a past day, and begin the next day's range."""
        for pair, quote in self.quotes.items():
            self.closes[f"{pair}@{day}"] = quote.price
            self._store.put("close", f"{pair}@{day}", quote.price)
            quote.high = quote.low = quote.price
            self._store.put("quote", pair, quote)

    def close(self, pair: str, day: int) -> Decimal:
        """Return the close of a past day."""
        return self.closes.get(f"{pair}@{day}") or self._made_up_close(pair, day)

    def _made_up_close(self, pair: str, day: int) -> Decimal:
        market = self._markets[pair]
        phase = zlib.crc32(pair.encode()) % 628 / 100
        swing = 0.0005 if {market.base, market.quote} <= STABLE else 0.06
        wave = math.sin(day / 9 + phase) + 0.3 * math.sin(day / 2.3 + 2 * phase)
        return market.on_tick(market.start * Decimal(str(round(1 + swing * wave, 6))))

    def stats(self, market: Market, day: int, today: int) -> DayStats:
        """Return the figures of a day's ticker or candle. Those of today are up to now."""
        opened = market.on_tick(self.close(market.pair, day - 1))
        volume = (Decimal(2_000_000_000) / market.start).quantize(market.step)
        if day < today:
            closed = market.on_tick(self.close(market.pair, day))
            return DayStats(opened, max(opened, closed), min(opened, closed), closed, volume)
        quote = self.quotes[market.pair]
        high, low = market.on_tick(quote.high), market.on_tick(quote.low)
        return DayStats(opened, max(opened, high), min(opened, low), market.on_tick(quote.price), volume)
