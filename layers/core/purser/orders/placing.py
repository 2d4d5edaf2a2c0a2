"""Carry out an intent at the exchange. Each step may be interrupted and repeated without doing anything twice.

An order whose outcome is unknown is looked up by its client order id. A missing one that only leaves the market may
be sent again. The venue refuses its id while the first is open, and it can close no more than the position. A
missing entry is never sent again; if it is not there after ``CERTAINTY_MS``, it never will be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from purser.clock import now_ms
from purser.errors import ExchangeBadRequest, ExchangeError, ExchangeUnavailable
from purser.exchanges.model import ApiCredential
from purser.exchanges.orders import FOUND_MS, UNFILLED_FOUND_MS, Order, OrderDesk, OrderStatus, Refusal
from purser.orders.calls import CLOSING_TRIES, TRIES, Calls
from purser.orders.intents import (
    CLEARING_LIFETIME_MS,
    CLEARING_RESERVE_MS,
    ENTRY_RESERVE_MS,
    LONGEST_LOOK_MS,
    Intent,
    State,
)
from purser.orders.model import (
    CLIENT_ID_PREFIX,
    Leg,
    Role,
    StopState,
    amount_left,
    client_id,
    is_closed,
    not_executed,
    state_of_stop,
)


class Undone(Exception):
    """Nothing of the intent is left at the exchange. ``error`` is the reason.

    ``entry`` is the entry order if it was executed before the position was closed again.
    """

    def __init__(self, error: ExchangeError, entry: Order | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.entry = entry


class Incomplete(Exception):
    """The venue refuses an exit, and to close the position, which has its stop. ``intent`` is left as it is."""

    def __init__(self, error: ExchangeError, intent: Intent) -> None:
        super().__init__(str(error))
        self.error = error
        self.intent = intent


TRIGGERING_MS = 5_000
"""The time that the venue needs, at most, to send an order that is triggered to its engine. Usually it is milliseconds.

It has left a stop TRIGGERING for good, with the position still open:
https://github.com/nautechsystems/nautilus_trader/discussions/5378.
"""

STUCK_LIFETIME_MS = 3 * 60 * 1000
"""The time after which an entry that is triggered and not executed is given up. Its exits are cancelled before."""


class Unprotected(Exception):
    """The venue refuses the stop of a position that may be the user's alone, so it cannot be closed either."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(str(error))
        self.error = error


