"""Intents: orders as they are stored before anything is sent, and their progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from purser.exchanges.orders import SENDING_WINDOW_MS, Order
from purser.orders.model import Leg, ManualOrder, Role
from purser.work.model import WorkItem

ORDER_TIME_MS = 26_000
"""The time for a request to place an order. The function's limit is a little longer, and so is API Gateway's."""

LAST_CALL_MS = 3_000
"""The time before its deadline in which no call of an intent begins. Each may take a little longer than that."""

LEASE_AFTER_MS = 4_000
"""The time after its deadline for which an intent is leased.

Its function has ended by then, and the venue accepts none of its calls any more. So another may act at once.
"""

ENTRY_RESERVE_MS = 16_000
"""The least time to send an entry in: four slow calls, for entry, stop, position and closing it."""

CLEARING_RESERVE_MS = 5_000
"""The further time that clearing the symbol for a new order needs. Usually it takes a second."""

CERTAINTY_MS = SENDING_WINDOW_MS + 3_000
"""The time after which an order that the exchange does not know will never arrive. The venue refuses late ones.

It is a little longer than the venue's window, because clocks differ.
"""

LONGEST_LOOK_MS = 30_000
"""The time before an intent was stored in which its position may have been read. The venue's clock differs, too."""

WATCH_AFTER_MS = 3_000
"""The time after which an intent that rests is due again, for the next run of the reconciler.

Readings of the venue may lag behind what has just been placed.
"""

QUICK_ATTEMPTS = 5
"""The number of attempts at an unknown intent that follow each other as soon as nothing of the last one can arrive."""

SLOW_MS = 15_000
"""The further time until later attempts, one in each run of the reconciler."""

LIFETIME_MS = 24 * 3600 * 1000
"""The time for which the reconciler tries an intent that it cannot reconcile, for example because its key is dead."""

CLEARING_LIFETIME_MS = 3 * 60 * 1000
"""The time for which a clearing is tried. Its user has been told that it failed, and may open another position."""


class State(StrEnum):
    """The progress of an intent.

    PENDING: being worked on, or interrupted. UNKNOWN: the reconciler must find out its state. RESTING: all orders are
    placed, and some may still be executed. DONE: nothing is left to do. FAILED: nothing of it is left at the exchange.
    ABANDONED: its state could not be determined.
    """

    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    RESTING = "RESTING"
    DONE = "DONE"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"

    @property
    def is_final(self) -> bool:
        """Return whether nothing is left to do about the intent."""
        return self in (State.DONE, State.FAILED, State.ABANDONED)


LISTED = (State.RESTING, State.DONE, State.FAILED)
"""The states of intents that are in the trading history if the exchange took their entry."""


