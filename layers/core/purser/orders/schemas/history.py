"""The history of orders, placed by hand or for a strategy."""

from __future__ import annotations

from typing import Any

from purser.http.wire import Instant, Number, WireModel
from purser.orders.intents import HistoryEntry, StrategyTrade


class ManualTrade(WireModel):
    """An order placed by hand."""

    orderId: str
    price: Number | None
    amount: Number
    cost: Number
    stop: Number | None
    stopType: str | None
    takeProfit: list[Number]
    trailingTriggerPrice: Number | None
    callbackRate: Number | None
    riskProfilePercent: Number | None
    createdAt: Instant


class StrategyName(WireModel):
    """Which strategy."""

    name: str
    exchangeId: str
    symbol: str


class StrategyTrigger(WireModel):
    """What a strategy has said."""

    StrategyAutomated: StrategyName
    tradeSide: str


class StrategyTradeAnswer(ManualTrade):
    """An order placed for a strategy."""

    leverage: int
    StrategyAutomatedTrigger: StrategyTrigger


class ManualTradePage(WireModel):
    """Orders, newest first."""

    items: list[ManualTrade]
    nextToken: str | None


class StrategyTradePage(WireModel):
    """Orders, newest first."""

    items: list[StrategyTradeAnswer]
    nextToken: str | None


def manual_trade(entry: HistoryEntry) -> ManualTrade:
    """The answer for an order placed by hand."""
    return ManualTrade(**_traded(entry))


def strategy_trade(entry: HistoryEntry, strategy: StrategyTrade) -> StrategyTradeAnswer:
    """The answer for an order placed for a strategy."""
    name = StrategyName(name=strategy.name, exchangeId=strategy.exchange_id, symbol=strategy.symbol)
    trigger = StrategyTrigger(StrategyAutomated=name, tradeSide=strategy.trade_side)
    return StrategyTradeAnswer(**_traded(entry), leverage=strategy.leverage, StrategyAutomatedTrigger=trigger)


def _traded(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "orderId": entry.order_id,
        "price": entry.price,
        "amount": entry.amount,
        "cost": entry.cost,
        "stop": entry.stop,
        "stopType": entry.stop_type,
        "takeProfit": list(entry.take_profit),
        "trailingTriggerPrice": entry.trailing_trigger_price,
        "callbackRate": entry.callback_rate,
        "riskProfilePercent": entry.risk_profile_percent,
        "createdAt": entry.created_at,
    }
