"""Public market data, spot and futures: time, markets, tickers, mark prices and daily candles."""

from __future__ import annotations

from typing import Any

from local.doubles.binance.market_info import futures_info, spot_info
from local.doubles.binance.markets import Market
from local.doubles.binance.prices import DAY, DayStats, day_of
from local.doubles.binance.routing import Call, Router, by_length, one_or_all
from local.doubles.binance.wire import Params, WireError, money

router = Router()

LONGEST_CANDLE_LIST = 1000
EIGHT_HOURS = 8 * 3_600_000
FUNDING_RATE = "0.00010000"


def wanted(params: Params, markets: dict[str, Market]) -> list[Market]:
    """Return the markets named by `symbol` or `symbols`, or all without either. Raises -1121 for an unknown one."""
    if "symbol" in params and "symbols" in params:
        raise WireError(-1128)
    names = params.names("symbols") if "symbols" in params else None
    names = [params.text("symbol")] if "symbol" in params else names
    if names is None:
        return [market for market in markets.values() if market.status == "TRADING"]
    if any(name not in markets for name in names):
        raise WireError(-1121)
    return [markets[name] for name in names]


def one_or_list(params: Params, rows: list[Any]) -> Any:
    """Return an object if one symbol was asked for by name, else a list."""
    return rows[0] if "symbol" in params else rows


@router.endpoint("GET", "/api/v3/ping", "/fapi/v1/ping")
def ping(call: Call) -> Any:
    return {}


@router.endpoint("GET", "/api/v3/time", "/fapi/v1/time")
def time(call: Call) -> Any:
    return {"serverTime": call.now}


@router.endpoint("GET", "/sapi/v1/system/status")
def system_status(call: Call) -> Any:
    return {"status": 0, "msg": "normal"}


@router.endpoint("GET", "/api/v3/exchangeInfo", weight=20)
def spot_exchange_info(call: Call) -> Any:
    exchange = call.exchange
    named = "symbol" in call.params or "symbols" in call.params
    markets = wanted(call.params, exchange.spot.markets) if named else list(exchange.spot.markets.values())
    return spot_info(markets, exchange.limits.limits["spot"], call.now)


@router.endpoint("GET", "/fapi/v1/exchangeInfo")
def futures_exchange_info(call: Call) -> Any:
    exchange = call.exchange
    return futures_info(list(exchange.futures.markets.values()), exchange.limits.limits["futures"], call.now)


def _day(call: Call, market: Market) -> DayStats:
    today = day_of(call.now)
    return call.exchange.prices.stats(market, today, today)


def _ticker(call: Call, market: Market, places: int) -> dict[str, Any]:
    """Return the fields of a 24 hour ticker that spot and futures share."""
    day = _day(call, market)
    change = day.close - day.open
    return {
        "symbol": market.symbol,
        "priceChange": money(change, places),
        "priceChangePercent": money(change / day.open * 100, 3),
        "weightedAvgPrice": money(day.average, places),
        "lastPrice": money(day.close, places),
        "lastQty": money(market.step, places),
        "openPrice": money(day.open, places),
        "highPrice": money(day.high, places),
        "lowPrice": money(day.low, places),
        "volume": money(day.volume, places),
        "quoteVolume": money(day.volume * day.average, places),
        "openTime": call.now - DAY,
        "closeTime": call.now,
        "firstId": 1,
        "lastId": 100_000,
        "count": 100_000,
    }


def _spot_ticker(call: Call, market: Market) -> dict[str, Any]:
    ticker = _ticker(call, market, 8)
    last = call.exchange.prices.last(market)
    return ticker | {
        "prevClosePrice": ticker["openPrice"],
        "bidPrice": money(max(last - market.tick, market.tick)),
        "bidQty": money(market.step * 1000),
        "askPrice": money(last),
        "askQty": money(market.step * 1000),
    }


def _ticker_weight(params: Params) -> int:
    """Return the weight: two for up to twenty symbols, forty for up to a hundred, eighty for more or all (spot)."""
    count = 1 if "symbol" in params else len(params.names("symbols")) if "symbols" in params else 101
    return 2 if count <= 20 else 40 if count <= 100 else 80


@router.endpoint("GET", "/api/v3/ticker/24hr", weight=_ticker_weight)
def spot_tickers(call: Call) -> Any:
    markets = wanted(call.params, call.exchange.spot.markets)
    return one_or_list(call.params, [_spot_ticker(call, market) for market in markets])


@router.endpoint("GET", "/fapi/v1/ticker/24hr", weight=one_or_all(1, 40))
def futures_tickers(call: Call) -> Any:
    markets = wanted(call.params, call.exchange.futures.markets)
    return one_or_list(call.params, [_ticker(call, market, market.price_places) for market in markets])


