"""Read Binance's JSON of orders, trades, positions and contracts. Its amounts are texts, and are read exactly."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from purser.exchanges.oddities import count_odd
from purser.exchanges.orders import (
    MOST_CONDITIONAL,
    Capacity,
    Contract,
    Fee,
    Funding,
    LeverageBracket,
    Margin,
    Order,
    OrderStatus,
    Position,
    PositionReading,
    Trade,
)
from purser.exchanges.wire import amount_of, each_row, finite, rows, total_of_all_assets

STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "ACCEPTED": OrderStatus.OPEN,
    "TRIGGERING": OrderStatus.OPEN,
    "TRIGGERED": OrderStatus.OPEN,
    "FILLED": OrderStatus.CLOSED,
    "FINISHED": OrderStatus.CLOSED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
"""Those of orders, and of conditional ones (``algoStatus``).

A conditional order that is triggered goes to the matching engine. TRIGGERING and TRIGGERED say nothing of what became
of it there; its order does. FINISHED does not say either whether that was filled or cancelled.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Algo-Order-Update.
"""

BEING_TRIGGERED = ("TRIGGERING", "TRIGGERED")
AVERAGE_DECIMALS = Decimal("1E-8")


def _status(status: str) -> OrderStatus | None:
    """Return the status of an order, or None for one that is not documented."""
    known = STATUSES.get(status)
    if known is None:
        count_odd("ExchangeValuesUnknown", f"status {status}")
    return known


def parse_order(symbol: str, row: Any) -> Order:
    """Read a plain order of either market."""
    kind = row["type"].lower()
    amount = amount_of(row["origQty"]) or None
    filled = amount_of(row["executedQty"])
    cost = amount_of(row["cumQuote"] if "cumQuote" in row else row["cummulativeQuoteQty"])
    average = _average(row, cost, filled)
    return Order(
        id=str(row["orderId"]),
        client_id=row["clientOrderId"],
        symbol=symbol,
        timestamp=int(row.get("time") or row.get("updateTime") or row["transactTime"]),
        type="limit" if kind == "limit_maker" else kind,
        time_in_force=row["timeInForce"],
        post_only=kind == "limit_maker" or row["timeInForce"] == "GTX",
        reduce_only=bool(row.get("reduceOnly", False)),
        side=row["side"].lower(),
        price=amount_of(row["price"]) or average,
        stop_price=amount_of(row.get("stopPrice", "0")) or None,
        amount=amount,
        cost=cost,
        average=average,
        filled=filled,
        remaining=None if amount is None else amount - filled,
        status=_status(row["status"]),
        updated_at=int(updated) if (updated := row.get("updateTime")) else None,
    )


def _average(row: Any, cost: Decimal, filled: Decimal) -> Decimal | None:
    if "avgPrice" in row:
        return amount_of(row["avgPrice"]) or None
    return (cost / filled).quantize(AVERAGE_DECIMALS) if filled else None


def parse_conditional(symbol: str, row: Any) -> Order:
    """Read a conditional futures order. The execution of a triggered one is in the order that it became."""
    amount = amount_of(row["quantity"]) or None
    trigger = row.get("activatePrice") or row.get("triggerPrice") or "0"
    return Order(
        id=str(row["algoId"]),
        client_id=row["clientAlgoId"],
        symbol=symbol,
        timestamp=int(row["createTime"]),
        type=row["orderType"].lower(),
        time_in_force=row["timeInForce"],
        post_only=row["timeInForce"] == "GTX",
        reduce_only=bool(row["reduceOnly"]) or bool(row["closePosition"]),
        side=row["side"].lower(),
        price=amount_of(row.get("price") or "0") or None,
        stop_price=amount_of(trigger) or None,
        amount=amount,
        cost=Decimal(0),
        average=None,
        filled=Decimal(0),
        remaining=amount,
        status=_status(row["algoStatus"]),
        triggering_since=_triggering_since(row),
    )


def _triggering_since(row: Any) -> int | None:
    """Return since when an order has been on its way to the matching engine, or None if it is not."""
    if row["algoStatus"] not in BEING_TRIGGERED or became(row):
        return None
    return int(row.get("triggerTime") or row.get("updateTime") or row["createTime"])


def became(row: Any) -> str | None:
    """Return the id of the order that a triggered conditional order became, or None."""
    return row.get("actualOrderId") or None


def with_execution(conditional: Order, executed: Order) -> Order:
    """Return a conditional order with the execution of the order that it became."""
    return replace(
        conditional,
        price=conditional.price or executed.price,
        amount=executed.amount,
        cost=executed.cost,
        average=executed.average,
        filled=executed.filled,
        remaining=executed.remaining,
        status=executed.status,
        became=executed.id,
        triggering_since=None,
        updated_at=executed.updated_at,
    )


def parse_trade(symbol: str, row: Any) -> Trade:
    """Read a trade of either market."""
    price, amount = amount_of(row["price"]), amount_of(row["qty"])
    buys = row["isBuyer"] if "isBuyer" in row else row["side"] == "BUY"
    return Trade(
        id=str(row["id"]),
        order_id=str(row["orderId"]),
        symbol=symbol,
        timestamp=int(row["time"]),
        side="buy" if buys else "sell",
        is_maker=bool(row["isMaker"] if "isMaker" in row else row["maker"]),
        price=price,
        amount=amount,
        cost=amount_of(row["quoteQty"]) if "quoteQty" in row else price * amount,
        fee=Fee(amount_of(row["commission"]), row["commissionAsset"]),
    )


def parse_funding(row: Any) -> Funding:
    """Read one row of ``fundingRate``."""
    return Funding(int(row["fundingTime"]), amount_of(row["fundingRate"]), amount_of(row["markPrice"]))


def _open_position(answer: Any) -> Any:
    """Return the row of ``positionRisk`` with an open position, or None."""
    return next((row for row in rows(answer) if amount_of(row["positionAmt"])), None)


def parse_position_reading(answer: Any) -> PositionReading:
    """Read the amount of the position and its last change from ``positionRisk``."""
    row = _open_position(answer)
    if row is None:
        return PositionReading(Decimal(0), changed_at=0)
    return PositionReading(amount_of(row["positionAmt"]), int(row["updateTime"]))


def is_hedged(answer: Any) -> bool:
    """Return whether rows of ``positionRisk`` are of an account in hedge mode."""
    return any(row["positionSide"] != "BOTH" for row in rows(answer))


def parse_capacity(answer: Any) -> Capacity:
    """Read the capacity of a contract from its row of the earlier ``positionRisk``, without the available margin."""
    row = rows(answer)[0]
    return Capacity(
        position=amount_of(row["positionAmt"]),
        leverage=int(row["leverage"]),
        max_notional=amount_of(row["maxNotionalValue"]),
        available=Decimal(0),
    )


def parse_available(contract: Contract, capacity: Capacity, answer: Any) -> Decimal:
    """Read from an account what is available in a contract's quote asset once its position there is closed.

    With multi-assets margin, the row of each asset and the total say what is available of all. Without, the total is
    that of USDT.
    """
    quote = contract.symbol.partition("/")[2]
    total = answer["availableBalance"] if quote == "USDT" else "0"
    available = next((row["availableBalance"] for row in rows(answer["assets"]) if row["asset"] == quote), total)
    bound = (_margin(row, capacity.leverage) for row in rows(answer["positions"]) if row["symbol"] == contract.id)
    return amount_of(available) + sum(bound, Decimal(0))


def _margin(row: Any, leverage: int) -> Decimal:
    """Return the margin that a position and the open orders of its contract bind."""
    isolated = amount_of(row["isolatedMargin"])
    bound = amount_of(row["initialMargin"])
    # An isolated position has a margin of its own in the place of its initial margin.
    return isolated + bound - abs(amount_of(row["notional"])) / leverage if isolated else bound


def parse_margin(contract: Contract, answer: Any) -> tuple[bool, Margin]:
    """Read an account's margin for a contract, and whether it is in hedge mode, as far as its positions show that."""
    quote = contract.symbol.partition("/")[2]
    row = next((row for row in rows(answer["assets"]) if row["asset"] == quote), None)
    positions = [row for row in rows(answer["positions"]) if amount_of(row["positionAmt"])]
    margin = Margin(
        equity=amount_of(row["marginBalance"]) if row else Decimal(0),
        available=amount_of(row["availableBalance"]) if row else Decimal(0),
        position=sum((amount_of(p["positionAmt"]) for p in positions if p["symbol"] == contract.id), Decimal(0)),
        shares_assets=total_of_all_assets(answer, "MarginBalance") is not None,
    )
    return is_hedged(positions), margin


