"""The signed spot and wallet endpoints: account, permissions, daily snapshots, orders and trades."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from local.doubles.binance.model import Account, Condition, Order, Trade
from local.doubles.binance.prices import DAY, day_of
from local.doubles.binance.routing import Call, Router, one_or_all
from local.doubles.binance.shelf import Shelf
from local.doubles.binance.spot import FEE
from local.doubles.binance.spot_wire import wire_ack, wire_canceled, wire_full, wire_order, wire_result, wire_trade
from local.doubles.binance.wire import CLIENT_ID, ZERO, Params, WireError, money

router = Router()

LONGEST_LIST = 1000
RATE = money(FEE)
EITHER_ID = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
EITHER_QUANTITY = "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null or both sent!"
SHORTEST_SNAPSHOT_LIST, LONGEST_SNAPSHOT_LIST = 7, 30
FULL_BY_DEFAULT = ("MARKET", "LIMIT")
REQUIRED = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity",),
    "TAKE_PROFIT": ("quantity",),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price"),
}
FORBIDDEN = {
    "LIMIT": ("stopPrice", "trailingDelta", "quoteOrderQty"),
    "LIMIT_MAKER": ("stopPrice", "trailingDelta", "quoteOrderQty", "timeInForce"),
    "MARKET": ("stopPrice", "trailingDelta", "price", "timeInForce"),
    "STOP_LOSS": ("price", "timeInForce", "quoteOrderQty"),
    "TAKE_PROFIT": ("price", "timeInForce", "quoteOrderQty"),
    "STOP_LOSS_LIMIT": ("quoteOrderQty",),
    "TAKE_PROFIT_LIMIT": ("quoteOrderQty",),
}


@router.endpoint("GET", "/api/v3/account", weight=20, signed=True)
def spot_account(call: Call) -> Any:
    account, hide = call.account, call.params.flag("omitZeroBalances")
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": RATE, "taker": RATE, "buyer": money(ZERO), "seller": money(ZERO)},
        "canTrade": True,
        "canWithdraw": account.withdrawals,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.spot_updated or account.created,
        "accountType": "SPOT",
        "balances": list(_balances(call, account, hide)),
        "permissions": ["SPOT"],
        "uid": int(account.api_key.encode().hex()[:8], 16),
    }


def _balances(call: Call, account: Account, hide_zero: bool) -> list[dict[str, str]]:
    rows = []
    for asset in call.exchange.assets:
        free, locked = account.free.get(asset, ZERO), account.locked.get(asset, ZERO)
        if free or locked or not hide_zero:
            rows.append({"asset": asset, "free": money(free), "locked": money(locked)})
    return rows


@router.endpoint("GET", "/sapi/v1/account/apiRestrictions", signed=True)
def api_restrictions(call: Call) -> Any:
    account = call.account
    return {
        "ipRestrict": bool(account.ips),
        "createTime": account.created,
        "enableReading": True,
        "enableWithdrawals": account.withdrawals,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": account.futures_enabled,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }


@router.endpoint("GET", "/sapi/v1/accountSnapshot", weight=2400, signed=True, budget="snapshots")
def account_snapshot(call: Call) -> Any:
    """Return balances at the end of past days, oldest first. Thirty days are kept, and seven shown by default."""
    params, today = call.params, day_of(call.now)
    kind = params.text("type")
    limit = params.integer("limit", SHORTEST_SNAPSHOT_LIST)
    if kind not in ("SPOT", "FUTURES"):
        raise WireError(-1128)
    if not SHORTEST_SNAPSHOT_LIST <= limit <= LONGEST_SNAPSHOT_LIST:
        raise WireError(-1100, "Illegal characters found in parameter 'limit'; legal range is '7-30'.")
    last = min(day_of(params.integer("endTime", call.now)), today - 1)
    first = max(day_of(params.integer("startTime", (last - limit + 1) * DAY)), today - LONGEST_SNAPSHOT_LIST)
    show = _spot_snapshot if kind == "SPOT" else _futures_snapshot
    days = [day for day in range(first, last + 1) if f"{call.account.api_key}@{day}" in call.exchange.snapshots]
    return {"code": 200, "msg": "", "snapshotVos": [show(call, day) for day in days[-limit:]]}


def _spot_snapshot(call: Call, day: int) -> dict[str, Any]:
    balances = call.exchange.snapshots[f"{call.account.api_key}@{day}"].spot
    rows = [
        {"asset": asset, "free": money(amount), "locked": money(ZERO)} for asset, amount in balances.items() if amount
    ]
    worth = sum((amount * _in_btc(call, asset, day) for asset, amount in balances.items()), ZERO)
    data = {"balances": rows, "totalAssetOfBtc": money(worth)}
    return {"data": data, "type": "spot", "updateTime": (day + 1) * DAY - 1000}


def _in_btc(call: Call, asset: str, day: int) -> Decimal:
    """Return the value of an asset in BTC at a day's close, zero without a USDT market."""
    quotes, close = call.exchange.prices.quotes, call.exchange.prices.close
    if asset != "USDT" and f"{asset}/USDT" not in quotes:
        return ZERO
    return (Decimal(1) if asset == "USDT" else close(f"{asset}/USDT", day)) / close("BTC/USDT", day)


