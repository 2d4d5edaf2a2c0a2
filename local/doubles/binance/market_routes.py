"""Public market data, spot and futures: time, markets, tickers, candles, mark prices and funding rates."""

from __future__ import annotations

from typing import Any

from local.doubles.binance.candles import Interval
from local.doubles.binance.funding import FUNDING_INTERVAL, has_funding
from local.doubles.binance.market_info import futures_info, spot_info
from local.doubles.binance.markets import Market
from local.doubles.binance.prices import DAY, Candle, day_of
from local.doubles.binance.routing import Call, Router, by_length, one_or_all
from local.doubles.binance.wire import Params, WireError, money

router = Router()

LONGEST_SPOT_LIST, LONGEST_FUTURES_LIST = 1000, 1500
INTEREST_RATE = "0.00010000"
LONGEST_FUNDING_LIST, FUNDING_LIST = 1000, 100


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


def _day(call: Call, market: Market) -> Candle:
    today = day_of(call.now)
    return call.exchange.prices.candle(market, today * DAY, (today + 1) * DAY, today)


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
    rate = money(call.exchange.funding.rate(market.pair)) if has_funding(market) else ""
    return {
        "symbol": market.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": rate,
        "interestRate": INTEREST_RATE if rate else "",
        "nextFundingTime": (call.now // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL if rate else 0,
        "time": call.now,
    }


@router.endpoint("GET", "/fapi/v1/fundingRate", budget="funding")
def funding_rates(call: Call) -> Any:
    """Return past funding rates, oldest first: those from a start on, or the latest.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History
    """
    params = call.params
    limit = min(params.integer("limit", FUNDING_LIST), LONGEST_FUNDING_LIST)
    markets = [market for market in wanted(params, call.exchange.futures.markets) if has_funding(market)]
    since = params.integer("startTime") if "startTime" in params else None
    rows = call.exchange.funding.history(markets, since, min(params.integer("endTime", call.now), call.now), limit)
    return [
        {
            "symbol": row.symbol,
            "fundingRate": money(row.rate),
            "fundingTime": row.time,
            "markPrice": money(row.mark),
        }
        for row in rows
    ]


def _spans(call: Call, market: Market, longest: int) -> list[tuple[int, int]]:
    """Return the start and end of the candles that a request names, oldest first."""
    params = call.params
    interval = Interval(params.text("interval"))
    if market.status == "BREAK":  # it was delisted before the days that anybody asks for
        return []
    limit = min(params.integer("limit", 500), longest)
    since = params.integer("startTime") if "startTime" in params else None
    return interval.spans(since, min(params.integer("endTime", call.now), call.now), limit)


def _candles(call: Call, markets: dict[str, Market], longest: int) -> list[list[Any]]:
    market, today = _market(call, markets), day_of(call.now)
    prices = call.exchange.prices
    return [
        _candle(start, end, prices.candle(market, start, end, today)) for start, end in _spans(call, market, longest)
    ]


def _market(call: Call, markets: dict[str, Market]) -> Market:
    market = markets.get(call.params.text("symbol"))
    if market is None:
        raise WireError(-1121)
    return market


def _candle(start: int, end: int, candle: Candle) -> list[Any]:
    prices = [money(price) for price in (candle.open, candle.high, candle.low, candle.close, candle.volume)]
    quote = candle.volume * candle.average
    halves = [money(candle.volume / 2), money(quote / 2)]
    return [start, *prices, end - 1, money(quote), 100_000, *halves, "0"]


@router.endpoint("GET", "/api/v3/klines", weight=2)
def spot_candles(call: Call) -> Any:
    return _candles(call, call.exchange.spot.markets, LONGEST_SPOT_LIST)


@router.endpoint("GET", "/fapi/v1/klines", weight=by_length)
def futures_candles(call: Call) -> Any:
    return _candles(call, call.exchange.futures.markets, LONGEST_FUTURES_LIST)


@router.endpoint("GET", "/fapi/v1/markPriceKlines", weight=by_length)
def mark_price_candles(call: Call) -> Any:
    """Return candles of the mark price. They have no volume.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Mark-Price-Kline-Candlestick-Data
    """
    market, today = _market(call, call.exchange.futures.markets), day_of(call.now)
    rows = []
    for start, end in _spans(call, market, LONGEST_FUTURES_LIST):
        candle = call.exchange.prices.mark_candle(market, start, end, today)
        prices = [money(price) for price in (candle.open, candle.high, candle.low, candle.close)]
        rows.append([start, *prices, "0", end - 1, "0", (end - start) // 1000, "0", "0", "0"])
    return rows
