"""The signed futures endpoints for orders: plain ones, batches, conditional ones, and trades."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from local.doubles.binance.futures_routes import market_of
from local.doubles.binance.futures_wire import wire_algo, wire_new_algo, wire_new_order, wire_order, wire_trade
from local.doubles.binance.market_info import CONDITIONAL_TYPES
from local.doubles.binance.markets import Market
from local.doubles.binance.model import BOTH, Algo, Condition, Order
from local.doubles.binance.routing import Call, Router, one_or_all
from local.doubles.binance.spot_routes import client_id, named, page, side_of
from local.doubles.binance.wire import ZERO, Params, WireError

router = Router()

LARGEST_BATCH = 5
CANCELED_ALL = {"code": 200, "msg": "The operation of cancel all open order is done."}
LOWEST_CALLBACK, HIGHEST_CALLBACK = Decimal("0.1"), Decimal(10)


def _check_common(params: Params) -> None:
    """Refuse what this exchange would silently ignore."""
    if params.text("priceMatch", "NONE") != "NONE" or "goodTillDate" in params:
        raise WireError(-1014)
    if params.text("workingType", "CONTRACT_PRICE") not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise WireError(-1130, "Data sent for parameter 'workingType' is not valid.")


def _position_side(call: Call) -> str:
    """Read the position side, which must be of the account's mode.

    In hedge mode it is mandatory, and the side alone says whether an order opens or closes, so that `reduceOnly` is
    refused ("New Order" in the documentation). The refusal of an order without one is that of ccxt#7040 and ccxt#12442.
    """
    side = call.params.text("positionSide", BOTH)
    if side not in (("LONG", "SHORT") if call.account.hedged else (BOTH,)):
        raise WireError(-4061)
    if call.account.hedged and "reduceOnly" in call.params:
        raise WireError(-1106, "Parameter 'reduceonly' sent when not required.")
    return side


def _closes(position_side: str, side: str) -> bool:
    """Return whether an order of an account in hedge mode can only close."""
    return (position_side, side) in (("LONG", "SELL"), ("SHORT", "BUY"))


def _time_in_force(params: Params, legal: tuple[str, ...], default: str | None = "GTC") -> str:
    value = params.text("timeInForce", default)
    if value not in legal:
        raise WireError(-1115)
    return value


def _new_order(call: Call) -> Order:
    """Read the parameters of a new plain order. Conditional types belong to the algo service (-4120)."""
    params, market = call.params, market_of(call)
    _check_common(params)
    side, kind = side_of(params), params.text("type")
    if kind in CONDITIONAL_TYPES:
        raise WireError(-4120)
    if kind not in ("LIMIT", "MARKET"):
        raise WireError(-1116)
    limit = kind == "LIMIT"
    position_side = _position_side(call)
    for name in ("stopPrice", "activationPrice", "callbackRate", *(() if limit else ("price", "timeInForce"))):
        if name in params:
            raise WireError(-1106, f"Parameter '{name}' sent when not required.")
    return Order(
        id=call.exchange.futures.orders.next_id(),
        api_key=call.account.api_key,
        symbol=market.symbol,
        client_id=client_id(params, "newClientOrderId"),
        side=side,
        type=kind,
        time_in_force=_time_in_force(params, ("GTC", "IOC", "FOK", "GTX"), None) if limit else "GTC",
        quantity=params.decimal("quantity"),
        price=params.decimal("price") if limit else ZERO,
        created=call.now,
        updated=call.now,
        reduce_only=params.flag("reduceOnly") or _closes(position_side, side),
        position_side=position_side,
    )


@router.endpoint("POST", "/fapi/v1/order", weight=0, orders=1, signed=True)
def new_order(call: Call) -> dict[str, Any]:
    order = call.exchange.futures.place(call.account, _new_order(call), call.now)
    return wire_new_order(order, call.exchange.futures.markets[order.symbol])


def _batch_size(params: Params) -> int:
    return len(_batch(params))


@router.endpoint("POST", "/fapi/v1/batchOrders", weight=5, orders=_batch_size, signed=True)
def new_orders(call: Call) -> Any:
    """Place each order independently. Return an order or an error for each, in the order sent."""
    batch = _batch(call.params)
    return [_one_of_batch(call, {name: _text(value) for name, value in fields.items()}) for fields in batch]


def _batch(params: Params) -> list[dict[str, Any]]:
    try:
        batch = json.loads(params.text("batchOrders"), parse_float=Decimal)
    except ValueError:
        batch = None
    if not isinstance(batch, list) or not all(isinstance(item, dict) for item in batch):
        raise WireError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    if not 1 <= len(batch) <= LARGEST_BATCH:
        raise WireError(-4082, f"Invalid number of batch place orders. The number must be at most {LARGEST_BATCH}.")
    return batch


def _text(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value).lower() if isinstance(value, bool) else str(value)


def _one_of_batch(call: Call, fields: dict[str, str]) -> dict[str, Any]:
    try:
        return new_order(Call(call.exchange, Params(fields), call.now, call.account))
    except WireError as error:
        return error.body()


def _named(call: Call, unknown: int) -> Order:
    shelf, symbol = call.exchange.futures.orders, market_of(call).symbol
    return named(call.params, shelf, call.account.api_key, symbol, unknown)


DAY = 86_400_000
UNFILLED_SHOWN, SHOWN = 3 * DAY, 90 * DAY
"""The time from its creation for which look-ups and histories show an order that ended without a fill, or any order.

