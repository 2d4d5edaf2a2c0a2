"""Manual orders: their rules, and the set of exchange orders that carries them out."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction

from purser.decimals import plain
from purser.errors import FieldError
from purser.exchanges.orders import Capacity, Contract, NewOrder, Order, OrderType, Side, Trade

CLIENT_ID_PREFIX = "x-xcKtGhcu"
"""Marks an order as placed through Purser (reference, "clientOrderId")."""

CLIENT_ID_DIGITS = 22

MOST_TAKE_PROFITS = 25
LOWEST_CALLBACK_RATE = Decimal("0.1")
HIGHEST_CALLBACK_RATE = Decimal(5)
"""In percent (reference, "callbackRate")."""


class EntryType(StrEnum):
    """The ways in which a manual order enters the market."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    TRAILING_STOP = "TRAILING_STOP"


class StopType(StrEnum):
    """The price at which a triggered stop sells: its own, or the market's."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop-loss: its trigger price and, for a LIMIT one, the price that it then asks for."""

    trigger: Decimal
    type: StopType
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ManualOrder:
    """A user's order. ``price`` is a limit or a trailing stop's activation price; rates are in percent."""

    symbol: str
    type: EntryType
    side: Side
    amount: Decimal
    price: Decimal | None = None
    take_profits: tuple[Decimal, ...] = ()
    stop: Stop | None = None
    callback_rate: Decimal | None = None
    risk_profile_percent: Decimal | None = None


class Role(StrEnum):
    """The purpose of an order in a set."""

    ENTRY = "ENTRY"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class Leg:
    """One exchange order of a set."""

    role: Role
    order: NewOrder

    @property
    def is_conditional(self) -> bool:
        """True if the exchange keeps it apart from plain orders."""
        return self.order.type.is_conditional

    @property
    def as_plain_limit(self) -> Leg:
        """The leg as a plain limit order, for a take-profit whose price has been reached already."""
        return replace(self, order=replace(self.order, type=OrderType.LIMIT, trigger=None))

    def at_most(self, amount: Decimal) -> Leg:
        """Return the leg for no more than an amount, unless it closes the whole position."""
        if self.order.amount is None or self.order.amount <= amount:
            return self
        return replace(self, order=replace(self.order, amount=amount))

    def for_amount(self, amount: Decimal) -> Leg:
        """Return the leg for an amount of the position, although it may be meant to close the whole of it."""
        return replace(self, order=replace(self.order, amount=amount, close_position=False, reduce_only=True))

    def bound(self, bound: bool) -> Leg:
        """Return the leg as an order that ends with the position, or as one that does not."""
        return replace(self, order=replace(self.order, bound_to_position=bound))


def client_id(intent_id: str, generation: int, name: str) -> str:
    """Return the client order id of an intent's order: the same on every try, of legal letters and length."""
    digest = hashlib.sha256(f"{intent_id}:{generation}:{name}".encode()).hexdigest()
    return CLIENT_ID_PREFIX + digest[:CLIENT_ID_DIGITS]


def random_client_id() -> str:
    """Return a client order id for an order that may be sent again under another id."""
    return CLIENT_ID_PREFIX + uuid.uuid4().hex[:CLIENT_ID_DIGITS]


def is_beyond(price: Decimal, mark: Decimal, side: Side) -> bool:
    """Return whether a price is on the winning side of ``mark`` for a position entered on ``side``."""
    return price > mark if side is Side.BUY else price < mark


def wrong_side(side: Side, *, gains: bool) -> str:
    """Return the message for a take-profit (``gains``) or stop on the wrong side of the price."""
    return f"must be {'above' if (side is Side.BUY) == gains else 'below'} the price"


def errors_at_market(order: ManualOrder, contract: Contract, last: Decimal) -> tuple[FieldError, ...]:
    """Return an error for every rule of the market that an order breaks at the last price."""
    return tuple(_field_errors(order, contract, last))


def _field_errors(order: ManualOrder, contract: Contract, last: Decimal) -> Iterator[FieldError]:
    yield from _amount_errors(order, contract, last)
    if order.type is not EntryType.MARKET and order.price is not None:
        yield from _entry_price_errors(order, order.price, contract, last)
    yield from _exit_errors(order, contract, _worst_entry(order, last))


def _worst_entry(order: ManualOrder, last: Decimal) -> Decimal:
    """Return the entry price nearest to the stop. A limit order may be executed at a better price than its own."""
    if order.type is EntryType.MARKET or order.price is None:
        return last
    return min(order.price, last) if order.side is Side.BUY else max(order.price, last)