class Unseen(ExchangeUnavailable):
    """The venue has an exit, since its id is in use, but does not find it yet, or not say what became of it."""


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
        self._calls = Calls(desk, credential, intent.symbol, now, sleep)
        self._intent = intent
        self._now = now
        self._deadline: int | None = None
        self._closings: list[Order] = []
        self._has_lost_closing = False

    def place(self, deadline: int) -> Intent:
        """Place a new intent: clear the symbol, then place entry, stop and take-profits.

        The entry is sent only if time remains for its stop, or for undoing it, until ``deadline`` (Unix ms).

        Returns:
            The intent, DONE or RESTING.

        Raises:
            Undone: nothing of it is left at the exchange.
            Incomplete: not all of it could be placed, and the rest is left.
        """
        self._deadline = deadline
        self._calls.end_before(deadline)
        if self._intent.entry is None:
            self._clear()
            return self._intent.at(State.DONE, self._now())

        def check_time(clearing_ms: int = 0) -> None:
            if max(self._now(), self._calls.quiet_at) + clearing_ms + ENTRY_RESERVE_MS > deadline:
                raise self._undone(ExchangeUnavailable())

        check_time(CLEARING_RESERVE_MS)
        if self._intent.strategy is None:
            self._clear(check_time)
        else:
            self._make_room()
        check_time()
        return self._complete(self._enter(self._intent.entry), {})

    def _undone(self, error: ExchangeError, entry: Order | None = None) -> Undone:
        """Return the end of an intent that has left nothing, once no lost change can meet the orders of another."""
        self._calls.wait_until_quiet(self._deadline)
        return Undone(error, entry)

    def resume(self, deadline: int) -> Intent:
        """Resume an intent that was cut, is unknown, rests or is closing, once it is certain what reached the venue.

        No call begins that may take until ``deadline`` (Unix ms).

        Returns:
            The intent, DONE or RESTING.

        Raises:
            Undone, Incomplete: as ``place``.
            Unprotected: a position that may be that of the intent has no stop, and cannot have one.
        """
        self._calls.end_before(deadline)
        before = self._intent.placed_entry
        if self._intent.state is State.RESTING and before is not None:
            return self._end_at_market(before) if self._intent.is_closing else self._look_after(before)
        entry = self._find_entry(self._intent.entry) if self._intent.entry else None
        if entry is None or entry.is_void:
            return self._resume_without_entry()
        return self._resume(entry)

    def _find_entry(self, leg: Leg) -> Order | None:
        """Look up the entry. One that is not found may be there all the same, and even have been executed."""
        found = self._find(leg)
        if found is None:
            self._calls.cancel(leg.order)
            if self._calls.position_surely():
                found = self._calls.find_in_history(leg.order)
        return found

    def _resume_without_entry(self) -> Intent:
        """Complete the clearing that a user asked for just now, or give up an order whose entry never arrived.

        What is given up leaves what it has not cleared yet.
        """
        if self._intent.entry is None and self._now() < self._intent.created_at + CLEARING_LIFETIME_MS:
            self._clear()
            return self._intent.at(State.DONE, self._now())
        self._cancel_exits()
        self._cancel_orphans()
        raise Undone(ExchangeUnavailable())

    def _look_after(self, before: Order) -> Intent:
        """Look after an entry that rests, and then after its exits, until the position is gone."""
        entry = self._find_again(before)
        if entry is None or entry.is_void:
            self._cancel_exits()
            return self._intent.with_orders(entry or before, {}, self._now()).at(State.DONE, self._now())
        if entry.triggering_since or (entry.is_open, entry.filled) != (before.is_open, before.filled):
            return self._resume(entry)
        stop = self._intent.stop
        is_protected = stop is None or state_of_stop(self._known(stop)) is StopState.STANDING
        if is_protected and not self._lacks_take_profit(entry) and (not entry.filled or self._is_as_reported(entry)):
            return self._intent
        return self._resume(entry)

    def _lacks_take_profit(self, entry: Order) -> bool:
        """Return whether the venue has refused a take-profit. It is asked again at each look."""
        if entry.is_open:
            return False
        exits = {order.client_id: order for order in self._intent.placed[1:]}
        missing = (leg for leg in self._intent.exits if leg.order.client_id not in exits)
        return any(leg.role is Role.TAKE_PROFIT and self._fitted(leg, entry, exits) for leg in missing)

    def _end_at_market(self, before: Order) -> Intent:
        """End a trade: cancel what rests of its entry, close what is left of its own, and cancel its exits."""
        entry = self._find_again(before)
        if entry is not None and not entry.is_void:
            self._find_closings()
            entry = self._close_out(None, entry, self._exits_to_close_beside())
        return self._end(entry or before).at(State.DONE, self._now())

    def _exits_to_close_beside(self) -> dict[str, Order]:
        """Return the exits as they are, or as they were last reported if they cannot be looked up now.

        Closing must not depend on look-ups. A position that has not changed since its entry is closed without them.
        """
        try:
            return self._known_exits()
        except Unseen:
            raise
        except ExchangeUnavailable:
            return {order.client_id: order for order in self._intent.placed[1:]}

    def _find_again(self, before: Order) -> Order | None:
        """Return an entry as it is now, or None if it is not found and has not been executed.

        Raises:
            ExchangeUnavailable: it is not found, and may have opened the position.
        """
        if not before.is_open:
            return before
        entry = self._find_entry(self._intent.legs[0])
        # The venue finds no old entry that has ended without a fill.
        is_forgotten = not before.filled and UNFILLED_FOUND_MS <= self._now() - before.timestamp < FOUND_MS
        if entry is None and not is_forgotten and self._calls.position():
            raise ExchangeUnavailable
        return entry

    def _is_as_reported(self, entry: Order) -> bool:
        """Return whether there is a position, and it is what the orders have left of it, as they were last reported.

        One that has changed since the last look may have been closed, and opened again with the same amount.
        """
        left = not_executed(entry, self._intent.placed[1:])
        if left <= 0:
            return False
        reading = self._calls.position_reading()
        if _on_side(entry, reading.amount) != left:
            return False
        is_unchanged = reading.changed_at < self._intent.updated_at - LONGEST_LOOK_MS
        return is_unchanged or amount_left(entry, self._calls.trades_since(entry), reading.amount) > 0

    def _end(self, entry: Order) -> Intent:
        """Cancel the exits of a position that is gone, since they would trade a later one."""
        self._cancel_exits()
        return self._intent.with_orders(entry, self._known_exits(), self._now())

    def _known_exits(self) -> dict[str, Order]:
        known = {leg.order.client_id: self._known(leg) for leg in self._intent.exits}
        return {name: order for name, order in known.items() if order is not None}

    def _known(self, leg: Leg) -> Order | None:
        """Return an exit as it is, or as it was last reported if it is not found: look-ups lag behind.

        One that is so old that the venue may have forgotten it has ended, and so has one of an unknown status that is
        not listed as open. A stop is then placed again, which the venue refuses if it is open all the same.
        """
        found = self._find(leg)
        if found is not None:
            is_over = found.status is None and self._listed(leg) is None
            return replace(found, status=OrderStatus.EXPIRED) if is_over else found
        before = self._intent.reported(leg)
        if before is not None and before.is_open and self._now() >= before.timestamp + UNFILLED_FOUND_MS:
            return replace(before, status=OrderStatus.EXPIRED)
        return before

    def _resume(self, entry: Order) -> Intent:
        """Place what is missing, unless there is no position to leave."""
        known, stop = self._known_exits(), self._intent.stop
        self._find_closings()
        if self._closings:
            # It was being undone.
            return self._undo(ExchangeUnavailable(), entry, known)
        is_stopped = stop is not None and state_of_stop(known.get(stop.order.client_id)) is StopState.EXECUTED
        if entry.is_open and is_stopped:
            # Its rest would be executed without a stop.
            entry = self._end_entry(entry)
            if entry.is_open:
                raise ExchangeUnavailable
        if entry.is_open:
            return self._rest(entry, known)
        left = not_executed(entry, known.values())
        if left <= 0:
            return self._end(entry)
        trades, position = self._calls.trades_since(entry), self._calls.position_surely()
        untouched = self._intent.with_orders(entry, known, self._now()).at(State.RESTING, self._now())
        if not amount_left(entry, trades, position):
            if not position and self._is_news(entry) and not is_closed(entry, trades):
                # Readings lag behind fills.
                return untouched
            return self._end(entry)
        if not trades and not self._is_news(entry) and _on_side(entry, position) != left:
            # It cannot be told whose position this is: there were too many trades, or none is listed any more.
            return self._protect(entry, known, left)
        if is_stopped:
            # The stop has closed what there was, and the entry was executed further.
            return self._undo(ExchangeUnavailable(), entry, known)
        self._withdraw_excess(entry, known, is_shared=_on_side(entry, position) > left)
        return self._complete(entry, known)

    def _rest(self, entry: Order, known: dict[str, Order]) -> Intent:
        """Place the missing exits beside an entry that is open.

        If it is stuck, cancel them, since they could trade what the user opens. If it is executed after all, they are
        placed again.
        """
        if not entry.triggering_since:
            return self._complete(entry, known)
        self._cancel_exits()
        return self._intent.with_orders(entry, {}, self._now())

    def _protect(self, entry: Order, known: dict[str, Order], left: Decimal) -> Intent:
        """Place the stop if it is lost, for no more than the orders have left, and change nothing else.

        Raises:
            Unprotected: the venue refuses it.
        """
        stop = self._intent.stop
        if stop is not None and self._is_lost(stop, known.get(stop.order.client_id)):
            try:
                placed = self._place_exit(stop.bound(True).for_amount(left), resting=False)
            except ExchangeUnavailable:
                raise
            except ExchangeError as error:
                raise Unprotected(error) from None
            if placed is not None:
                known[stop.order.client_id] = placed
        return self._intent.with_orders(entry, known, self._now()).at(State.RESTING, self._now())

    def _withdraw_excess(self, entry: Order, known: dict[str, Order], *, is_shared: bool) -> None:
        """Cancel the exits that are for more than an ended entry has left, so that they are placed again for less.

        They would trade what the user has added. The stop of a position that is not shared does no harm. A take-profit
        that stood at the last look, and is cancelled by now, may have been withdrawn by a look that was cut.
        """
        left = entry.filled
        for leg in self._intent.exits:
            order = known.get(leg.order.client_id)
            # One that is stuck cannot be cancelled.
            if order is not None and leg.role is Role.TAKE_PROFIT and order.triggering_since is None:
                before = self._intent.reported(leg)
                may_be_withdrawn = order.is_void and before is not None and before.is_open
                if (_size(order) if may_be_withdrawn else _share(order)) > left:
                    order = self._withdraw(leg, known)
                left -= _share(order) if order else 0
        stop = self._intent.stop
        standing = known.get(stop.order.client_id) if stop else None
        if stop and standing and is_shared and _share(standing) - standing.filled > not_executed(entry, known.values()):
            self._withdraw(stop, known)

    def _withdraw(self, leg: Leg, known: dict[str, Order]) -> Order | None:
        """Cancel an exit, and return it if it was executed before. Otherwise it is ``known`` no more."""
        name = leg.order.client_id
        self._calls.cancel_by_id(name)
        found = self._find(leg)
        if found is not None and found.is_open:
            raise ExchangeUnavailable
        if found is None or found.is_void:
            del known[name]
            return None
        known[name] = found
        return found

    def _is_news(self, entry: Order) -> bool:
        """Return whether an entry has filled more than was last reported."""
        before = self._intent.placed_entry
        return before is None or entry.filled > before.filled

    def _is_lost(self, leg: Leg, found: Order | None) -> bool:
        """Return whether to place an exit. A take-profit that was placed, and then ended, was cancelled by the user."""
        if self._is_effective(leg, found):
            return False
        return leg.role is Role.STOP or found is None or self._intent.reported(leg) is None

    def _is_effective(self, leg: Leg, found: Order | None) -> bool:
        """Return whether an exit stands or has been executed.

        So does a take-profit that is stuck: its price was reached, and the stop protects the position.
        """
        if leg.role is Role.STOP:
            return state_of_stop(found) is not StopState.LOST
        return found is not None and (not found.is_void or found.triggering_since is not None)

    def _end_entry(self, entry: Order) -> Order:
        """Cancel an entry that must not be executed any further, and return it as it is then."""
        leg = self._intent.legs[0]
        self._calls.cancel(leg.order)
        return self._find(leg) or entry

    def _complete(self, entry: Order, known: dict[str, Order]) -> Intent:
        """Place the exits that are not among the ``known`` ones, or are lost."""
        exits = dict(known)
        unseen: Unseen | None = None
        for leg in self._intent.exits:
            if not self._is_lost(leg, exits.get(leg.order.client_id)):
                continue
            suited = leg if entry.is_open else self._fitted(leg, entry, exits)
            if suited is None:
                continue
            try:
                placed = self._place_exit(suited, resting=entry.is_open)
            except Unseen as error:
                unseen = error
                continue
            except ExchangeError as error:
                if self._goes_on_without(leg, error):
                    continue
                return self._undo(error, entry, exits)
            if placed is not None:
                exits[leg.order.client_id] = placed
        if unseen is not None:
            raise unseen
        return self._intent.with_orders(entry, exits, self._now())

    def _goes_on_without(self, leg: Leg, error: ExchangeError) -> bool:
        """Return whether the order goes on without an exit that could not be placed, or is undone.

        One that rests was answered, and has its stop.

        Raises:
            ExchangeError: the exit can be placed later.
        """
        if leg.role is Role.STOP:
            return False
        is_resting = self._intent.state is State.RESTING
        if isinstance(error, ExchangeUnavailable) or (is_resting and not isinstance(error, ExchangeBadRequest)):
            raise error
        return is_resting

    def _fitted(self, leg: Leg, entry: Order, exits: dict[str, Order]) -> Leg | None:
        """Return an exit for what an ended entry has filled, or None if the other take-profits leave nothing for it.

        The stop ends with the position, as it cannot do before there is one.
        """
        if leg.role is Role.STOP:
            return leg.bound(True).at_most(not_executed(entry, exits.values()))
        others = (exits.get(each.order.client_id) for each in self._intent.exits if each.role is leg.role)
        shares = (_share(order) for order in others if order and order.client_id != leg.order.client_id)
        left = entry.filled - sum(shares, Decimal(0))
        return leg.at_most(left) if left > 0 else None

    def _enter(self, leg: Leg) -> Order:
        try:
            entry = self._calls.place(leg.order)
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
        """Look up an entry whose answer was lost, and again when it cannot arrive any more."""
        found = self._find(leg)
        if found is None:
            self._calls.wait_until_quiet(self._deadline)
            found = self._find(leg)
        if found is None:
            raise ExchangeUnavailable
        return found

    def _place_exit(self, leg: Leg, *, resting: bool) -> Order | None:
        """Place an exit. Return None for a take-profit whose price lies between the market and a resting entry.

        Such a take-profit must wait for the entry, because now it would trigger at once with nothing to close. Nor is
        a stop placed beside one of the user's.
        """
        try:
            return self._insist(leg)
        except ExchangeBadRequest as error:
            if leg.role is Role.TAKE_PROFIT and _is(error, Refusal.WOULD_TRIGGER_AT_ONCE):
                # Its price has been reached already, so the part is sold at that price or a better one.
                return None if resting else self._place_exit(leg.as_plain_limit, resting=resting)
            if _is(error, Refusal.CLOSED_BY_ANOTHER):
                return self._stop_in_the_way(leg, error)
            if leg.order.bound_to_position and self._must_be_unbound(error):
                return self._place_exit(leg.bound(False), resting=resting)
            raise

    def _must_be_unbound(self, error: ExchangeBadRequest) -> bool:
        """Return whether the venue does not accept an exit that ends with the position, or not yet.

        Binance accepts this time in force without documenting it. Its algo service may see a fill late.
        """
        if _is(error, Refusal.NO_POSITION):
            return bool(self._calls.position_surely())
        return _is(error, Refusal.TIME_IN_FORCE)

    def _stop_in_the_way(self, leg: Leg, refusal: ExchangeBadRequest) -> Order | None:
        """Return the stop that closes the position already if it is ours, or None if it is one of the user's.

        Raises:
            Unseen: the venue does not find it yet.
            ExchangeBadRequest: it is one of the user's beside a new order, or ours and stuck.
        """
        own = self._find(leg)
        if own is not None and not self._is_lost(leg, own):
            return own
        kind, side = leg.order.type.value.lower(), leg.order.side.value.lower()
        stops = (
            each for each in self._calls.open_orders() if (each.type, each.side, each.amount) == (kind, side, None)
        )
        is_users = any(each.client_id != leg.order.client_id for each in stops)
        if is_users and self._intent.state is State.RESTING:
            return None
        if is_users or (own is not None and own.triggering_since is not None):
            raise refusal
        raise Unseen

    def _undo(self, error: ExchangeError, entry: Order, exits: dict[str, Order]) -> Intent:
        """Close what the entry has opened, then cancel its exits, because of an error.

        Raises:
            Undone: nothing of the intent is left.
            Incomplete, ExchangeError: as ``_close_out``.
        """
        entry = self._close_out(error, entry, exits)
        self._cancel_exits()
        raise Undone(error, entry if entry.filled else None)

    def _close_out(self, error: ExchangeError | None, entry: Order, exits: dict[str, Order]) -> Order:
        """Cancel what rests of an entry, and close what it has opened. The exits that stand do so until then.

        ``error`` is the reason, if there is one; without it, a refusal to close is.

        Returns:
            The entry as it is then.

        Raises:
            Incomplete: closing is refused, and the position has its stop.
            ExchangeError: closing is refused or unknown, and so is the stop.
        """
        if entry.is_open:
            entry = self._end_entry(entry)
        if entry.filled:
            self._close_surely(error, entry, exits)
        if entry.is_open:
            raise ExchangeUnavailable
        self._calls.wait_until_quiet(self._deadline)
        return entry

    def _close_surely(self, error: ExchangeError | None, entry: Order, exits: dict[str, Order]) -> None:
        """Close what the entry has opened, or have it protected. See ``_close_out`` for the errors."""
        for tried in range(CLOSING_TRIES):
            try:
                self._close_entry(entry, exits)
                return
            except ExchangeBadRequest as refusal:
                reason = error or refusal
                if self._is_protected(exits):
                    self._calls.wait_until_quiet(self._deadline)
                    raise Incomplete(reason, self._intent.with_orders(entry, exits, self._now())) from None
                if tried == CLOSING_TRIES - 1:
                    raise reason from None
                self._calls.pause(tried)

    def _close_entry(self, entry: Order, exits: dict[str, Order]) -> None:
        """Close what the entry has opened and its exits have left, and nothing that the user has added.

        If the venue answers no reading, nothing is closed: the stop may have been placed.
        """
        failure: ExchangeError = ExchangeUnavailable()
        tried = 0
        while tried < CLOSING_TRIES:
            left = self._left_of(entry, exits)
            if left <= 0:
                return
            try:
                if self._close_part(_on_side(entry, left)):
                    continue
            except ExchangeUnavailable as error:
                failure = error
            except ExchangeBadRequest as error:
                if not _is(error, Refusal.NOTHING_TO_REDUCE):
                    raise
                if tried and _on_side(entry, self._calls.position()) <= 0:
                    return
                failure = error
                # Take-profits that rest as limit orders may close all of it already.
                for leg in self._intent.exits:
                    if leg.role is Role.TAKE_PROFIT:
                        self._calls.cancel_by_id(leg.order.client_id)
            self._calls.pause(tried)
            tried += 1
        raise failure

    def _left_of(self, entry: Order, exits: dict[str, Order]) -> Decimal:
        """Return how much is left to close of what the entry has opened.

        A closing whose answer was lost may still be executed. This waits until it is certain what became of it.
        """
        if self._has_lost_closing:
            self._calls.wait_until_quiet(self._deadline)
            self._find_closings()
            self._has_lost_closing = False
        left = self._not_closed(entry, exits)
        if left <= 0:
            return left
        reading = self._calls.position_reading()
        position, open_amount = reading.amount, _on_side(entry, reading.amount)
        if open_amount == left and self._is_untouched(entry, exits, reading.changed_at):
            return left
        for leg in self._intent.exits:
            if leg.order.client_id in exits:
                exits[leg.order.client_id] = self._find(leg) or exits[leg.order.client_id]
        left, trades = self._not_closed(entry, exits), self._calls.trades_since(entry)
        amount = amount_left(entry, trades, position)
        if not amount and open_amount <= 0 and not is_closed(entry, trades):
            # Readings lag behind fills. If there is nothing, the venue refuses to close it.
            return left
        return min(left, amount)

    def _is_untouched(self, entry: Order, exits: dict[str, Order], changed_at: int) -> bool:
        """Return whether a position has not changed since its entry was filled, but by the closings that followed.

        Otherwise the user may have closed it, and opened another one with the same amount.
        """
        if not entry.is_done or any(order.filled for order in exits.values()):
            return False
        return changed_at <= max(order.updated_at or 0 for order in (entry, *self._closings))

    def _not_closed(self, entry: Order, exits: dict[str, Order]) -> Decimal:
        return not_executed(entry, [*exits.values(), *self._closings])

    def _close_part(self, amount: Decimal) -> Decimal:
        """Send a closing order, and return how much it has closed.

        Its client order id derives from the intent, and stays the same until it is known what became of the order.
        """
        try:
            self._note_closing(self._calls.reduce(amount, self._closing_id))
        except ExchangeUnavailable:
            self._has_lost_closing = True
            raise
        return self._closings[-1].filled

    @property
    def _closing_id(self) -> str:
        return client_id(self._intent.id, self._intent.generation, f"closing-{len(self._closings)}")

    def _find_closings(self) -> None:
        """Look up the closings that were sent here, or by a process that was interrupted."""
        while (found := self._calls.find_closing(self._closing_id)) is not None:
            self._note_closing(found)

    def _note_closing(self, closing: Order) -> None:
        if closing.is_open:
            raise ExchangeUnavailable
        self._closings.append(closing)
        self._has_lost_closing = False

    def _is_protected(self, exits: dict[str, Order]) -> bool:
        """Place the stop if it is missing, and return whether it stands.

        One that has been executed protects nothing that the entry has filled since then.
        """
        stop = self._intent.stop
        if stop is None or state_of_stop(exits.get(stop.order.client_id)) is StopState.STANDING:
            return True
        try:
            placed = self._place_exit(stop.bound(True), resting=False)
        except ExchangeError:
            return False
        if placed is not None:
            exits[stop.order.client_id] = placed
        return placed is not None

    def _insist(self, leg: Leg) -> Order:
        """Place an exit. After a time-out, look it up and send it again under the same id if it is missing.

        If the venue refuses the id because it is in use, the exit is open, whatever look-ups say: they lag behind.

        Raises:
            Unseen: the exit is open and cannot be looked up yet.
        """
        failure: ExchangeError = ExchangeUnavailable()
        refusal: ExchangeBadRequest | None = None
        for tried in range(TRIES):
            try:
                return self._calls.place(leg.order)
            except ExchangeUnavailable as error:
                failure = failure if isinstance(failure, Unseen) else error
                if tried == TRIES - 1:
                    break
            except ExchangeBadRequest as error:
                if not _is(error, Refusal.CLIENT_ID_IN_USE):
                    raise
                failure, refusal = Unseen(), error
            self._calls.pause(tried)
            found = self._find(leg)
            if found is not None and self._is_effective(leg, found):
                return found
            if refusal is not None and found is not None and found.triggering_since is not None:
                # A stop that is stuck keeps its id, and cannot be cancelled.
                raise refusal
        raise failure

    def _find(self, leg: Leg) -> Order | None:
        """Look up an order, among the open ones too: the venue may not find a conditional order for minutes.

        An order that is stuck between its trigger and the engine counts as rejected: exits soon, an entry in the end.

        Raises:
            ExchangeUnavailable: the order has triggered, and what became of it is not reported yet.
        """
        found = self._calls.find(leg.order)
        if found is None and leg.role is Role.TAKE_PROFIT and leg.is_conditional:
            found = self._calls.find(leg.as_plain_limit.order)
        if found is None:
            found = self._listed(leg)
        if found is not None and found.triggering_since is not None:
            if not self._is_stuck(found):
                raise Unseen
            is_over = leg.role is not Role.ENTRY or self._now() >= found.triggering_since + STUCK_LIFETIME_MS
            return replace(found, status=OrderStatus.REJECTED) if is_over else found
        if found is not None and leg.role is Role.ENTRY and found.is_done and not found.filled:
            raise ExchangeUnavailable
        return found

    def _listed(self, leg: Leg) -> Order | None:
        """Return an order from the list of open ones."""
        return next((each for each in self._calls.open_orders() if each.client_id == leg.order.client_id), None)

    def _is_stuck(self, order: Order) -> bool:
        """Return whether the venue has left an order behind when it was triggered."""
        return order.triggering_since is not None and self._now() >= order.triggering_since + TRIGGERING_MS

    def _cancel_exits(self) -> None:
        """Cancel the exits, and then those that are still listed. The venue may have refused to see them as open.

        Raises:
            ExchangeUnavailable: some are still open.
        """
        names = [leg.order.client_id for leg in self._intent.exits]
        for tried in range(TRIES):
            for name in names:
                self._calls.cancel_by_id(name)
            # One that is stuck cannot be cancelled.
            listed = {order.client_id for order in self._calls.open_orders() if not self._is_stuck(order)}
            names = [name for name in names if name in listed]
            if not names:
                return
            self._calls.pause(tried)
        raise ExchangeUnavailable

    def _cancel_orphans(self) -> None:
        """Cancel the exits of earlier orders of Purser whose position is gone."""
        # An intent that this one replaced rests again, with its exits.
        if self._intent.replaces or self._calls.position_surely():
            return
        for order in self._calls.open_orders():
            if order.reduce_only and order.client_id.startswith(CLIENT_ID_PREFIX):
                self._calls.cancel_by_id(order.client_id)

    def _make_room(self) -> None:
        """Cancel the orders of a symbol without a position, so that it is free for a strategy.

        Those that could open a position come first. A position that is there all the same is the user's, and keeps its
        exits.

        Raises:
            Undone: the symbol has a position, or cancelling is refused.
        """
        try:
            listed = self._calls.open_orders()
            exits = [order for order in listed if order.reduce_only or order.amount is None]
            self._check_no_position()
            for order in listed:
                if order not in exits:
                    self._calls.cancel_by_id(order.client_id)
            if len(exits) < len(listed):
                self._check_no_position()
            for order in exits:
                self._calls.cancel_by_id(order.client_id)
        except ExchangeUnavailable:
            raise
        except ExchangeError as error:
            raise self._undone(error) from None

    def _check_no_position(self) -> None:
        if self._calls.position():
            raise ExchangeBadRequest(venue_code=Refusal.OPEN_POSITION)

    def _clear(self, check_time: Callable[[int], None] = lambda _: None) -> None:
        """Close the position, and then cancel the symbol's orders, so that it keeps its stop if closing is refused.

        ``check_time`` is called before what may be given up, with the milliseconds that this takes.

        Raises:
            Undone: closing is refused, and nothing has changed; or cancelling is, and there is no position.
        """
        try:
            self._calls.close(check_time)
            # A user who asks for a clearing is told that nothing is left.
            self._calls.cancel_all(check_time, readings=TRIES if self._intent.entry is None else 1)
        except ExchangeUnavailable:
            raise
        except ExchangeError as error:
            raise self._undone(error) from None
        self._calls.wait_until_quiet(self._deadline)


def _share(order: Order) -> Decimal:
    """Return how much an exit has executed and may still execute. One that closes the whole position has no share."""
    return _size(order) if order.is_open else order.filled


def _size(order: Order) -> Decimal:
    return order.amount or Decimal(0)


def _on_side(entry: Order, amount: Decimal) -> Decimal:
    """Return an amount as positive if it is on the side of an entry, and vice versa."""
    return amount if entry.side == "buy" else -amount


def _is(error: ExchangeError, refusal: Refusal) -> bool:
    return error.venue_code == refusal