def _futures_snapshot(call: Call, day: int) -> dict[str, Any]:
    balances = call.exchange.snapshots[f"{call.account.api_key}@{day}"].futures
    rows = [
        {"asset": a, "marginBalance": money(amount), "walletBalance": money(amount)} for a, amount in balances.items()
    ]
    data = {"assets": rows, "position": []}
    return {"data": data, "type": "futures", "updateTime": (day + 1) * DAY - 1000}


def client_id(params: Params, name: str) -> str:
    """Return the caller's order id, or a new one. Raises -1100 for illegal characters."""
    given = params.text(name, "") or secrets.token_urlsafe(16).replace("-", "_")
    if not CLIENT_ID.fullmatch(given):
        legal = f"^{CLIENT_ID.pattern}$"
        raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return given


def side_of(params: Params) -> str:
    side = params.text("side")
    if side not in ("BUY", "SELL"):
        raise WireError(-1117)
    return side


def _symbol(call: Call) -> str:
    symbol = call.params.text("symbol")
    if symbol not in call.exchange.spot.markets:
        raise WireError(-1121)
    return symbol


def _new_order(call: Call) -> Order:
    """Read and check the parameters of a new order, type by type."""
    params, symbol, side = call.params, _symbol(call), side_of(call.params)
    kind = params.text("type")
    if kind not in REQUIRED:
        raise WireError(-1116)
    for name in REQUIRED[kind]:
        params.text(name)
    for name in FORBIDDEN[kind]:
        if name in params:
            raise WireError(-1106, f"Parameter '{name}' sent when not required.")
    if "icebergQty" in params or params.text("timeInForce", "GTC") not in ("GTC", "IOC", "FOK"):
        raise WireError(-1014 if "icebergQty" in params else -1115)
    last = call.exchange.prices.last(call.exchange.spot.markets[symbol])
    order = Order(
        id=call.exchange.spot.orders.next_id(),
        api_key=call.account.api_key,
        symbol=symbol,
        client_id=client_id(params, "newClientOrderId"),
        side=side,
        type=kind,
        time_in_force=params.text("timeInForce", "GTC"),
        quantity=ZERO,
        price=params.decimal("price", ZERO),
        stop_price=params.decimal("stopPrice", ZERO),
        trailing_delta=params.integer("trailingDelta", 0),
        quote_quantity=params.decimal("quoteOrderQty", ZERO),
        created=call.now,
        updated=call.now,
    )
    order.quantity = _quantity(call, order, last)
    order.condition = _condition(order, last)
    order.working = order.condition is None
    return order


def _quantity(call: Call, order: Order, last: Decimal) -> Decimal:
    """Return the base quantity. A market order may give the quote amount to spend or earn instead."""
    if ("quoteOrderQty" in call.params) == ("quantity" in call.params):
        raise WireError(-1102, EITHER_QUANTITY)
    if "quantity" in call.params:
        return call.params.decimal("quantity")
    step = call.exchange.spot.markets[order.symbol].step
    return order.quote_quantity / last // step * step