def _amount_errors(order: ManualOrder, contract: Contract, last: Decimal) -> Iterator[FieldError]:
    at_market = order.type is not EntryType.LIMIT
    most = contract.max_market_amount if at_market else contract.max_amount
    if order.amount > most:
        yield _field_error("amount", f"must be at most {plain(most)}", order.amount)
    if not _is_multiple(order.amount, contract.step):
        yield _field_error("amount", f"must be a multiple of {plain(contract.step)}", order.amount)
    elif order.amount < contract.min_amount:
        yield _field_error("amount", f"must be at least {plain(contract.min_amount)}", order.amount)
    price = last if order.type is EntryType.MARKET or order.price is None else order.price
    if Fraction(order.amount) * Fraction(price) < contract.min_notional:
        text = f"must be worth at least {plain(contract.min_notional)} at the price"
        yield _field_error("amount", text, order.amount)
    if order.take_profits and order.amount < contract.min_amount * len(order.take_profits):
        yield _field_error("takeProfitPrices", "must not be more than the amount can be split into", None)


def _entry_price_errors(order: ManualOrder, price: Decimal, contract: Contract, last: Decimal) -> Iterator[FieldError]:
    yield from _price_errors("price", price, contract)
    buys = order.side is Side.BUY
    if order.type is EntryType.TRAILING_STOP:
        # It starts to follow when the market reaches the price, so a price that was reached already is refused.
        if is_beyond(price, last, order.side) or price == last:
            yield _field_error("price", f"must be {'below' if buys else 'above'} the market price", price)
    elif buys and price > last * contract.price_ceiling:
        yield _field_error("price", "must not be so far above the market price", price)
    elif not buys and price < last * contract.price_floor:
        yield _field_error("price", "must not be so far below the market price", price)


def _exit_errors(order: ManualOrder, contract: Contract, entry: Decimal) -> Iterator[FieldError]:
    others = (order.stop is not None) + (order.type is EntryType.TRAILING_STOP)
    most = contract.most_conditional - others
    if len(order.take_profits) > most:
        yield _field_error("takeProfitPrices", f"must have at most {most} items on this market", None)
    for price in order.take_profits:
        yield from _price_errors("takeProfitPrices", price, contract)
        if not is_beyond(price, entry, order.side):
            yield _field_error("takeProfitPrices", wrong_side(order.side, gains=True), price)
    if order.stop is None:
        return
    for field, stop in (("stopTriggerPrice", order.stop.trigger), ("stopPrice", order.stop.price)):
        if stop is None:
            continue
        yield from _price_errors(field, stop, contract)
        if not is_beyond(stop, entry, order.side.opposite):
            yield _field_error(field, wrong_side(order.side, gains=False), stop)


def _price_errors(field: str, price: Decimal, contract: Contract) -> Iterator[FieldError]:
    if not contract.min_price <= price <= contract.max_price:
        yield _field_error(field, f"must be from {plain(contract.min_price)} to {plain(contract.max_price)}", price)
    if not _is_multiple(price, contract.tick):
        yield _field_error(field, f"must be a multiple of {plain(contract.tick)}", price)


def _field_error(field: str, message: str, value: Decimal | None) -> FieldError:
    return FieldError((field,), message, "body", value)


CLOSING_COST = Fraction(1, 1000)
"""The share of its value that closing a position may cost: a fee, and a price that has moved."""


def refusal_by_capacity(order: ManualOrder, capacity: Capacity, last: Decimal) -> str | None:
    """Return why an account cannot carry an order once its position is closed, or None.

    The venue has the last word. This tells before the position is closed what the venue would refuse afterwards.
    """
    price = _price_of_margin(order, last)
    notional = Fraction(order.amount) * Fraction(price)
    if notional > capacity.max_notional:
        most = f"{plain(capacity.max_notional)} {_quote(order)}"
        return f"The order is worth more than {most}, the most at a leverage of {capacity.leverage}."
    needed = notional / capacity.leverage + abs(Fraction(capacity.position)) * Fraction(last) * CLOSING_COST
    if needed > capacity.available:
        return (
            f"Margin is insufficient: {plain(_in_cents(needed))} {_quote(order)} at a leverage of {capacity.leverage}."
        )
    return None


def _price_of_margin(order: ManualOrder, last: Decimal) -> Decimal:
    """Return the price at which an order takes margin: its own, unless it is executed at once."""
    if order.type is EntryType.MARKET or order.price is None:
        return last
    if order.type is EntryType.LIMIT and not is_beyond(order.price, last, order.side.opposite):
        return last
    return order.price


def _in_cents(amount: Fraction) -> Decimal:
    return Decimal(f"{round(amount * 100)}E-2")


def _quote(order: ManualOrder) -> str:
    return order.symbol.partition("/")[2]


def _is_multiple(value: Decimal, unit: Decimal) -> bool:
    # Fractions, because the remainder of two decimals has a limited number of digits.
    return (Fraction(value) / Fraction(unit)).denominator == 1


def legs_of(order: ManualOrder, contract: Contract, intent_id: str, generation: int) -> tuple[Leg, ...]:
    """Return the exchange orders of a valid manual order: entry, take-profits, stop."""

    def named(name: str) -> str:
        return client_id(intent_id, generation, name)

    legs = [Leg(Role.ENTRY, _entry(order, named("entry")))]
    shares = split(order.amount, len(order.take_profits), contract.step)
    for number, (price, share) in enumerate(zip(order.take_profits, shares, strict=True)):
        take_profit = NewOrder(
            client_id=named(f"take-profit-{number}"),
            side=order.side.opposite,
            type=OrderType.TAKE_PROFIT,
            amount=share,
            price=price,
            trigger=price,
            reduce_only=True,
        )
        legs.append(Leg(Role.TAKE_PROFIT, take_profit))
    if order.stop is not None:
        legs.append(Leg(Role.STOP, _stop(order, order.stop, named("stop"))))
    return tuple(legs)


def _entry(order: ManualOrder, name: str) -> NewOrder:
    match order.type:
        case EntryType.MARKET:
            return NewOrder(name, order.side, OrderType.MARKET, order.amount)
        case EntryType.LIMIT:
            return NewOrder(name, order.side, OrderType.LIMIT, order.amount, price=order.price)
    return NewOrder(
        name,
        order.side,
        OrderType.TRAILING_STOP_MARKET,
        order.amount,
        trigger=order.price,
        callback_rate=order.callback_rate,
    )


def _stop(order: ManualOrder, stop: Stop, name: str) -> NewOrder:
    side = order.side.opposite
    if stop.type is StopType.MARKET:
        # For the whole position, or what take-profits have left of it.
        return NewOrder(name, side, OrderType.STOP_MARKET, trigger=stop.trigger, close_position=True)
    return NewOrder(name, side, OrderType.STOP, order.amount, price=stop.price, trigger=stop.trigger, reduce_only=True)


def split(amount: Decimal, parts: int, step: Decimal) -> tuple[Decimal, ...]:
    """Split an amount into ``parts`` even parts on the step; the last gets the rest (contract, "Manual order")."""
    if not parts:
        return ()
    steps = int(Fraction(amount) / Fraction(step))
    share = steps // parts
    return (share * step,) * (parts - 1) + ((steps - share * (parts - 1)) * step,)


def amount_left(entry: Order, trades: Sequence[Trade], position: Decimal) -> Decimal:
    """Return how much of a position is left of the one that an entry opened or joined, 0 if that one was closed.

    ``trades`` are those since the entry's first; without them, the position is taken for that one. ``position`` is
    negative if short.
    """
    sign = 1 if entry.side == "buy" else -1
    changes = _changes(entry, trades)
    amount = sign * position - sum(changes)
    is_of_entry = not trades
    for trade, change in zip(trades, changes, strict=True):
        amount += change
        is_of_entry = amount > 0 and (is_of_entry or _is_of(entry, trade))
    return max(Decimal(0), amount) if is_of_entry else Decimal(0)


def is_closed(entry: Order, trades: Sequence[Trade]) -> bool:
    """Return whether the trades since an entry's first show all that it filled, and that as much was closed again."""
    shown = sum(trade.amount for trade in trades if _is_of(entry, trade))
    return shown >= entry.filled and sum(_changes(entry, trades)) <= 0


def _changes(entry: Order, trades: Sequence[Trade]) -> list[Decimal]:
    """Return how much each trade has added to a position on the side of an entry."""
    return [trade.amount if trade.side == entry.side else -trade.amount for trade in trades]


def _is_of(entry: Order, trade: Trade) -> bool:
    return trade.order_id in (entry.id, entry.became)


class StopState(Enum):
    """The state of a stop at the venue.

    STANDING: it protects the position. EXECUTED: it has closed the position, and one that is there is a later one.
    LOST: it was never placed, or has ended without closing the position.
    """

    STANDING = "STANDING"
    EXECUTED = "EXECUTED"
    LOST = "LOST"


def state_of_stop(stop: Order | None) -> StopState:
    """Return what became of a stop. One that was executed in part only is lost, like one that expired."""
    if stop is not None and stop.is_open:
        return StopState.STANDING
    return StopState.EXECUTED if stop is not None and stop.is_done and stop.filled else StopState.LOST


def not_executed(entry: Order, exits: Iterable[Order]) -> Decimal:
    """Return how much of what an entry filled its exits have not executed."""
    return entry.filled - sum((order.filled for order in exits), Decimal(0))
