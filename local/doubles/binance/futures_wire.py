"""The wire format of futures accounts, positions, orders and trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from local.doubles.binance.margin import Exposure, Funds, liquidation_price
from local.doubles.binance.markets import Market
from local.doubles.binance.model import Algo, Order, Trade
from local.doubles.binance.wire import ZERO, money, plain, told


def _settings(order: Order | Algo) -> dict[str, Any]:
    return {
        "timeInForce": order.time_in_force,
        "reduceOnly": order.reduce_only or order.close_position,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
    }


def wire_order(order: Order, market: Market) -> dict[str, Any]:
    """An order as queries and lists show it."""
    return told(wire_new_order(order, market) | {"time": order.created}, order.told)


def wire_new_order(order: Order, market: Market) -> dict[str, Any]:
    """The answer to a new order or a cancellation."""
    executed = money(order.executed, market.quantity_places)
    return {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": money(order.price, market.price_places),
        "avgPrice": money(order.average, max(market.price_places, 5)),
        "origQty": money(order.quantity, market.quantity_places),
        "executedQty": executed,
        "cumQty": executed,
        "cumQuote": plain(order.quote),
        "type": order.type,
        "stopPrice": money(order.stop_price, market.price_places),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.original_type or order.type,
        "updateTime": order.updated,
        **_settings(order),
    }


def wire_algo(algo: Algo, market: Market) -> dict[str, Any]:
    """A conditional order as queries and lists show it."""
    row = wire_new_algo(algo, market) | {
        "actualOrderId": str(algo.order_id) if algo.order_id else "",
        "actualPrice": money(algo.order_price, 5),
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
    }
    return told(row, algo.told)


def wire_new_algo(algo: Algo, market: Market) -> dict[str, Any]:
    """The answer to a new conditional order."""
    body = {
        "algoId": algo.id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "quantity": money(algo.quantity, market.quantity_places),
        "algoStatus": algo.status,
        "triggerPrice": money(algo.condition.price, market.price_places),
        "price": money(algo.price, market.price_places),
        "icebergQuantity": None,
        "workingType": algo.working_type,
        "priceProtect": algo.price_protect,
        "createTime": algo.created,
        "updateTime": algo.updated,
        "triggerTime": algo.triggered,
        **_settings(algo),
    }
    if algo.callback_rate:
        body |= {
            "callbackRate": algo.callback_rate,
            "activatePrice": money(algo.condition.activation, market.price_places),
        }
    return body


def wire_trade(trade: Trade, market: Market) -> dict[str, Any]:
    """A trade of `userTrades`."""
    return {
        "symbol": trade.symbol,
        "id": trade.id,
        "orderId": trade.order_id,
        "side": trade.side,
        "price": money(trade.price, market.price_places),
        "qty": money(trade.quantity, market.quantity_places),
        "realizedPnl": money(trade.realized),
        "quoteQty": plain(trade.quote),
        "commission": money(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.time,
        "positionSide": "BOTH",
        "buyer": trade.side == "BUY",
        "maker": trade.maker,
        "marginAsset": market.quote,
    }


def _entry(price: Decimal) -> str:
    return plain(round(price, 11)) if price else "0.0"


def break_even(item: Exposure) -> Decimal:
    """The price at which closing pays for the fees so far."""
    position = item.position
    return position.entry + position.costs / position.quantity if position.quantity else ZERO


def wire_position(item: Exposure, funds: Funds) -> dict[str, Any]:
    """A row of `/fapi/v3/positionRisk`."""
    return _position_base(item, funds) | {
        "marginAsset": item.market.quote,
        "initialMargin": money(item.initial_margin),
        "maintMargin": money(item.maintenance),
        "positionInitialMargin": money(item.position_margin),
        "openOrderInitialMargin": money(item.order_margin),
        "adl": 2 if item.position.quantity else 0,
        "bidNotional": money(item.bids),
        "askNotional": money(item.asks),
    }


def wire_position_v2(item: Exposure, funds: Funds, most: Decimal) -> dict[str, Any]:
    """A row of `/fapi/v2/positionRisk`, with leverage and margin type."""
    return _position_base(item, funds) | {
        "leverage": str(item.leverage),
        "maxNotionalValue": plain(most),
        "marginType": "isolated" if item.isolated else "cross",
        "isolated": item.isolated,
        "isAutoAddMargin": "false",
        "adlQuantile": 2 if item.position.quantity else 0,
    }


def _position_base(item: Exposure, funds: Funds) -> dict[str, Any]:
    position, market = item.position, item.market
    isolated_margin = position.isolated_wallet + item.profit if item.isolated and position.quantity else ZERO
    return {
        "symbol": market.symbol,
        "positionSide": position.side,
        "positionAmt": money(position.quantity, market.quantity_places),
        "entryPrice": _entry(position.entry),
        "breakEvenPrice": _entry(break_even(item)),
        "markPrice": money(item.mark),
        "unRealizedProfit": money(item.profit),
        "liquidationPrice": money(liquidation_price(item, funds)) if position.quantity else "0",
        "isolatedMargin": money(isolated_margin) if isolated_margin else "0",
        "isolatedWallet": money(position.isolated_wallet) if item.isolated else "0",
        "notional": money(item.notional) if position.quantity else "0",
        "updateTime": position.updated,
    }


def wire_account_position(item: Exposure) -> dict[str, Any]:
    """A row of `positions` in `/fapi/v3/account`."""
    position = item.position
    isolated = item.isolated and position.quantity
    return {
        "symbol": item.market.symbol,
        "positionSide": position.side,
        "positionAmt": money(position.quantity, item.market.quantity_places),
        "unrealizedProfit": money(item.profit),
        "isolatedMargin": money(position.isolated_wallet + item.profit) if isolated else "0",
        "notional": money(item.notional) if position.quantity else "0",
        "isolatedWallet": money(position.isolated_wallet) if isolated else "0",
        "initialMargin": money(item.initial_margin) if item.initial_margin else "0",
        "maintMargin": money(item.maintenance) if item.maintenance else "0",
        "updateTime": position.updated,
    }


def wire_account_position_v2(item: Exposure, most: Decimal) -> dict[str, Any]:
    """A row of `positions` in `/fapi/v2/account`."""
    return wire_account_position(item) | {
        "positionInitialMargin": money(item.position_margin) if item.position_margin else "0",
        "openOrderInitialMargin": money(item.order_margin) if item.order_margin else "0",
        "leverage": str(item.leverage),
        "isolated": item.isolated,
        "entryPrice": _entry(item.position.entry),
        "breakEvenPrice": _entry(break_even(item)),
        "maxNotional": plain(most),
        "bidNotional": money(item.bids) if item.bids else "0",
        "askNotional": money(item.asks) if item.asks else "0",
    }


def wire_asset(asset: str, funds: Funds, updated: int) -> dict[str, Any]:
    """A row of `assets` in the futures account."""
    return {
        "asset": asset,
        "walletBalance": money(funds.wallet),
        "unrealizedProfit": money(funds.profit),
        "marginBalance": money(funds.wallet + funds.profit),
        "maintMargin": money(funds.maintenance),
        "initialMargin": money(funds.position_margin + funds.order_margin),
        "positionInitialMargin": money(funds.position_margin),
        "openOrderInitialMargin": money(funds.order_margin),
        "crossWalletBalance": money(funds.cross_wallet),
        "crossUnPnl": money(funds.cross_profit),
        "availableBalance": money(funds.available),
        "maxWithdrawAmount": money(max(min(funds.available, funds.cross_wallet), ZERO)),
        "marginAvailable": True,
        "updateTime": updated,
    }
