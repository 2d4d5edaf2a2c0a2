"""Carry out an intent at the exchange. Each step may be interrupted and repeated without doing anything twice.

An order whose outcome is unknown is looked up by its client order id. A missing one that only leaves the market may
be sent again. The venue refuses its id while the first is open, and it can close no more than the position. A
missing entry is never sent again; if it is not there after ``CERTAINTY_MS``, it never will be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from purser.clock import now_ms
from purser.errors import ExchangeBadRequest, ExchangeError, ExchangeUnavailable
from purser.exchanges.model import ApiCredential
from purser.exchanges.orders import NewOrder, Order, OrderDesk, OrderType, Refusal, Side
from purser.orders.intents import Intent, State
from purser.orders.model import Leg, Role, random_client_id

TRIES = 3
FIRST_PAUSE_S = 0.1
CLOSING_TRIES = 5

T = TypeVar("T")


class Undone(Exception):
    """Nothing of the intent is left at the exchange. ``error`` is the reason."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(str(error))
        self.error = error


class Placement:
    """One intent at the exchange. Every method may raise ``ExchangeError``; the state is then unknown."""

    def __init__(
        self,
        desk: OrderDesk,
        credential: ApiCredential,
        intent: Intent,
        now: Callable[[], int] = now_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._desk = desk
        self._credential = credential
        self._intent = intent
        self._symbol = intent.symbol
        self._now = now
        self._sleep = sleep

    def place(self) -> Intent:
        """Place a new intent: clear the symbol, then place entry, stop and take-profits.

        Returns:
            The intent, DONE or RESTING.

        Raises:
            Undone: nothing of it is left at the exchange.
        """
        self._cancel_first()
        self._flatten()
        if self._intent.entry is None:
            return self._intent.at(State.DONE, self._now())
        return self._complete(self._enter(self._intent.entry), {})

    def resume(self) -> Intent:
        """Resume an intent that was cut, is unknown or rests, once it is certain what reached the venue.

        Returns:
            The intent, DONE or RESTING.

        Raises:
            Undone: as ``place``.
        """
        entry = self._find(self._intent.entry) if self._intent.entry else None
        if self._intent.state is State.RESTING:
            return self._look_after(entry)
        if entry is None or entry.is_void:
            # Clearing the symbol may be half done, with a position whose stop is cancelled.
            self._clear()
            if self._intent.entry is None:
                return self._intent.at(State.DONE, self._now())
            raise Undone(ExchangeUnavailable())
        return self._resume(entry)

    def _look_after(self, entry: Order | None) -> Intent:
        """Look after a resting entry. Until it is executed nothing else changes."""
        before = self._intent.placed[0]
        if entry is None or entry.is_void:
            self._cancel_exits()
            return self._intent.with_orders(entry or before, {}, self._now()).at(State.DONE, self._now())
        if entry.is_open and entry.filled == before.filled:
            return self._intent
        return self._resume(entry)

    def _resume(self, entry: Order) -> Intent:
        """Place what is missing, unless there is no position to leave."""
        found = {leg.order.client_id: self._find(leg) for leg in self._intent.exits}
        known = {name: order for name, order in found.items() if order is not None}
        if entry.is_open and self._was_stopped(known):
            entry = self._end_entry(entry)
        if not entry.is_open and not self._is_in_market(entry):
            return self._intent.with_orders(entry, known, self._now())
        live = {name: order for name, order in known.items() if not order.is_void}
        return self._complete(entry, live)

    def _was_stopped(self, known: dict[str, Order]) -> bool:
        stop = next((leg for leg in self._intent.exits if leg.role is Role.STOP), None)
        return stop is not None and stop.order.client_id in known and known[stop.order.client_id].is_done

    def _end_entry(self, entry: Order) -> Order:
        """Cancel an entry whose stop has been executed, since its rest must not be executed without one."""
        leg = self._intent.legs[0]
        self._cancel(leg)
        return self._find(leg) or entry

    def _is_in_market(self, entry: Order) -> bool:
        position = self._persist(lambda: self._desk.position_amount(self._credential, self._symbol))
        return position > 0 if entry.side == "buy" else position < 0

    def _complete(self, entry: Order, live: dict[str, Order]) -> Intent:
        exits = dict(live)
        for leg in self._intent.exits:
            if leg.order.client_id in exits:
                continue
            # An order that ends with the position cannot be placed before there is one.
            suited = leg.bound(leg.role is Role.STOP and not entry.is_open)
            placed = self._place_exit(suited, resting=entry.is_open)
            if placed is not None:
                exits[leg.order.client_id] = placed
        return self._intent.with_orders(entry, exits, self._now())

    def _enter(self, leg: Leg) -> Order:
        try:
            entry = self._desk.place(self._credential, self._symbol, leg.order)
        except ExchangeUnavailable:
            entry = self._find_surely(leg)
        except ExchangeError as error:
            if not _is(error, Refusal.CLIENT_ID_IN_USE):
                raise Undone(error) from None
            entry = self._find_surely(leg)
        if entry.is_void:
            raise Undone(ExchangeBadRequest())
        return entry

    def _find_surely(self, leg: Leg) -> Order:
        found = self._find(leg)
        if found is None:
            # It may still arrive.
            raise ExchangeUnavailable
        return found

    def _place_exit(self, leg: Leg, *, resting: bool) -> Order | None:
        """Place an exit. Return None for a take-profit whose price lies between the market and a resting entry.

        Such a take-profit must wait for the entry, because now it would trigger at once with nothing to close.
        """
        try:
            return self._insist(leg)
        except ExchangeUnavailable as error:
            if leg.role is Role.STOP:
                self._undo(error)
            raise
        except ExchangeError as error:
            if leg.role is Role.TAKE_PROFIT and _is(error, Refusal.WOULD_TRIGGER_AT_ONCE):
                # Its price has been reached already, so the part is sold at that price or a better one.
                return None if resting else self._place_exit(leg.as_plain_limit, resting=resting)
            if leg.order.bound_to_position and _is(error, Refusal.TIME_IN_FORCE):
                # Binance accepts this time in force without documenting it.
                return self._place_exit(leg.bound(False), resting=resting)
            self._undo(error)
            raise

    def _undo(self, error: ExchangeError) -> None:
        """Clear the symbol. Raises ``Undone`` with the error, or the error of clearing."""
        self._clear()
        raise Undone(error)

    def _insist(self, leg: Leg) -> Order:
        """Place an exit. After a time-out, look it up and send it again under the same id if it is missing."""
        for tried in range(TRIES):
            try:
                return self._desk.place(self._credential, self._symbol, leg.order)
            except ExchangeUnavailable:
                if tried == TRIES - 1:
                    raise
                self._pause(tried)
            except ExchangeBadRequest as error:
                if not _is(error, Refusal.CLIENT_ID_IN_USE):
                    raise
            found = self._find(leg)
            if found is not None and not found.is_void:
                return found
        raise ExchangeUnavailable

    def _find(self, leg: Leg) -> Order | None:
        found = self._find_as(leg)
        if found is None and leg.role is Role.TAKE_PROFIT and leg.is_conditional:
            return self._find_as(leg.as_plain_limit)
        return found

    def _find_as(self, leg: Leg) -> Order | None:
        name, conditional = leg.order.client_id, leg.is_conditional
        return self._persist(lambda: self._desk.find(self._credential, self._symbol, name, conditional=conditional))

    def _cancel_first(self) -> None:
        """Cancel the plain orders. As long as this is refused, nothing has changed."""
        try:
            self._persist(lambda: self._desk.cancel_plain_orders(self._credential, self._symbol))
        except ExchangeUnavailable:
            raise
        except ExchangeError as error:
            raise Undone(error) from None

    def _cancel_exits(self) -> None:
        for leg in self._intent.exits:
            self._cancel(leg)
            if leg.role is Role.TAKE_PROFIT:
                self._cancel(leg.as_plain_limit)

    def _cancel(self, leg: Leg) -> None:
        name, conditional = leg.order.client_id, leg.is_conditional
        self._persist(lambda: self._desk.cancel(self._credential, self._symbol, name, conditional=conditional))

    def _clear(self) -> None:
        self._persist(lambda: self._desk.cancel_plain_orders(self._credential, self._symbol))
        self._flatten()

    def _flatten(self) -> None:
        """Cancel the conditional orders and close the position.

        The position is read after the orders are gone, since they could still change it, and again after it was closed.
        Repeated reduce-only orders cannot do more than close it.
        """
        self._persist(lambda: self._desk.cancel_conditional_orders(self._credential, self._symbol))
        most = self._desk.contract(self._symbol).max_market_amount
        for tried in range(CLOSING_TRIES):
            position = self._persist(lambda: self._desk.position_amount(self._credential, self._symbol))
            if not position:
                return
            self._close(position, most, tried)
        raise ExchangeUnavailable

    def _close(self, position: Decimal, most: Decimal, tried: int) -> None:
        closing = NewOrder(
            client_id=random_client_id(),
            side=Side.SELL if position > 0 else Side.BUY,
            type=OrderType.MARKET,
            amount=min(abs(position), most),
            reduce_only=True,
        )
        try:
            self._desk.place(self._credential, self._symbol, closing)
        except ExchangeUnavailable:
            self._pause(tried)
        except ExchangeBadRequest as error:
            if not _is(error, Refusal.NOTHING_TO_REDUCE):
                raise

    def _persist(self, call: Callable[[], T]) -> T:
        """Make a repeatable call, and repeat it if the exchange is unavailable."""
        for tried in range(TRIES - 1):
            try:
                return call()
            except ExchangeUnavailable:
                self._pause(tried)
        return call()

    def _pause(self, tried: int) -> None:
        self._sleep(FIRST_PAUSE_S * 2**tried)


def _is(error: ExchangeError, refusal: Refusal) -> bool:
    return error.venue_code == refusal