def parse_brackets(answer: Any) -> list[LeverageBracket]:
    """Read the brackets of one contract. The venue writes them as JSON numbers, which Purser reads exactly."""
    (contract,) = (row for row in rows(answer))
    return sorted(map(_bracket, rows(contract["brackets"])), key=lambda bracket: bracket.max_notional)


def _bracket(row: Any) -> LeverageBracket:
    return LeverageBracket(
        max_notional=finite(Decimal(str(row["notionalCap"]))),
        max_leverage=int(row["initialLeverage"]),
        maintenance_rate=finite(Decimal(str(row["maintMarginRatio"]))),
        maintenance_amount=finite(Decimal(str(row["cum"]))),
    )


def parse_positions(answer: Any) -> list[Position]:
    """Read all open positions from ``positionRisk``. Their symbols are the venue's market ids.

    Cross positions get a ``collateral`` of zero.
    """
    return [_position(row["symbol"], row) for row in rows(answer) if amount_of(row["positionAmt"])]


def _position(symbol: str, row: Any) -> Position:
    position_amount = amount_of(row["positionAmt"])
    isolated = bool(amount_of(row["isolatedWallet"]))
    return Position(
        symbol=symbol,
        side="long" if position_amount > 0 else "short",
        contracts=abs(position_amount),
        entry_price=amount_of(row["entryPrice"]),
        mark_price=amount_of(row["markPrice"]),
        notional=abs(amount_of(row["notional"])),
        unrealized_pnl=amount_of(row["unRealizedProfit"]),
        liquidation_price=amount_of(row["liquidationPrice"]) or None,
        initial_margin=amount_of(row["positionInitialMargin"]),
        maintenance_margin=amount_of(row["maintMargin"]),
        collateral=amount_of(row["isolatedMargin"]) if isolated else Decimal(0),
        margin_mode="isolated" if isolated else "cross",
        is_hedged=row["positionSide"] != "BOTH",
        timestamp=int(row["updateTime"]),
    )


