"""Orders, trades and positions: ccxt's unified shapes, in the documented fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import Field

from purser.exchanges.orders import Position, Trade
from purser.http.wire import Instant, Number, WireModel

RATIO_DECIMALS = Decimal("0.0001")
PERCENT_DECIMALS = Decimal("0.01")


class OrderAnswer(WireModel):
    """An order: the union of what the examples show, null where it is unknown (contract.md)."""

    id: str
    clientOrderId: str = Field(validation_alias="client_id")
    timestamp: int
    datetime: Instant = Field(validation_alias="timestamp")
    symbol: str
    type: str
    timeInForce: str | None = Field(validation_alias="time_in_force")
    postOnly: bool = Field(validation_alias="post_only")
    reduceOnly: bool = Field(validation_alias="reduce_only")
    side: str
    price: Number | None
    stopPrice: Number | None = Field(validation_alias="stop_price")
    amount: Number | None
    cost: Number
    average: Number | None
    filled: Number
    remaining: Number | None
    status: str | None
    fee: None = None
    trades: list[Any] = Field(default_factory=list, max_length=0)
    fees: list[Any] = Field(default_factory=list, max_length=0)


class OrderSet(WireModel):
    """All orders of a manual order, as stored under its Idempotency-Key."""

    orders: list[OrderAnswer]


class FeeAnswer(WireModel):
    """The fee of a trade."""

    currency: str
    cost: Number


class TradeAnswer(WireModel):
    """One execution."""

    id: str
    order: str
    symbol: str
    type: None = None
    datetime: Instant
    side: str
    takerOrMaker: str
    price: Number
    amount: Number
    cost: Number
    fee: FeeAnswer
    fees: list[FeeAnswer]


def trade_answer(trade: Trade) -> TradeAnswer:
    """Return a trade on the wire."""
    fee = FeeAnswer(cost=trade.fee.cost, currency=trade.fee.currency)
    return TradeAnswer(
        id=trade.id,
        order=trade.order_id,
        symbol=trade.symbol,
        datetime=trade.timestamp,
        side=trade.side,
        takerOrMaker="maker" if trade.is_maker else "taker",
        price=trade.price,
        amount=trade.amount,
        cost=trade.cost,
        fee=fee,
        fees=[fee],
    )


class PositionAnswer(WireModel):
    """A futures position. ``percentage`` is the return on its initial margin; the other ratios are fractions."""

    symbol: str
    contracts: Number
    contractSize: int
    unrealizedPnl: Number
    leverage: int | None
    liquidationPrice: Number | None
    collateral: Number
    notional: Number
    markPrice: Number
    entryPrice: Number
    initialMargin: Number
    initialMarginPercentage: Number | None
    maintenanceMargin: Number
    maintenanceMarginPercentage: Number | None
    marginRatio: Number | None
    datetime: Instant
    marginMode: str
    marginType: str
    side: str
    hedged: bool
    percentage: Number | None


def position_answer(position: Position) -> PositionAnswer:
    """Return a position on the wire."""
    return PositionAnswer(
        symbol=position.symbol,
        contracts=position.contracts,
        contractSize=1,
        unrealizedPnl=position.unrealized_pnl,
        leverage=position.leverage,
        liquidationPrice=position.liquidation_price,
        collateral=position.collateral,
        notional=position.notional,
        markPrice=position.mark_price,
        entryPrice=position.entry_price,
        initialMargin=position.initial_margin,
        initialMarginPercentage=_ratio(position.initial_margin, position.notional),
        maintenanceMargin=position.maintenance_margin,
        maintenanceMarginPercentage=_ratio(position.maintenance_margin, position.notional),
        marginRatio=_ratio(position.maintenance_margin, position.collateral),
        datetime=position.timestamp,
        marginMode=position.margin_mode,
        marginType=position.margin_mode,
        side=position.side,
        hedged=position.is_hedged,
        percentage=_percent(position.unrealized_pnl, position.initial_margin),
    )


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(RATIO_DECIMALS) if whole else None


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole * 100).quantize(PERCENT_DECIMALS) if whole else None
