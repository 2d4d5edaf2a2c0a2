"""Answers with the history of orders."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import Instant, Number, WireModel
from purser.orders.intents import HistoryEntry, StrategyTrade


class ManualTrade(WireModel):
    """An order placed by hand."""

    orderId: str = Field(validation_alias="order_id")
    price: Number | None
    amount: Number
    cost: Number
    stop: Number | None
    stopType: str | None = Field(validation_alias="stop_type")
    takeProfit: list[Number] = Field(validation_alias="take_profit")
    trailingTriggerPrice: Number | None = Field(validation_alias="trailing_trigger_price")
    callbackRate: Number | None = Field(validation_alias="callback_rate")
    riskProfilePercent: Number | None = Field(validation_alias="risk_profile_percent")
    createdAt: Instant = Field(validation_alias="created_at")


class StrategyName(WireModel):
    """A strategy."""

    name: str
    exchangeId: str = Field(validation_alias="exchange_id")
    symbol: str


class StrategyTrigger(WireModel):
    """The signal of a strategy."""

    StrategyAutomated: StrategyName
    tradeSide: str = Field(validation_alias="trade_side")


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


def strategy_trade(entry: HistoryEntry, strategy: StrategyTrade) -> StrategyTradeAnswer:
    """Return an order placed for a strategy on the wire."""
    trigger = StrategyTrigger(StrategyAutomated=StrategyName.model_validate(strategy), tradeSide=strategy.trade_side)
    trade = dict(ManualTrade.model_validate(entry))
    return StrategyTradeAnswer(**trade, leverage=strategy.leverage, StrategyAutomatedTrigger=trigger)