@router.endpoint("GET", "/api/v3/ticker/price", weight=one_or_all(2, 4))
def spot_prices(call: Call) -> Any:
    """Without a symbol, delisted markets are listed with their last price, unless `symbolStatus` leaves them out.

    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
    """
    prices, status = call.exchange.prices, call.params.text("symbolStatus", "")
    if status not in ("", "TRADING", "HALT", "BREAK"):
        raise WireError(-1130, "Data sent for parameter 'symbolStatus' is not valid.")
    every = not any(name in call.params for name in ("symbol", "symbols"))
    markets = list(call.exchange.spot.markets.values()) if every else wanted(call.params, call.exchange.spot.markets)
    shown = [market for market in markets if status in ("", market.status)]
    if "symbol" in call.params and not shown:
        raise WireError(-1220, "The symbol's status does not match the requested symbolStatus.")
    return one_or_list(call.params, [{"symbol": m.symbol, "price": money(prices.last(m))} for m in shown])


@router.endpoint("GET", "/fapi/v1/ticker/price", "/fapi/v2/ticker/price", weight=one_or_all(1, 2))
def futures_prices(call: Call) -> Any:
    prices = call.exchange.prices
    markets = wanted(call.params, call.exchange.futures.markets)
    rows = [{"symbol": m.symbol, "price": money(prices.last(m), m.price_places), "time": call.now} for m in markets]
    return one_or_list(call.params, rows)


def _book(call: Call, market: Market, places: int) -> dict[str, Any]:
    last = call.exchange.prices.last(market)
    return {
        "symbol": market.symbol,
        "bidPrice": money(max(last - market.tick, market.tick), places),
        "bidQty": money(market.step * 1000, places),
        "askPrice": money(last, places),
        "askQty": money(market.step * 1000, places),
    }


@router.endpoint("GET", "/api/v3/ticker/bookTicker", weight=one_or_all(2, 4))
def spot_books(call: Call) -> Any:
    markets = wanted(call.params, call.exchange.spot.markets)
    return one_or_list(call.params, [_book(call, market, 8) for market in markets])


@router.endpoint("GET", "/fapi/v1/ticker/bookTicker", weight=one_or_all(2, 5))
def futures_books(call: Call) -> Any:
    markets = wanted(call.params, call.exchange.futures.markets)
    rows = [_book(call, market, market.price_places) | {"time": call.now} for market in markets]
    return one_or_list(call.params, rows)


@router.endpoint("GET", "/fapi/v1/premiumIndex", weight=one_or_all(1, 10))
def premium_index(call: Call) -> Any:
    markets = wanted(call.params, call.exchange.futures.markets)
    return one_or_list(call.params, [_premium(call, market) for market in markets])


def _premium(call: Call, market: Market) -> dict[str, Any]:
    mark = money(call.exchange.prices.price(market.pair))
    return {
        "symbol": market.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": FUNDING_RATE,
        "interestRate": FUNDING_RATE,
        "nextFundingTime": (call.now // EIGHT_HOURS + 1) * EIGHT_HOURS,
        "time": call.now,
    }


def _candles(call: Call, markets: dict[str, Market]) -> list[list[Any]]:
    """Return daily candles, oldest first. Raises -1120 for any other interval."""
    params, today = call.params, day_of(call.now)
    market = markets.get(params.text("symbol"))
    if market is None:
        raise WireError(-1121)
    if params.text("interval") != "1d":
        raise WireError(-1120)
    if market.status == "BREAK":  # it was delisted before the days that anybody asks for
        return []
    limit = min(params.integer("limit", 500), LONGEST_CANDLE_LIST)
    last = min(day_of(params.integer("endTime", call.now)), today)
    first = -(-params.integer("startTime", 0) // DAY) if "startTime" in params else last - limit + 1
    return [_candle(call, market, day, today) for day in range(first, min(last, first + limit - 1) + 1)]


def _candle(call: Call, market: Market, day: int, today: int) -> list[Any]:
    stats = call.exchange.prices.stats(market, day, today)
    prices = [money(price) for price in (stats.open, stats.high, stats.low, stats.close, stats.volume)]
    quote = stats.volume * stats.average
    halves = [money(stats.volume / 2), money(quote / 2)]
    return [day * DAY, *prices, (day + 1) * DAY - 1, money(quote), 100_000, *halves, "0"]


@router.endpoint("GET", "/api/v3/klines", weight=2)
def spot_candles(call: Call) -> Any:
    return _candles(call, call.exchange.spot.markets)


@router.endpoint("GET", "/fapi/v1/klines", weight=by_length)
def futures_candles(call: Call) -> Any:
    return _candles(call, call.exchange.futures.markets)
