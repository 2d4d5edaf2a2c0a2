"""The signed futures endpoints that read and set accounts, positions, leverage and margin type."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from local.doubles.binance.futures_wire import (
    wire_account_position,
    wire_account_position_v2,
    wire_asset,
    wire_position,
    wire_position_v2,
)
from local.doubles.binance.margin import Bracket, Exposure, Funds, brackets, greatest_notional
from local.doubles.binance.markets import Market
from local.doubles.binance.model import BOTH, DEFAULT_LEVERAGE
from local.doubles.binance.prices import DAY
from local.doubles.binance.routing import Call, Router
from local.doubles.binance.wire import ZERO, WireError, money, plain

router = Router()

MARGIN_ASSETS = ["FDUSD", "BNB", "ETH", "BTC", "USDT", "USDC"]
TOTALS = {
    "totalInitialMargin": "initialMargin",
    "totalMaintMargin": "maintMargin",
    "totalWalletBalance": "walletBalance",
    "totalUnrealizedProfit": "unrealizedProfit",
    "totalMarginBalance": "marginBalance",
    "totalPositionInitialMargin": "positionInitialMargin",
    "totalOpenOrderInitialMargin": "openOrderInitialMargin",
    "totalCrossWalletBalance": "crossWalletBalance",
    "totalCrossUnPnl": "crossUnPnl",
    "availableBalance": "availableBalance",
    "maxWithdrawAmount": "maxWithdrawAmount",
}


def market_of(call: Call) -> Market:
    """Return the contract named by `symbol`. Raises -1121 if it is unknown."""
    market = call.exchange.futures.markets.get(call.params.text("symbol"))
    if market is None:
        raise WireError(-1121)
    return market


def _markets(call: Call) -> list[Market]:
    return [market_of(call)] if "symbol" in call.params else list(call.exchange.futures.markets.values())


def _funds(call: Call) -> dict[str, Funds]:
    """Return every margin asset of the caller: the usual ones, and others with a balance."""
    items = call.exchange.futures.exposures(call.account)
    wallet = call.account.wallet
    return {
        asset: Funds(wallet.get(asset, ZERO), tuple(item for item in items if item.market.quote == asset))
        for asset in dict.fromkeys([*MARGIN_ASSETS, *wallet])
    }


def _assets(call: Call, funds: dict[str, Funds]) -> list[dict[str, Any]]:
    """Assets that never changed have update time 0, as on Binance."""
    updated = call.account.futures_updated or call.account.created
    return [
        wire_asset(asset, item, updated if asset in call.account.wallet else 0)
        | {"availableBalance": _available(call, asset)}
        for asset, item in funds.items()
    ]


def _available(call: Call, asset: str) -> str:
    return money(max(call.exchange.futures.margin_of(call.account, asset).free, ZERO))


def _totals(call: Call, funds: dict[str, Funds]) -> dict[str, str]:
    """Return the totals: those of USDT alone in single-asset mode, else of all assets in USD.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Information-V3
    """
    if not call.account.multi_assets:
        dollars = wire_asset("USDT", funds["USDT"], 0)
        return {total: dollars[field] for total, field in TOTALS.items()}
    usd_price = call.exchange.futures.usd_price
    rows = [(usd_price(asset), wire_asset(asset, item, 0)) for asset, item in funds.items()]
    totals = {
        total: money(sum((price * Decimal(row[field]) for price, row in rows), ZERO)) for total, field in TOTALS.items()
    }
    return totals | {"availableBalance": _available(call, "USDT")}


@router.endpoint("GET", "/fapi/v3/account", weight=5, signed=True)
def account_v3(call: Call) -> Any:
    funds = _funds(call)
    items = [item for asset in funds.values() for item in asset.exposures]
    return _totals(call, funds) | {
        "assets": _assets(call, funds),
        "positions": [wire_account_position(item) for item in items],
    }


@router.endpoint("GET", "/fapi/v2/account", "/fapi/v1/account", weight=5, signed=True)
def account_v2(call: Call) -> Any:
    funds, desk = _funds(call), call.exchange.futures
    items = [desk.exposure(call.account, market, side) for market in desk.markets.values() for side in _sides(call)]
    flags = {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": call.account.withdrawals,
    }
    return (
        flags
        | {"updateTime": 0, "multiAssetsMargin": call.account.multi_assets, "tradeGroupId": -1}
        | _totals(call, funds)
        | {
            "assets": _assets(call, funds),
            "positions": [wire_account_position_v2(item, _most(item)) for item in items],
        }
    )


def _sides(call: Call) -> tuple[str, ...]:
    """The position sides of every contract of an account."""
    return ("LONG", "SHORT") if call.account.hedged else (BOTH,)


def _most(item: Exposure) -> Any:
    return greatest_notional(item.market, item.leverage)


@router.endpoint("GET", "/fapi/v3/balance", "/fapi/v2/balance", weight=5, signed=True)
def balance(call: Call) -> Any:
    fields = ("asset", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount", "marginAvailable")
    rows = _assets(call, _funds(call))
    return [
        {"accountAlias": call.account.api_key[:8], "balance": row["walletBalance"], "updateTime": row["updateTime"]}
        | {field: row[field] for field in fields}
        for row in rows
    ]


@router.endpoint("GET", "/fapi/v3/positionRisk", weight=5, signed=True)
def position_risk_v3(call: Call) -> Any:
    """List only contracts with a position or an open order."""
    desk, symbol = call.exchange.futures, market_of(call).symbol if "symbol" in call.params else None
    items = [item for item in desk.exposures(call.account) if symbol in (None, item.market.symbol)]
    return [wire_position(item, desk.funds(call.account, item.market.quote)) for item in items]


@router.endpoint("GET", "/fapi/v2/positionRisk", "/fapi/v1/positionRisk", weight=5, signed=True)
def position_risk_v2(call: Call) -> Any:
    """List every contract, with or without a position. In hedge mode each has a row for each position side."""
    desk, funds = call.exchange.futures, _funds(call)
    items = [desk.exposure(call.account, market, side) for market in _markets(call) for side in _sides(call)]
    return [wire_position_v2(item, funds[item.market.quote], _most(item)) for item in items]


@router.endpoint("GET", "/fapi/v1/leverageBracket", signed=True)
def leverage_brackets(call: Call) -> Any:
    return [
        {"symbol": market.symbol, "notionalCoef": "1.00", "brackets": [_bracket(tier) for tier in brackets(market)]}
        for market in _markets(call)
    ]


def _bracket(tier: Bracket) -> dict[str, Any]:
    """Binance writes these as JSON numbers. They are small and exact."""
    return {
        "bracket": tier.number,
        "initialLeverage": tier.leverage,
        "notionalCap": int(tier.cap),
        "notionalFloor": int(tier.floor),
        "maintMarginRatio": float(tier.rate),
        "cum": float(tier.cumulative),
    }


@router.endpoint("GET", "/fapi/v1/positionSide/dual", weight=30, signed=True)
def position_mode(call: Call) -> Any:
    return {"dualSidePosition": call.account.hedged}


@router.endpoint("POST", "/fapi/v1/positionSide/dual", signed=True)
def change_position_mode(call: Call) -> Any:
    """Switch between one-way and hedge mode, which takes an account without orders (-4067) and positions (-4068)."""
    hedged, account, desk = call.params.flag("dualSidePosition"), call.account, call.exchange.futures
    if hedged == account.hedged:
        raise WireError(-4059)
    if desk.orders.open_of(account.api_key) or desk.algos.shelf.open_of(account.api_key):
        raise WireError(-4067)
    if account.positions:
        raise WireError(-4068)
    account.hedged = hedged
    desk.save(account)
    return {"code": 200, "msg": "success"}


@router.endpoint("GET", "/fapi/v1/multiAssetsMargin", weight=30, signed=True)
def multi_assets_mode(call: Call) -> Any:
    return {"multiAssetsMargin": call.account.multi_assets}


@router.endpoint("GET", "/fapi/v1/accountConfig", weight=5, signed=True)
def account_config(call: Call) -> Any:
    """https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Config."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": call.account.withdrawals,
        "dualSidePosition": call.account.hedged,
        "updateTime": 0,
        "multiAssetsMargin": call.account.multi_assets,
        "tradeGroupId": -1,
    }


