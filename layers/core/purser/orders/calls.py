"""Calls of the order desk for one account and symbol, repeated while the exchange is unavailable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

from purser.errors import ExchangeBadRequest, ExchangeError, ExchangeUnavailable
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import (
    SENDING_WINDOW_MS,
    NewOrder,
    Order,
    OrderDesk,
    OrderType,
    PositionReading,
    Refusal,
    Side,
    Trade,
)
from purser.orders.intents import CLEARING_RESERVE_MS, LAST_CALL_MS
from purser.orders.model import random_client_id

TRIES = 3
FIRST_PAUSE_S = 0.1
CLOSING_TRIES = 5
HISTORY_LIMIT = 50

T = TypeVar("T")


class Calls:
    """The calls of one placement. Every method may raise ``ExchangeError``. ``now`` gives Unix milliseconds.

    A change whose answer is lost may still be made for a while. It must not meet the orders of another intent.
    """

    def __init__(
        self,
        desk: OrderDesk,
        credential: ApiCredential,
        symbol: str,
        now: Callable[[], int],
        sleep: Callable[[float], None],
    ) -> None:
        self._desk = desk
        self._credential = credential
        self._symbol = symbol
        self._now = now
        self._sleep = sleep
        self.quiet_at = 0
        """From then on, no change can be made any more whose answer was lost."""
        self._last_begins_at: int | None = None

    def end_before(self, deadline: int) -> None:
        """Begin no call any more that may take until ``deadline`` (Unix ms). All of them fail from then on.

        The function could be ended before it has stored what is known.
        """
        self._last_begins_at = deadline - LAST_CALL_MS

    def position(self) -> Decimal:
        """Return the amount of the position, negative if short. Readings lag behind fills."""
        return self.position_reading().amount

    def position_reading(self) -> PositionReading:
        """Return the amount of the position, and when it last changed."""
        return self._persist(lambda: self._desk.position_reading(self._credential, self._symbol))

    def position_surely(self, readings: int = TRIES) -> Decimal:
        """Return the amount of the position, and believe only so many readings that there is none."""
        for tried in range(readings - 1):
            position = self.position()
            if position:
                return position
            self.pause(tried)
        return self.position()

    def open_orders(self) -> Sequence[Order]:
        """Return the open orders."""
        return self._persist(lambda: self._desk.open_orders(self._credential, TradeType.FUTURES, self._symbol))

    def trades_since(self, order: Order) -> Sequence[Trade]:
        """Return the trades from the first of an order on, oldest first, or none if they are not known."""
        return self._persist(lambda: self._desk.trades_since(self._credential, self._symbol, order))

    def find(self, order: NewOrder) -> Order | None:
        """Return an order as it is at the venue, or None if it is not found."""
        name, conditional = order.client_id, order.type.is_conditional
        return self._persist(lambda: self._desk.find(self._credential, self._symbol, name, conditional=conditional))

    def find_closing(self, name: str) -> Order | None:
        """Return the latest closing order with a client order id, or None if it is not found."""
        return self._persist(lambda: self._desk.find(self._credential, self._symbol, name, conditional=False))

    def find_in_history(self, order: NewOrder) -> Order | None:
        """Return an order of the last weeks, or None. A conditional one is there as the order that it became."""
        listed = self._persist(
            lambda: self._desk.order_history(self._credential, TradeType.FUTURES, self._symbol, HISTORY_LIMIT)
        )
        return next((found for found in listed if found.client_id == order.client_id), None)

    def place(self, order: NewOrder) -> Order:
        """Place an order. This is not repeated."""
        return self._change(lambda: self._desk.place(self._credential, self._symbol, order))

    def cancel(self, order: NewOrder) -> None:
        """Cancel an order."""
        name, conditional = order.client_id, order.type.is_conditional
        self._persist(lambda: self._desk.cancel(self._credential, self._symbol, name, conditional=conditional))

    def cancel_by_id(self, name: str) -> None:
        """Cancel an order that may be of either kind."""
        for conditional in (False, True):
            self._persist(partial(self._desk.cancel, self._credential, self._symbol, name, conditional=conditional))

    def cancel_all(self, check_time: Callable[[int], None], readings: int) -> None:
        """Cancel all orders, the stops last, and close the position again: each may be executed until then.

        Orders are cancelled even if none is listed, since lists lag behind. ``check_time`` is called before each
        repetition, and not once the stops are cancelled: what was executed meanwhile must be closed. The last word is
        believed after so many ``readings``, and after two if orders were listed.
        """

        def cancel(all_of_kind: Callable[[ApiCredential, str], None]) -> None:
            call = partial(all_of_kind, self._credential, self._symbol)
            self._persist(partial(self._change, call), lambda: check_time(0))

        listed = self.open_orders()
        cancel(self._desk.cancel_plain_orders)
        if listed and self.position_surely(2):
            self.close(check_time)
        try:
            cancel(self._desk.cancel_conditional_orders)
        finally:
            # An entry may have been executed between the last reading and the list. Its stop may be gone, even if the
            # answer to the cancelling was lost.
            self.close(lambda _: None, max(readings, 2 if listed else 1))

    def close(self, check_time: Callable[[int], None], readings: int = 1) -> None:
        """Close the position. Repeated reduce-only orders cannot do more than that.

        So many ``readings`` without a position end it.

        ``check_time`` is called before each try until a part is closed, with the time that closing it takes. A thin
        market takes many parts.
        """
        failure: ExchangeError = ExchangeUnavailable()
        tried, has_begun = 0, False
        while tried < CLOSING_TRIES:
            position = self.position_surely(readings)
            if not position:
                return
            if not has_begun:
                check_time(0 if tried else CLEARING_RESERVE_MS)
            try:
                if self.reduce(position, random_client_id()).filled:
                    has_begun = True
                    continue
            except ExchangeUnavailable as error:
                failure = error
            except ExchangeBadRequest as error:
                # There may be nothing left to close.
                if error.venue_code != Refusal.NOTHING_TO_REDUCE:
                    raise
                failure = error
            self.pause(tried)
            tried += 1
        raise failure

    def reduce(self, position: Decimal, name: str) -> Order:
        """Close a position, or so much of it as one order at the market can, and return that order."""
        side = Side.SELL if position > 0 else Side.BUY
        amount = min(abs(position), self._desk.contract(self._symbol).max_market_amount)
        closing = NewOrder(name, side, OrderType.MARKET, amount, reduce_only=True)
        try:
            return self.place(closing)
        except ExchangeUnavailable:
            found = self.find_closing(name)
            if found is None:
                raise
            return found

    def _persist(self, call: Callable[[], T], check: Callable[[], None] = lambda: None) -> T:
        """Make a repeatable call, and repeat it after a ``check`` if the exchange is unavailable."""
        for tried in range(TRIES - 1):
            self._check_time()
            try:
                return call()
            except ExchangeUnavailable:
                self.pause(tried)
                check()
        self._check_time()
        return call()

    def _change(self, call: Callable[[], T]) -> T:
        """Make a call that changes something. If its answer is lost, the venue may still accept it for a while."""
        self._check_time()
        try:
            return call()
        except ExchangeUnavailable:
            self.quiet_at = self._now() + SENDING_WINDOW_MS
            raise

    def _check_time(self) -> None:
        if self._last_begins_at is not None and self._now() > self._last_begins_at:
            raise ExchangeUnavailable

    def wait_until_quiet(self, deadline: int | None) -> None:
        """Wait until no change whose answer was lost can be made any more.

        Raises:
            ExchangeUnavailable: it can be made after ``deadline``, or there is no time to wait for.
        """
        left = self.quiet_at - self._now()
        if left <= 0:
            return
        if deadline is None or self.quiet_at > deadline:
            raise ExchangeUnavailable
        self._sleep(left / 1000)

    def pause(self, tried: int) -> None:
        """Wait before the next try."""
        self._sleep(FIRST_PAUSE_S * 2**tried)
