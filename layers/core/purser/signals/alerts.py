"""Alerts in the format of 3Commas' signal bots, as TradingView sends them to the webhook.

Values may be text or numbers, and fields without a meaning here are ignored, so that a template for 3Commas passes
unchanged. Followers are sized by their risk, so the amount of an order is one of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from purser.decimals import plain
from purser.orders.model import EntryType
from purser.signals.model import Action, Level, Reason, TakeProfit
from purser.strategies.model import Direction

LONGEST_NUMBER = 40
LARGEST_NUMBER = Decimal(10) ** 15
MOST_DECIMALS = 18
LONGEST_ID = 128
LONGEST_LAG_S = 3600
MOST_TAKE_PROFITS = 8
WHOLE_POSITION = Decimal(100)

ACTIONS: Mapping[str, tuple[Action, Direction | None]] = {
    "enter_long": (Action.ENTER, Direction.LONG),
    "enter_short": (Action.ENTER, Direction.SHORT),
    "exit_long": (Action.EXIT, Direction.LONG),
    "exit_short": (Action.EXIT, Direction.SHORT),
    "close": (Action.EXIT, None),
    "disable": (Action.DISABLE, None),
}
POSITIONS = {"long": Direction.LONG, "short": Direction.SHORT}
OPENING = {"buy": Direction.LONG, "sell": Direction.SHORT}
CLOSING = {"buy": Direction.SHORT, "sell": Direction.LONG}


class Unreadable(Exception):
    """An alert cannot be acted on. ``detail`` names the field and its rule, and repeats no value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Order:
    """The order in a signal. ``max_lag_s`` is its greatest age, None for the strategy's default."""

    action: Action
    direction: Direction | None
    stamped_at: int
    entry_type: EntryType = EntryType.MARKET
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    stop: Level | None = None
    take_profits: tuple[TakeProfit, ...] | None = None
    closes: bool = False
    max_lag_s: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """The object in a body, with every number as text, and the key that a repeat of it has too."""

    body: Mapping[str, Any] = field(repr=False)
    key: str


def loaded(text: bytes) -> Alert | None:
    """Return the alert in a body, or None if it is no JSON object or is nested too deeply."""
    try:
        body = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse_constant)
        return Alert(body, _key(body)) if isinstance(body, dict) else None
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _key(body: Mapping[str, Any]) -> str:
    """Return the key of an alert: its id, or a digest of everything but its secret.

    How numbers are written, and the order of fields, make no difference.
    """
    if _is_id(body.get("id")):
        return f"id:{body['id']}"
    content = {name: value for name, value in body.items() if name != "secret"}
    canonical = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return f"body:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isascii() and value.isprintable()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_canonical(member) for member in value]
    number = _decimal(value)
    return value if number is None else plain(number)


def read(body: Mapping[str, Any], strategy_id: str, venue: str, symbol: str) -> Order:
    """Return what an alert asks of a strategy. Raises ``Unreadable`` if that is unclear, or another one is meant."""
    if body.get("id") is not None and not _is_id(body["id"]):
        raise Unreadable(Reason.INVALID, f"id: must have 1 to {LONGEST_ID} printable characters")
    _check_target(body, strategy_id, venue, symbol)
    action, direction = _action(body)
    order = _object(body, "order")
    if action is Action.EXIT:
        _check_whole(order)
    is_entry = action is Action.ENTER
    entry_type, limit_price = _entry(order) if is_entry else (EntryType.MARKET, None)
    return Order(
        action=action,
        direction=direction,
        stamped_at=_stamp(body.get("timestamp")),
        entry_type=entry_type,
        limit_price=limit_price,
        trigger_price=_positive(body.get("trigger_price"), "trigger_price") if is_entry else None,
        stop=_stop(_object(body, "stop_loss")) if is_entry else None,
        take_profits=_take_profits(_object(body, "take_profit")) if is_entry else None,
        closes=action is Action.EXIT or body.get("positions_sub_action") == "market_close",
        max_lag_s=_lag(body),
    )


def _check_target(body: Mapping[str, Any], strategy_id: str, venue: str, symbol: str) -> None:
    if body.get("bot_uuid") not in (None, strategy_id):
        raise Unreadable(Reason.OTHER_STRATEGY, "bot_uuid: must be the id of the strategy")
    if str(body.get("tv_exchange") or venue).upper() != venue:
        raise Unreadable(Reason.OTHER_EXCHANGE, "tv_exchange: must be the exchange of the strategy")
    ticker = str(body.get("tv_instrument") or symbol).upper().rpartition(":")[2].removesuffix(".P")
    if ticker.replace("/", "") != symbol.replace("/", ""):
        raise Unreadable(Reason.OTHER_SYMBOL, "tv_instrument: must be the symbol of the strategy")


def _action(body: Mapping[str, Any]) -> tuple[Action, Direction | None]:
    name = str(body.get("action") or "").lower()
    if name in OPENING:
        return _strategy_action(name, _object(body, "strategy_info"))
    if name not in ACTIONS:
        known = ", ".join([*ACTIONS, *OPENING])
        raise Unreadable(Reason.INVALID, f"action: must be one of {known}")
    return ACTIONS[name]


def _strategy_action(name: str, info: Mapping[str, Any]) -> tuple[Action, Direction]:
    """Return the action of a strategy's order, by the position after it."""
    after, before = (str(info.get(each) or "").lower() for each in ("market_position", "prev_market_position"))
    if after == "flat":
        return Action.EXIT, POSITIONS.get(before, CLOSING[name])
    if after not in POSITIONS:
        raise Unreadable(Reason.INVALID, "strategy_info.market_position: must be long, short or flat")
    if POSITIONS[after] is not OPENING[name]:
        raise Unreadable(Reason.UNSUPPORTED, "action: a position can only be closed as a whole")
    return Action.ENTER, POSITIONS[after]


def _check_whole(order: Mapping[str, Any]) -> None:
    amount = _decimal(order.get("amount"))
    if order.get("currency_type") == "position_percent" and amount not in (None, WHOLE_POSITION):
        raise Unreadable(Reason.UNSUPPORTED, "order.amount: a position can only be closed as a whole")


def _entry(order: Mapping[str, Any]) -> tuple[EntryType, Decimal | None]:
    kind = str(order.get("order_type") or "market").upper()
    if kind not in EntryType.__members__:
        raise Unreadable(Reason.INVALID, "order.order_type: must be market or limit")
    if kind == EntryType.MARKET:
        return EntryType.MARKET, None
    # A template's price may be an object with a value.
    price = order.get("price")
    limit_price = _positive(price.get("value") if isinstance(price, dict) else price, "order.price")
    if limit_price is None:
        raise Unreadable(Reason.INVALID, "order.price: is required for a limit order")
    return EntryType.LIMIT, limit_price


def _stop(stop: Mapping[str, Any]) -> Level | None:
    if not stop or _is_off(stop):
        return None
    level = _level(stop, "stop_loss", "trigger_price", "trigger_price_percent")
    if level is None:
        raise Unreadable(Reason.INVALID, "stop_loss: must have trigger_price or trigger_price_percent")
    return level


def _take_profits(take_profit: Mapping[str, Any]) -> tuple[TakeProfit, ...] | None:
    """Return the take-profits of an alert, or None if it leaves them to the strategy."""
    if not take_profit or _is_off(take_profit):
        return None
    steps = take_profit.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Unreadable(Reason.INVALID, "take_profit.steps: must be a list of objects")
    if len(steps) > MOST_TAKE_PROFITS:
        raise Unreadable(Reason.INVALID, f"take_profit.steps: must have at most {MOST_TAKE_PROFITS} steps")
    read = tuple(_step(step, f"take_profit.steps.{i}", len(steps)) for i, step in enumerate(steps))
    if sum(each.share for each in read) > WHOLE_POSITION:
        raise Unreadable(Reason.INVALID, "take_profit.steps: must have volumes of at most 100 percent together")
    return read


def _step(step: Mapping[str, Any], path: str, steps: int) -> TakeProfit:
    level = _level(step, path, "price", "price_percent")
    if level is None:
        raise Unreadable(Reason.INVALID, f"{path}: must have price or price_percent")
    share = _positive(step.get("volume_percent"), f"{path}.volume_percent")
    if share is None:
        if steps > 1:
            raise Unreadable(Reason.INVALID, f"{path}.volume_percent: is required for several steps")
        share = WHOLE_POSITION
    return TakeProfit(level, share)


def _level(given: Mapping[str, Any], path: str, price_name: str, percent_name: str) -> Level | None:
    price = _positive(given.get(price_name), f"{path}.{price_name}")
    if price is not None:
        return Level(price=price)
    # Some clients write the distance of a short trade's exit as a negative percentage.
    percent = _number(given.get(percent_name), f"{path}.{percent_name}")
    if percent == 0:
        raise Unreadable(Reason.INVALID, f"{path}.{percent_name}: must not be 0")
    return None if percent is None else Level(percent=abs(percent))


def _stamp(value: Any) -> int:
    number = _decimal(value)
    try:
        if number is not None:
            # Unix seconds have ten digits, milliseconds thirteen.
            stamp = int(number if number >= 10**11 else number * 1000)
        else:
            moment = datetime.fromisoformat(value)
            stamp = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        stamp = -1
    if not 0 <= stamp < 10**13:
        raise Unreadable(Reason.INVALID, "timestamp: must be a time in ISO 8601 or Unix seconds")
    return stamp


def _lag(body: Mapping[str, Any]) -> int | None:
    lag = _positive(body.get("max_lag"), "max_lag")
    return None if lag is None else max(1, int(min(lag, Decimal(LONGEST_LAG_S))))


def _positive(value: Any, path: str) -> Decimal | None:
    number = _number(value, path)
    if number is not None and number <= 0:
        raise Unreadable(Reason.INVALID, f"{path}: must be greater than 0")
    return number


def _number(value: Any, path: str) -> Decimal | None:
    """Return the number of a field, or None for a field that is absent or empty."""
    if value is None or value == "":
        return None
    number = _decimal(value)
    if number is None:
        raise Unreadable(Reason.INVALID, f"{path}: must be a number")
    return number


def _decimal(value: Any) -> Decimal | None:
    """Return a text as a number, or None if it is none that a field takes."""
    if not isinstance(value, str) or len(value) > LONGEST_NUMBER or not value.isascii():
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > LARGEST_NUMBER or -int(number.as_tuple().exponent) > MOST_DECIMALS:
        return None
    return number


def _object(body: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value = body.get(path)
    if value is not None and not isinstance(value, dict):
        raise Unreadable(Reason.INVALID, f"{path}: must be an object")
    return value or {}


def _is_off(given: Mapping[str, Any]) -> bool:
    return str(given.get("enabled", True)).lower() == "false"