def parse_contracts(answer: Any) -> dict[tuple[str, str], Contract]:
    """Read the perpetual contracts, by base and quote asset. One that trades precedes one that does not."""
    contracts: dict[tuple[str, str], Contract] = {}
    for contract in each_row(_perpetual, answer["symbols"]):
        base, _, quote = contract.symbol.partition("/")
        if contract.is_trading or (base, quote) not in contracts:
            contracts[base, quote] = contract
    return contracts


def _perpetual(row: Any) -> Contract | None:
    # Delivery contracts have the same assets. A perpetual one that is settled has no type any more.
    is_trading = row["status"] == "TRADING"
    if row["contractType"].endswith("PERPETUAL") or (not is_trading and not row["contractType"]):
        return replace(_contract(row), is_trading=is_trading)
    return None


def _contract(row: Any) -> Contract:
    rules = {rule["filterType"]: rule for rule in rows(row["filters"])}
    price, lot, band = rules["PRICE_FILTER"], rules["LOT_SIZE"], rules["PERCENT_PRICE"]
    return Contract(
        id=row["symbol"],
        symbol=f"{row['baseAsset']}/{row['quoteAsset']}",
        tick=amount_of(price["tickSize"]),
        min_price=amount_of(price["minPrice"]),
        max_price=amount_of(price["maxPrice"]),
        step=amount_of(lot["stepSize"]),
        min_amount=amount_of(lot["minQty"]),
        max_amount=amount_of(lot["maxQty"]),
        max_market_amount=amount_of(rules["MARKET_LOT_SIZE"]["maxQty"]),
        min_notional=amount_of(rules["MIN_NOTIONAL"]["notional"]),
        price_ceiling=amount_of(band["multiplierUp"]),
        price_floor=amount_of(band["multiplierDown"]),
        # Contracts have been listed with a limit of 0, which cannot be meant (ccxt#7534).
        most_conditional=int(rules.get("MAX_NUM_ALGO_ORDERS", {}).get("limit", 0)) or MOST_CONDITIONAL,
    )
