"""Closing prices of past days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from purser.clock import DAY_MS, day_of
from purser.errors import ExchangeSymbolInvalid
from purser.exchanges.model import DAYS_REMEMBERED, PriceList, is_symbol
from purser.exchanges.port import ExchangeGateway

SPARE_DAYS = 2
"""Further days to fetch, since midnight may pass while the prices are used."""


@dataclass(frozen=True, slots=True)
class _Market:
    """A market's closes by day, up to and including the day ``until``."""

    until: str
    by_day: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Day:
    """The prices of one day."""

    closes: DailyCloses
    day: str

    def last(self, base: str, quote: str) -> Decimal | None:
        return self.closes.of(base, quote, self.day)


class DailyCloses:
    """Closing prices of the last days, read once for each market, for all days and accounts.

    ``now`` gives Unix milliseconds.
    """

    def __init__(self, gateway: ExchangeGateway, now: Callable[[], int]) -> None:
        self._gateway = gateway
        self._now = now
        self._markets: dict[str, _Market] = {}

    def on(self, day: str) -> PriceList:
        """Return the closing prices of a complete UTC day, at most ``DAYS_REMEMBERED`` ago.

        Asking for a price may raise the errors of the exchange port.
        """
        return _Day(self, day)

    def of(self, base: str, quote: str, day: str) -> Decimal | None:
        """Return a closing price, or None where the market does not exist or did not exist yet."""
        symbol = f"{base}/{quote}"
        known = self._markets.get(symbol)
        if known is None or day > known.until:
            known = self._markets[symbol] = self._read(symbol)
        return known.by_day.get(day) or None

    def _read(self, symbol: str) -> _Market:
        now = self._now()
        midnight = now - now % DAY_MS
        since, until = midnight - (DAYS_REMEMBERED + SPARE_DAYS) * DAY_MS, midnight - 1
        closes: Mapping[str, Decimal] = {}
        if is_symbol(symbol):  # some untradable assets have names that no market could have
            with suppress(ExchangeSymbolInvalid):
                closes = self._gateway.daily_closes(symbol, since, until)
        return _Market(day_of(until), closes)