INCOME_KEPT, INCOME_SHOWN = 90 * DAY, 7 * DAY
LONGEST_INCOME_LIST, INCOME_LIST = 1000, 100


@router.endpoint("GET", "/fapi/v1/income", weight=30, signed=True)
def income(call: Call) -> Any:
    """Return what trades and fundings have changed in the wallet, oldest first: those from a start on, or the latest.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Get-Income-History
    """
    params, kind = call.params, call.params.text("incomeType", "")
    symbol = market_of(call).symbol if "symbol" in params else None
    has_span = "startTime" in params or "endTime" in params
    start = params.integer("startTime", call.now - (INCOME_KEPT if has_span else INCOME_SHOWN))
    start, end = max(start, call.now - INCOME_KEPT), params.integer("endTime", call.now)
    rows = sorted(_income(call), key=lambda row: row["time"])
    shown = [
        row
        for row in rows
        if start <= row["time"] <= end and kind in ("", row["incomeType"]) and symbol in (None, row["symbol"])
    ]
    limit = min(params.integer("limit", INCOME_LIST), LONGEST_INCOME_LIST)
    if "page" in params or "startTime" in params:
        first = (max(params.integer("page", 1), 1) - 1) * limit
        return shown[first : first + limit]
    return shown[max(len(shown) - limit, 0) :]