def _condition(order: Order, last: Decimal) -> Condition | None:
    """Return the condition of a stop or take-profit: stops lie behind the price, take-profits ahead of it."""
    if order.type in ("LIMIT", "LIMIT_MAKER", "MARKET"):
        return None
    if not order.stop_price and not order.trailing_delta:
        raise WireError(-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!")
    stops = order.type.startswith("STOP_LOSS")
    if not order.trailing_delta:
        return Condition(rises=stops == order.buys, price=order.stop_price)
    if not 10 <= order.trailing_delta <= 2000:
        raise WireError(-1013, "Filter failure: TRAILING_DELTA")
    sleeps = bool(order.stop_price)
    return Condition(
        rises=order.buys,
        distance=Decimal(order.trailing_delta) / 10_000,
        activation=order.stop_price,
        active=not sleeps,
        extreme=ZERO if sleeps else last,
    )


@router.endpoint("POST", "/api/v3/order", orders=1, signed=True)
def new_order(call: Call) -> Any:
    order = call.exchange.spot.place(call.account, _new_order(call), call.now)
    shape = call.params.text("newOrderRespType", "FULL" if order.type in FULL_BY_DEFAULT else "ACK")
    if shape == "FULL":
        return wire_full(order, _fills(call, order))
    return wire_result(order) if shape == "RESULT" else wire_ack(order)


def _fills(call: Call, order: Order) -> list[Trade]:
    trades = call.exchange.spot.trades.of(order.api_key, order.symbol)
    return [trade for trade in trades[-1:] if trade.order_id == order.id]


def named(params: Params, shelf: Shelf[Order], api_key: str, symbol: str, unknown: int) -> Order:
    """Return the order named by `orderId` or else `origClientOrderId`. Raises the given code if there is none."""
    if "orderId" in params:
        order = shelf.get(api_key, params.integer("orderId"))
    elif "origClientOrderId" in params:
        order = shelf.by_client_id(api_key, params.text("origClientOrderId"))
    else:
        raise WireError(-1102, EITHER_ID)
    if order is None or order.symbol != symbol:
        raise WireError(unknown)
    return order


def _named(call: Call, unknown: int) -> Order:
    return named(call.params, call.exchange.spot.orders, call.account.api_key, _symbol(call), unknown)


@router.endpoint("GET", "/api/v3/order", weight=4, signed=True)
def query_order(call: Call) -> Any:
    return wire_order(_named(call, -2013))


@router.endpoint("DELETE", "/api/v3/order", signed=True)
def cancel_order(call: Call) -> Any:
    return wire_canceled(call.exchange.spot.cancel(call.account, _named(call, -2011), call.now))


@router.endpoint("GET", "/api/v3/openOrders", weight=one_or_all(6, 80), signed=True)
def open_orders(call: Call) -> Any:
    symbol = _symbol(call) if "symbol" in call.params else None
    return [wire_order(order) for order in call.exchange.spot.orders.open_of(call.account.api_key, symbol)]


@router.endpoint("DELETE", "/api/v3/openOrders", signed=True)
def cancel_open_orders(call: Call) -> Any:
    orders = call.exchange.spot.orders.open_of(call.account.api_key, _symbol(call))
    if not orders:
        raise WireError(-2011)
    return [wire_canceled(call.exchange.spot.cancel(call.account, order, call.now)) for order in orders]


def within(params: Params, time: int) -> bool:
    """Return whether a time lies between `startTime` and `endTime`."""
    return params.integer("startTime", 0) <= time <= params.integer("endTime", 10**18)


def page(params: Params, rows: list[Any], default: int = 500) -> list[Any]:
    """Return at most `limit` rows: the first ones if a start is given, else the latest."""
    limit = min(params.integer("limit", default), LONGEST_LIST)
    from_start = any(name in params for name in ("startTime", "fromId", "orderId", "algoId"))
    return rows[:limit] if from_start else rows[max(len(rows) - limit, 0) :]


@router.endpoint("GET", "/api/v3/allOrders", weight=20, signed=True)
def all_orders(call: Call) -> Any:
    params, first = call.params, call.params.integer("orderId", 0)
    orders = call.exchange.spot.orders.of(call.account.api_key, _symbol(call))
    return page(params, [wire_order(o) for o in orders if o.id >= first and within(params, o.created)])


def _trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


@router.endpoint("GET", "/api/v3/myTrades", weight=_trades_weight, signed=True)
def my_trades(call: Call) -> Any:
    params, first = call.params, call.params.integer("fromId", 0)
    trades = call.exchange.spot.trades.of(call.account.api_key, _symbol(call))
    if "orderId" in params:
        trades = [trade for trade in trades if trade.order_id == params.integer("orderId")]
    return page(params, [wire_trade(t) for t in trades if t.id >= first and within(params, t.time)])