@dataclass(frozen=True, slots=True)
class StrategyTrade:
    """The strategy that an order was placed for, and what its result is measured by. The oldest have no ids.

    ``risk`` is the loss at the stop for the whole amount, ``signal_price`` the price at which the strategy enters.
    """

    name: str
    exchange_id: str
    symbol: str
    trade_side: str
    leverage: int
    strategy_id: str | None = None
    follow_id: str | None = None
    risk: Decimal | None = None
    signal_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A manual order under way, or (without an ``order``) the clearing of a symbol's orders and position.

    ``generation`` counts the tries under one id; each has its own client order ids. ``placed`` are the orders as the
    exchange last reported them: entry, take-profits, stop. ``replaces`` is the intent whose entry rested and gave way;
    if this one fails, that one may still be there. ``strategy`` is the one whose signal, ``signal_id``, made the
    order. One that ``is_closing`` is ended at the market, for ``closed_by_signal`` if a signal asks for it. Times are
    Unix milliseconds.
    """

    id: str
    user_id: str
    trading_account_id: str
    symbol: str
    created_at: int
    updated_at: int
    state: State = State.PENDING
    generation: int = 1
    order: ManualOrder | None = None
    legs: tuple[Leg, ...] = ()
    placed: tuple[Order, ...] = ()
    replaces: str | None = None
    strategy: StrategyTrade | None = None
    signal_id: str | None = None
    is_closing: bool = False
    closed_by_signal: str | None = None

    @property
    def came_to_nothing(self) -> bool:
        """Return whether the intent may be tried again under the same id."""
        return self.state in (State.FAILED, State.ABANDONED)

    @property
    def entry(self) -> Leg | None:
        """The leg that enters the market."""
        return next((leg for leg in self.legs if leg.role is Role.ENTRY), None)

    @property
    def exits(self) -> tuple[Leg, ...]:
        """The legs that leave the market, the stop first, because a position must not be without it."""
        return tuple(sorted((leg for leg in self.legs if leg.role is not Role.ENTRY), key=_protection_first))

    @property
    def stop(self) -> Leg | None:
        """The leg that protects the position."""
        return next((leg for leg in self.legs if leg.role is Role.STOP), None)

    def reported(self, leg: Leg) -> Order | None:
        """Return the order of a leg as the exchange last reported it, or None if it was never placed."""
        return next((order for order in self.placed if order.client_id == leg.order.client_id), None)

    @property
    def placed_entry(self) -> Order | None:
        """The entry as the exchange last reported it."""
        return self.placed[0] if self.placed else None

    def at(self, state: State, now: int) -> Intent:
        """Return the intent in another state."""
        return replace(self, state=state, updated_at=now)

    def with_orders(self, entry: Order, exits: dict[str, Order], now: int) -> Intent:
        """Return the intent with all its orders placed. ``exits`` are by client order id."""
        placed = (entry, *(exits[leg.order.client_id] for leg in self.legs if leg.order.client_id in exits))
        state = State.RESTING if any(order.is_open for order in placed) else State.DONE
        return replace(self, state=state, placed=placed, updated_at=now)

    def failed(self, entry: Order | None, now: int) -> Intent:
        """Return the intent undone, with the entry if it was executed before.

        One that rested is done: its request was answered, and may not be tried again.
        """
        if self.state is State.RESTING:
            return replace(self.at(State.DONE, now), placed=(entry,) if entry else self.placed)
        return replace(self, state=State.FAILED, placed=(entry,) if entry else (), updated_at=now)

    def closing(self, signal_id: str | None, now: int) -> Intent:
        """Return the intent once it is to be ended at the market, for the first reason that asked for it."""
        if self.is_closing:
            return self
        return replace(self, is_closing=True, closed_by_signal=signal_id, updated_at=now)

    def is_over_age(self, now: int) -> bool:
        """Return whether the lifetime of the intent is over. That of one that rests begins anew with each look-up."""
        since = self.updated_at if self.state is State.RESTING else self.created_at
        return now >= since + LIFETIME_MS


def _protection_first(leg: Leg) -> bool:
    return leg.role is not Role.STOP


@dataclass(frozen=True, slots=True)
class OrderLock(WorkItem):
    """The order lock of a trading account and symbol, taken while an intent is under way.

    It is due when the reconciler is to look after its intent, and nobody else has it then.
    """

    user_id: str
    trading_account_id: str
    symbol: str
    intent_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The trading account and symbol."""
        return self.trading_account_id, self.symbol

    def handed_back(self, intent_id: str, now: int) -> OrderLock:
        """Return the lock for the intent that gave way. It is due at once, since its orders may be gone."""
        return replace(self.left(now), intent_id=intent_id)

    def left(self, free_at: int) -> OrderLock:
        """Return the lock after a failed attempt, whose requests may act until ``free_at``.

        After some attempts, it is due for the next run of the reconciler only: an outage or a dead key may last.
        """
        due_at = free_at if self.attempts <= QUICK_ATTEMPTS else free_at + SLOW_MS
        return replace(self.released(due_at), leased_until=free_at, due_at=due_at)

    @property
    def is_resting(self) -> bool:
        """Return whether its intent was left RESTING. After an error or an interruption, the lock has a lease."""
        return not self.leased_until


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An order in a user's trading history. ``cost`` is the executed value; ``strategy`` is None for a manual order."""

    id: str
    order_id: str
    price: Decimal | None
    amount: Decimal
    cost: Decimal
    stop: Decimal | None
    stop_type: str | None
    take_profit: tuple[Decimal, ...]
    trailing_trigger_price: Decimal | None
    callback_rate: Decimal | None
    risk_profile_percent: Decimal | None
    created_at: int
    strategy: StrategyTrade | None = None


def history_entry(intent: Intent) -> HistoryEntry | None:
    """Return the history entry of an intent, or None while the exchange has not taken its order.

    An order that was undone is listed if it was executed before, because that has cost something.
    """
    order, entry = intent.order, intent.placed_entry
    if order is None or entry is None or intent.state not in LISTED:
        return None
    trails = order.callback_rate is not None
    return HistoryEntry(
        id=intent.id,
        order_id=entry.id,
        price=entry.average or order.price,
        amount=order.amount,
        cost=entry.cost,
        stop=order.stop.trigger if order.stop else None,
        stop_type=order.stop.type.value if order.stop else None,
        take_profit=order.take_profits,
        trailing_trigger_price=order.price if trails else None,
        callback_rate=order.callback_rate,
        risk_profile_percent=order.risk_profile_percent,
        created_at=intent.created_at,
        strategy=intent.strategy,
    )