def _income(call: Call) -> Iterator[dict[str, Any]]:
    """Yield every change of a wallet by trades and fundings."""
    desk, api_key = call.exchange.futures, call.account.api_key
    for trade in desk.trades.of(api_key):
        asset = desk.markets[trade.symbol].quote
        for kind, amount in (("REALIZED_PNL", trade.realized), ("COMMISSION", -trade.fee)):
            if amount:
                yield _income_row(trade.symbol, kind, amount, asset, trade.time, trade.id, str(trade.id))
    for fee in call.exchange.funding.fees(api_key):
        yield _income_row(fee.symbol, "FUNDING_FEE", fee.amount, fee.asset, fee.time, fee.id, "")


def _income_row(
    symbol: str, kind: str, amount: Decimal, asset: str, time: int, number: int, trade: str
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": money(amount),
        "asset": asset,
        "info": trade or kind,
        "time": time,
        "tranId": number,
        "tradeId": trade,
    }


@router.endpoint("GET", "/fapi/v1/symbolConfig", weight=5, signed=True)
def symbol_config(call: Call) -> Any:
    return [_config(call, market) for market in _markets(call)]


def _config(call: Call, market: Market) -> dict[str, Any]:
    leverage = call.account.leverage.get(market.symbol, DEFAULT_LEVERAGE)
    return {
        "symbol": market.symbol,
        "marginType": "ISOLATED" if call.account.isolated.get(market.symbol) else "CROSSED",
        "isAutoAddMargin": False,
        "leverage": leverage,
        "maxNotionalValue": plain(greatest_notional(market, leverage)),
    }


@router.endpoint("GET", "/fapi/v1/commissionRate", weight=20, signed=True)
def commission_rate(call: Call) -> Any:
    return {"symbol": market_of(call).symbol, "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"}


@router.endpoint("POST", "/fapi/v1/leverage", signed=True)
def change_leverage(call: Call) -> Any:
    market, account, desk = market_of(call), call.account, call.exchange.futures
    leverage = call.params.integer("leverage")
    if not 1 <= leverage <= market.max_leverage:
        raise WireError(-4028, f"Leverage {leverage} is not valid")
    items = [desk.exposure(account, market, side) for side in _sides(call)]
    if any(item.isolated and item.position.quantity and leverage < item.leverage for item in items):
        raise WireError(-4161)
    most = greatest_notional(market, leverage)
    if any(max(abs(item.notional + item.bids), abs(item.notional - item.asks)) > most for item in items):
        raise WireError(-2027)
    before = account.leverage.get(market.symbol, DEFAULT_LEVERAGE)
    account.leverage[market.symbol] = leverage
    if leverage < before and desk.funds(account, market.quote).free < 0:
        account.leverage[market.symbol] = before
        raise WireError(-2028)
    desk.save(account)
    return {"leverage": leverage, "maxNotionalValue": plain(most), "symbol": market.symbol}


@router.endpoint("POST", "/fapi/v1/marginType", signed=True)
def change_margin_type(call: Call) -> Any:
    market, account, desk = market_of(call), call.account, call.exchange.futures
    kind = call.params.text("marginType")
    if kind not in ("ISOLATED", "CROSSED"):
        raise WireError(-1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
    if (kind == "ISOLATED") == account.isolated.get(market.symbol, False):
        raise WireError(-4046)
    if desk.orders.open_of(account.api_key, market.symbol) or desk.algos.shelf.open_of(account.api_key, market.symbol):
        raise WireError(-4047)
    if any(position.symbol == market.symbol for position in account.positions.values()):
        raise WireError(-4048)
    account.isolated[market.symbol] = kind == "ISOLATED"
    desk.save(account)
    return {"code": 200, "msg": "success"}
