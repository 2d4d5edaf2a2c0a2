"""The wire format of markets and their filters (`exchangeInfo`)."""

from __future__ import annotations

from typing import Any

from local.doubles.binance.limits import ORDER_LIMITS
from local.doubles.binance.markets import PERPETUAL_DELIVERY_TIME, Market
from local.doubles.binance.wire import money, plain

SPOT_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
CONDITIONAL_TYPES = ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
FUTURES_TYPES = ["LIMIT", "MARKET", *CONDITIONAL_TYPES]
MAX_OPEN_ORDERS = 200
MAX_SPOT_CONDITIONALS = 5
MAX_FUTURES_CONDITIONALS = 10
"""Of a symbol and account. Users report ten (ccxt#15995), although the sample of the documentation says 100."""

ONBOARDED = 1569398400000


def _limits(budget: str, weight: int) -> list[dict[str, Any]]:
    orders = [
        {"rateLimitType": "ORDERS", "interval": each.interval, "intervalNum": each.intervals, "limit": each.most}
        for each in ORDER_LIMITS[budget]
    ]
    return [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight}, *orders]


def spot_info(markets: list[Market], weight: int, now: int) -> dict[str, Any]:
    """`GET /api/v3/exchangeInfo`."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": _limits("spot", weight),
        "exchangeFilters": [],
        "symbols": [_spot_symbol(market) for market in markets],
    }


def _spot_symbol(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "status": market.status,
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": SPOT_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "isSpotTradingAllowed": market.status == "TRADING",
        "isMarginTradingAllowed": False,
        "filters": _spot_filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _spot_filters(market: Market) -> list[dict[str, Any]]:
    tick, step = money(market.tick), money(market.step)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": money(market.max_price), "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": money(market.max_quantity), "stepSize": step},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": money(market.max_market_quantity),
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": money(market.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_OPEN_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_SPOT_CONDITIONALS},
    ]


def futures_info(markets: list[Market], weight: int, now: int) -> dict[str, Any]:
    """`GET /fapi/v1/exchangeInfo`."""
    assets = ["USDT", "USDC", "BNB", "BTC", "ETH"]
    return {
        "timezone": "UTC",
        "serverTime": now,
        "futuresType": "U_MARGINED",
        "rateLimits": _limits("futures", weight),
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets],
        "symbols": [_futures_symbol(market) for market in markets],
    }


def _futures_symbol(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "pair": market.base + market.quote,
        "contractType": "PERPETUAL" if market.delivery == PERPETUAL_DELIVERY_TIME else "CURRENT_QUARTER",
        "deliveryDate": market.delivery,
        "onboardDate": ONBOARDED,
        "status": market.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.quote,
        "pricePrecision": market.price_places,
        "quantityPrecision": market.quantity_places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"] if market.base in ("BTC", "LTC", "BCH") else ["Layer-1"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _futures_filters(market),
        "orderTypes": FUTURES_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _futures_filters(market: Market) -> list[dict[str, Any]]:
    tick, step = plain(market.tick), plain(market.step)
    top = plain(market.max_price)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": top, "tickSize": f"{market.tick:f}"},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": plain(market.max_quantity), "stepSize": step},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": step,
            "maxQty": plain(market.max_market_quantity),
            "stepSize": step,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": MAX_OPEN_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": MAX_FUTURES_CONDITIONALS},
        {"filterType": "MIN_NOTIONAL", "notional": plain(market.min_notional)},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": 4},
    ]
