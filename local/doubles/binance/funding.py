"""Funding of perpetual contracts: at 00:00, 08:00 and 16:00 UTC, longs pay shorts the rate of their position's value.

A rate is 0 until it is set, so that balances stay as they are. A negative rate makes shorts pay longs.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from local.doubles.binance.futures import FuturesDesk
from local.doubles.binance.market_info import ONBOARDED
from local.doubles.binance.markets import PERPETUAL_DELIVERY_TIME, Market
from local.doubles.binance.model import Funding, FundingFee
from local.doubles.binance.prices import MINUTE, PriceBoard
from local.doubles.binance.wire import ZERO
from local.doubles.kit.store import Store

FUNDING_INTERVAL = 8 * 3_600_000
FIRST_FEE = 9_689_322_392


def has_funding(market: Market) -> bool:
    """Return whether a contract is perpetual. Others have a delivery instead."""
    return market.delivery == PERPETUAL_DELIVERY_TIME


class FundingDesk:
    """The funding rates of all pairs, and what they have cost."""

    def __init__(self, store: Store, desk: FuturesDesk, prices: PriceBoard, now: int):
        self._store, self._desk, self._prices = store, desk, prices
        self.rates: dict[str, Decimal] = dict(store.load("funding_rate", Decimal))
        self._past: dict[tuple[int, str], Funding] = {
            (each.time, each.symbol): each for _, each in store.load("funding", Funding)
        }
        self._fees: defaultdict[str, list[FundingFee]] = defaultdict(list)
        self._last_id = FIRST_FEE
        for fee in sorted((fee for _, fee in store.load("funding_fee", FundingFee)), key=lambda fee: fee.id):
            self._last_id = fee.id
            self._fees[fee.api_key].append(fee)
        this = now // FUNDING_INTERVAL * FUNDING_INTERVAL
        self.next_time = dict(store.load("funding_time", int)).get("next", this + FUNDING_INTERVAL)
        store.put("funding_time", "next", self.next_time)

    def rate(self, pair: str) -> Decimal:
        """Return the rate of the next funding of a pair."""
        return self.rates.get(pair, ZERO)

    def set_rate(self, pair: str, rate: Decimal) -> None:
        self.rates[pair] = rate
        self._store.put("funding_rate", pair, rate)

    def fees(self, api_key: str) -> list[FundingFee]:
        """Return what funding has paid to an account or taken from it, oldest first."""
        return self._fees[api_key]

    def settle_next(self) -> None:
        """Let the next funding happen, at its time."""
        self.settle(self.next_time)
        self.next_time += FUNDING_INTERVAL
        self._store.put("funding_time", "next", self.next_time)

    def settle(self, time: int) -> None:
        """Let a funding of all contracts that have a rate happen."""
        for market in self._desk.markets.values():
            rate = self.rate(market.pair)
            if not rate or not has_funding(market):
                continue
            row = Funding(market.symbol, rate, time, self._prices.price(market.pair))
            self._past[time, market.symbol] = row
            self._store.put("funding", f"{market.symbol}@{time}", row)
            for api_key, amount in self._desk.charge_funding(market, rate, time):
                self._last_id += 1
                fee = FundingFee(self._last_id, api_key, market.symbol, market.quote, amount, time)
                self._fees[api_key].append(fee)
                self._store.put("funding_fee", str(fee.id), fee)

    def history(self, markets: Iterable[Market], since: int | None, until: int, limit: int) -> list[Funding]:
        """Return the fundings of contracts until a time, oldest first: the first since another, or the latest."""
        symbols = {market.symbol: market for market in markets}
        regular = set(self._times(since, until, limit))
        times = regular | {time for time, symbol in self._past if symbol in symbols and (since or 0) <= time <= until}
        rows = [
            self._past.get((time, symbol))
            or Funding(symbol, ZERO, time, self._prices.price_at(market.pair, time // MINUTE))
            for time in sorted(times)
            for symbol, market in symbols.items()
            if time in regular or (time, symbol) in self._past
        ]
        return rows[:limit] if since is not None else rows[-limit:]

    def _times(self, since: int | None, until: int, limit: int) -> range:
        """Return as many regular funding times as are enough."""
        last = until // FUNDING_INTERVAL * FUNDING_INTERVAL
        if since is None:
            return range(max(last - (limit - 1) * FUNDING_INTERVAL, ONBOARDED), last + 1, FUNDING_INTERVAL)
        first = -(-max(since, ONBOARDED) // FUNDING_INTERVAL) * FUNDING_INTERVAL
        return range(first, min(last, first + (limit - 1) * FUNDING_INTERVAL) + 1, FUNDING_INTERVAL)
