"""The wire format of spot orders and trades."""

from __future__ import annotations

from typing import Any

from local.doubles.binance.model import Order, Trade
from local.doubles.binance.wire import money, told


def wire_order(order: Order) -> dict[str, Any]:
    """An order as queries and lists show it."""
    body: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": money(order.price),
        "origQty": money(order.quantity),
        "executedQty": money(order.executed),
        "cummulativeQuoteQty": money(order.quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": money(order.stop_price),
        "icebergQty": "0.00000000",
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": order.working,
        "workingTime": order.updated if order.working else -1,
        "origQuoteOrderQty": money(order.quote_quantity),
        "selfTradePreventionMode": "NONE",
    }
    return told(body | ({"trailingDelta": order.trailing_delta} if order.trailing_delta else {}), order.told)


def wire_ack(order: Order) -> dict[str, Any]:
    """The shortest answer to a new order."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated,
    }


def wire_result(order: Order) -> dict[str, Any]:
    """The answer to a new order without its fills."""
    shown = wire_order(order)
    left_out = ("time", "updateTime", "isWorking", "icebergQty") + (() if order.condition else ("stopPrice",))
    return {name: value for name, value in shown.items() if name not in left_out} | {"transactTime": order.updated}


def wire_full(order: Order, trades: list[Trade]) -> dict[str, Any]:
    """The answer to a new order with its fills."""
    fills = [
        {
            "price": money(trade.price),
            "qty": money(trade.quantity),
            "commission": money(trade.fee),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.id,
        }
        for trade in trades
    ]
    return wire_result(order) | {"fills": fills}


def wire_canceled(order: Order) -> dict[str, Any]:
    """The answer to a cancellation."""
    return wire_result(order) | {"origClientOrderId": order.client_id}


def wire_trade(trade: Trade) -> dict[str, Any]:
    """A trade of `myTrades`."""
    return {
        "symbol": trade.symbol,
        "id": trade.id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": money(trade.price),
        "qty": money(trade.quantity),
        "quoteQty": money(trade.quote),
        "commission": money(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.time,
        "isBuyer": trade.side == "BUY",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }
