"""Intents and history entries as items: fields in camel case, those that are None left out."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from purser.exchanges.orders import NewOrder, Order, OrderStatus, OrderType, Side
from purser.orders.intents import HistoryEntry, Intent, State, StrategyTrade
from purser.orders.model import EntryType, Leg, ManualOrder, Role, Stop, StopType

Item = dict[str, Any]

MAYBE_UNKNOWN = ("time_in_force", "price", "stop_price", "amount", "average", "remaining")


def intent_item(intent: Intent) -> Item:
    return {
        "intentId": intent.id,
        "userId": intent.user_id,
        "tradingAccountId": intent.trading_account_id,
        "symbol": intent.symbol,
        "state": intent.state.value,
        "generation": intent.generation,
        "request": _request_item(intent.order) if intent.order else None,
        "legs": [{"role": leg.role.value, "order": _members(leg.order)} for leg in intent.legs],
        "placed": [_members(order) for order in intent.placed],
        "replaces": intent.replaces,
        "strategy": _members(intent.strategy) if intent.strategy else None,
        "signalId": intent.signal_id,
        "isClosing": intent.is_closing or None,
        "closedBySignal": intent.closed_by_signal,
        "createdAt": intent.created_at,
        "updatedAt": intent.updated_at,
    }


def intent_of(item: Item) -> Intent:
    return Intent(
        id=item["intentId"],
        user_id=item["userId"],
        trading_account_id=item["tradingAccountId"],
        symbol=item["symbol"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        state=State(item["state"]),
        generation=int(item["generation"]),
        order=_request_of(item["request"]) if "request" in item else None,
        legs=tuple(Leg(Role(leg["role"]), _new_order_of(leg["order"])) for leg in item["legs"]),
        placed=tuple(map(_order_of, item["placed"])),
        replaces=item.get("replaces"),
        strategy=_strategy_of(item),
        signal_id=item.get("signalId"),
        is_closing=item.get("isClosing", False),
        closed_by_signal=item.get("closedBySignal"),
    )


def _strategy_of(item: Item) -> StrategyTrade | None:
    strategy = item.get("strategy")
    return StrategyTrade(**_given(strategy) | {"leverage": int(strategy["leverage"])}) if strategy else None


def _members(value: Any) -> Item:
    """Return the fields of a flat dataclass as attributes."""
    members = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {
        _camel(name): str(member) if isinstance(member, str) else member
        for name, member in members
        if member is not None
    }


def _given(item: Item) -> dict[str, Any]:
    """Return attributes as arguments of a flat dataclass."""
    return {_snake(name): member for name, member in item.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), name)


def _request_item(order: ManualOrder) -> Item:
    stop = _members(order.stop) if order.stop else None
    return _members(order) | {"takeProfits": list(order.take_profits), "stop": stop}


def _request_of(item: Item) -> ManualOrder:
    given, stop = _given(item), item["stop"]
    given |= {
        "type": EntryType(item["type"]),
        "side": Side(item["side"]),
        "take_profits": tuple(item["takeProfits"]),
        "stop": Stop(**_given(stop) | {"type": StopType(stop["type"])}) if stop else None,
    }
    return ManualOrder(**given)


def _new_order_of(item: Item) -> NewOrder:
    return NewOrder(**_given(item) | {"side": Side(item["side"]), "type": OrderType(item["type"])})


def _order_of(item: Item) -> Order:
    given: dict[str, Any] = dict.fromkeys(MAYBE_UNKNOWN)
    # A status that Purser does not know is stored as none.
    status = OrderStatus(item["status"]) if "status" in item else None
    given |= _given(item) | {"timestamp": int(item["timestamp"]), "status": status}
    for name in ("triggering_since", "updated_at"):
        given[name] = int(given[name]) if given.get(name) else None
    return Order(**given)


def history_item(entry: HistoryEntry) -> Item:
    strategy = _members(entry.strategy) if entry.strategy else None
    return _members(entry) | {"takeProfit": list(entry.take_profit), "strategy": strategy}


def history_of(item: Item) -> HistoryEntry:
    given: dict[str, Any] = dict.fromkeys(field.name for field in fields(HistoryEntry))
    given |= {name: member for name, member in _given(item).items() if name in given}
    given |= {
        "take_profit": tuple(item["takeProfit"]),
        "created_at": int(item["createdAt"]),
        "strategy": _strategy_of(item),
    }
    return HistoryEntry(**given)