Lists of open orders show all of them.
Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Order and
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Algo-Order.
"""


def _is_shown(order: Order | Algo, now: int) -> bool:
    """Return whether look-ups and histories still show an order."""
    filled = isinstance(order, Order) and order.executed
    unfilled = order.status in ("CANCELED", "EXPIRED") and not filled
    return now <= order.created + (UNFILLED_SHOWN if unfilled else SHOWN)


@router.endpoint("GET", "/fapi/v1/order", signed=True)
def query_order(call: Call) -> Any:
    order = _named(call, -2013)
    if not _is_shown(order, call.now):
        raise WireError(-2013)
    return wire_order(order, market_of(call))


@router.endpoint("GET", "/fapi/v1/openOrder", signed=True)
def query_open_order(call: Call) -> Any:
    order = _named(call, -2013)
    if not order.open:
        raise WireError(-2013)
    return wire_order(order, market_of(call))


@router.endpoint("DELETE", "/fapi/v1/order", signed=True)
def cancel_order(call: Call) -> dict[str, Any]:
    return wire_new_order(call.exchange.futures.cancel(call.account, _named(call, -2011), call.now), market_of(call))


@router.endpoint("DELETE", "/fapi/v1/batchOrders", signed=True)
def cancel_orders(call: Call) -> Any:
    """Cancel each order independently. Return an order or an error for each, in the order sent."""
    lists = {name.lower(): value for name, value in call.params.values.items()}
    symbol = market_of(call).symbol
    for listed, name in (("orderidlist", "orderId"), ("origclientorderidlist", "origClientOrderId")):
        if listed in lists:
            return [_one_canceled(call, {"symbol": symbol, name: str(item)}) for item in _list(lists[listed], listed)]
    raise WireError(-1102, "Param 'origClientOrderIdList' or 'orderIdList' must be sent, but both were empty/null!")


def _list(text: str, name: str) -> list[Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or not 1 <= len(values) <= 10:
        raise WireError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return values


def _one_canceled(call: Call, fields: dict[str, str]) -> dict[str, Any]:
    try:
        return cancel_order(Call(call.exchange, Params(fields), call.now, call.account))
    except WireError as error:
        return error.body()


@router.endpoint("DELETE", "/fapi/v1/allOpenOrders", signed=True)
def cancel_open_orders(call: Call) -> Any:
    for order in call.exchange.futures.orders.open_of(call.account.api_key, market_of(call).symbol):
        call.exchange.futures.cancel(call.account, order, call.now)
    return CANCELED_ALL


def _maybe_symbol(call: Call) -> str | None:
    return market_of(call).symbol if "symbol" in call.params else None


@router.endpoint("GET", "/fapi/v1/openOrders", weight=one_or_all(1, 40), signed=True)
def open_orders(call: Call) -> Any:
    desk = call.exchange.futures
    orders = desk.orders.open_of(call.account.api_key, _maybe_symbol(call))
    return [wire_order(order, desk.markets[order.symbol]) for order in orders]


WEEK = 7 * DAY
HALF_YEAR = 182 * DAY


def _span(call: Call) -> tuple[int, int]:
    """Return the time that a history covers: the last week, or the requested time. Raise -1127 if it is longer.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Account-Trade-List
    """
    params, now = call.params, call.now
    if any(name in params for name in ("orderId", "algoId", "fromId")):
        return now - HALF_YEAR, now
    start = params.integer("startTime", params.integer("endTime", now) - WEEK)
    end = params.integer("endTime", start + WEEK)
    if end - start > WEEK:
        raise WireError(-1127, "More than 168 hours between startTime and endTime.")
    return max(start, now - HALF_YEAR), end


@router.endpoint("GET", "/fapi/v1/allOrders", weight=5, signed=True)
def all_orders(call: Call) -> Any:
    params, market = call.params, market_of(call)
    orders = call.exchange.futures.orders.of(call.account.api_key, market.symbol)
    first, (start, end) = params.integer("orderId", 0), _span(call)
    found = [o for o in orders if o.id >= first and start <= o.created <= end and _is_shown(o, call.now)]
    return page(params, [wire_order(order, market) for order in found])


@router.endpoint("GET", "/fapi/v1/userTrades", weight=5, signed=True)
def user_trades(call: Call) -> Any:
    params, market, first = call.params, market_of(call), call.params.integer("fromId", 0)
    start, end = _span(call)
    trades = call.exchange.futures.trades.of(call.account.api_key, market.symbol)
    if "orderId" in params:
        trades = [trade for trade in trades if trade.order_id == params.integer("orderId")]
    return page(params, [wire_trade(t, market) for t in trades if t.id >= first and start <= t.time <= end])


def _new_algo(call: Call) -> Algo:
    """Read the parameters of a new conditional order, type by type."""
    params, market = call.params, market_of(call)
    _check_common(params)
    if params.text("algoType") != "CONDITIONAL":
        raise WireError(-1130, "Data sent for parameter 'algoType' is not valid.")
    side, kind, closes = side_of(params), params.text("type"), params.flag("closePosition")
    if kind not in CONDITIONAL_TYPES:
        raise WireError(-1116)
    if closes:
        _check_closing(params, kind)
    position_side = _position_side(call)
    trailing = kind == "TRAILING_STOP_MARKET"
    return Algo(
        id=call.exchange.futures.algos.shelf.next_id(),
        api_key=call.account.api_key,
        symbol=market.symbol,
        client_id=client_id(params, "clientAlgoId"),
        side=side,
        type=kind,
        time_in_force=_time_in_force(params, ("GTC", "IOC", "FOK", "GTX", "GTE_GTC")),
        quantity=ZERO if closes else params.decimal("quantity"),
        price=params.decimal("price") if kind in ("STOP", "TAKE_PROFIT") else ZERO,
        condition=_trailing(call, market, side) if trailing else _trigger(params, side, kind),
        working_type=params.text("workingType", "CONTRACT_PRICE"),
        price_protect=params.flag("priceProtect"),
        reduce_only=params.flag("reduceOnly") or _closes(position_side, side),
        close_position=closes,
        position_side=position_side,
        callback_rate=params.text("callbackRate") if trailing else "",
        created=call.now,
        updated=call.now,
    )


def _check_closing(params: Params, kind: str) -> None:
    """Check `closePosition`, which takes the whole position: no quantity, no reduce-only, no price."""
    if kind == "TRAILING_STOP_MARKET":
        raise WireError(-4136)
    if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        raise WireError(-1106, "Parameter 'closePosition' sent when not required.")
    if "quantity" in params:
        raise WireError(-4137)
    if params.flag("reduceOnly"):
        raise WireError(-1106, "Parameter 'reduceonly' sent when not required.")


def _trigger(params: Params, side: str, kind: str) -> Condition:
    """Check that stops lie behind the price, and take-profits ahead of it."""
    return Condition(rises=kind.startswith("STOP") == (side == "BUY"), price=params.decimal("triggerPrice"))


def _trailing(call: Call, market: Market, side: str) -> Condition:
    rate = call.params.decimal("callbackRate")
    if not LOWEST_CALLBACK <= rate <= HIGHEST_CALLBACK:
        raise WireError(-2007)
    activation = call.params.decimal("activatePrice", ZERO)
    start = ZERO if activation else call.exchange.prices.last(market)
    return Condition(side == "BUY", distance=rate / 100, activation=activation, active=not activation, extreme=start)


@router.endpoint("POST", "/fapi/v1/algoOrder", weight=0, orders=1, signed=True)
def new_algo(call: Call) -> Any:
    algo = call.exchange.futures.algos.place(call.account, _new_algo(call), call.now)
    return wire_new_algo(algo, call.exchange.futures.markets[algo.symbol])


def _named_algo(call: Call, unknown: int) -> Algo:
    params, shelf, key = call.params, call.exchange.futures.algos.shelf, call.account.api_key
    if "algoId" not in params and "clientAlgoId" not in params:
        raise WireError(-1102, "Param 'clientAlgoId' or 'algoId' must be sent, but both were empty/null!")
    by_id = "algoId" in params
    algo = shelf.get(key, params.integer("algoId")) if by_id else shelf.by_client_id(key, params.text("clientAlgoId"))
    if algo is None:
        raise WireError(unknown)
    return algo


@router.endpoint("GET", "/fapi/v1/algoOrder", signed=True)
def query_algo(call: Call) -> Any:
    algo = _named_algo(call, -2013)
    if not _is_shown(algo, call.now):
        raise WireError(-2013)
    return wire_algo(algo, call.exchange.futures.markets[algo.symbol])


@router.endpoint("DELETE", "/fapi/v1/algoOrder", signed=True)
def cancel_algo(call: Call) -> Any:
    algo = call.exchange.futures.algos.cancel(_named_algo(call, -2011), call.now)
    return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


@router.endpoint("DELETE", "/fapi/v1/algoOpenOrders", signed=True)
def cancel_open_algos(call: Call) -> Any:
    algos = call.exchange.futures.algos
    for algo in algos.shelf.open_of(call.account.api_key, market_of(call).symbol):
        if algo.waits:
            algos.cancel(algo, call.now)
    return CANCELED_ALL


@router.endpoint("GET", "/fapi/v1/openAlgoOrders", weight=one_or_all(1, 40), signed=True)
def open_algos(call: Call) -> Any:
    desk = call.exchange.futures
    algos = desk.algos.shelf.open_of(call.account.api_key, _maybe_symbol(call))
    return [wire_algo(algo, desk.markets[algo.symbol]) for algo in algos]


@router.endpoint("GET", "/fapi/v1/allAlgoOrders", weight=5, signed=True)
def all_algos(call: Call) -> Any:
    params, market = call.params, market_of(call)
    algos = call.exchange.futures.algos.shelf.of(call.account.api_key, market.symbol)
    first, (start, end) = params.integer("algoId", 0), _span(call)
    found = [a for a in algos if a.id >= first and start <= a.created <= end and _is_shown(a, call.now)]
    return page(params, [wire_algo(algo, market) for algo in found])
