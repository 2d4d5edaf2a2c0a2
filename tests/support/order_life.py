"""The life of a user's manual orders: what the user asks of Purser and does by hand, prices, faults and time.

It runs in process on a virtual clock. ``Rules`` look at the exchange at each call of Purser and after everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from itertools import count
from typing import Protocol

from local.doubles.binance import order_routes
from local.doubles.binance.control import create_key
from local.doubles.binance.faults import Fault
from local.doubles.binance.messages import Answer, Request
from local.doubles.binance.model import Algo, Order
from local.doubles.binance.routing import Call
from local.doubles.binance.wire import Params, WireError
from purser.errors import PurserError
from purser.exchanges.model import ApiCredential
from purser.orders.intents import Intent, State
from purser.orders.model import ManualOrder
from purser.orders.reconciling import BEGINNING_SHARE
from tests.support.crashes import Killed
from tests.support.intents import RUN_LIMIT_MS, USER_ID, IntentsKept, World
from tests.support.order_rules import (
    MARKET,
    RUN_INTERVAL_MS,
    SWEEP_MS,
    Change,
    Operation,
    Outcome,
    Rules,
    Seen,
)
from tests.support.paper_in_process import DeskInProcess, new_exchange
from tests.support.sequences import BrokenRule

SYMBOL = "BTC/USDT"
START = Decimal(20000)
LOWEST, HIGHEST = Decimal(8000), Decimal(60000)
TICK = Decimal("0.1")
REQUEST_MS = 28_000
"""The time after which Lambda ends a request."""

BAN_S = 5
CLIENT_IDS = ("newClientOrderId", "clientAlgoId", "origClientOrderId")


class Step(Protocol):
    """Something that happens."""

    def take(self, life: OrderLife) -> None:
        """Let it happen."""


class Waits(BaseException):
    """A run of the reconciler waits. It goes on when its time has come, and other things happen until then."""


@dataclass(frozen=True)
class Planned:
    """Something that happens after so many more calls of Purser."""

    skip: int
    step: Step


class OrderLife:
    """A user's futures account, from an empty market on."""

    def __init__(self, desk: DeskInProcess, store: IntentsKept | None = None) -> None:
        self.clock, self.exchange = desk.clock, new_exchange(desk)
        key = create_key(self.exchange, {"balances": {"futures": {"USDT": "10000"}}}, {})
        self.account = self.exchange.accounts[key["apiKey"]]
        self.world = World(
            desk, self.clock, ApiCredential(key["apiKey"], key["secret"]), store, self.clock.sleep, self._let_wait
        )
        self.rules = Rules(self.exchange, self.account.api_key)
        self.operation = Operation()
        self.broken: BrokenRule | None = None
        self.names = count()
        self.last: tuple[str, ManualOrder] | None = None
        self.planned: list[Planned] = []
        self.delays: list[tuple[int, int]] = []
        self.late: list[tuple[Request, Operation]] = []
        self.ends_at = self.next_run_at = self.run_ends_at = self.clock.now
        self.run_goes_on_at: int | None = None
        desk.wire.perform, desk.wire.delay = self.perform, self.delay_of
        self.world.scissors.before_each = self.before_call
        self.move_price(START)

    def live(self, steps: Sequence[Step]) -> None:
        """Take the steps, and let everything settle."""
        for step in steps:
            step.take(self)
            self.rules.observe()
            self.wait(0)
            self._check_calls()
        self.heal()
        self.limit_depth(Decimal(0))
        self.wait(SWEEP_MS)
        self._check_calls()
        unsettled = [intent for intent in self.rules.intents.values() if intent.state is State.UNKNOWN]
        if unsettled:
            raise BrokenRule(f"not settled: {unsettled}")

    # what the user asks of Purser

    def place(self, order: ManualOrder) -> None:
        self.last = f"order-{next(self.names)}", order
        self._create(*self.last)

    def repeat(self) -> None:
        if self.last:
            self._create(*self.last)

    def _create(self, name: str, order: ManualOrder) -> None:
        orders, account_id = self.world.orders, self.world.account_id
        operation, before = Operation(is_order=True), self.rules.seen()
        outcome = self._run(operation, REQUEST_MS, lambda: orders.create(USER_ID, account_id, name, order))
        self.rules.check_order(self._note(name), operation, outcome, before)

    def clear(self) -> None:
        orders, account_id = self.world.orders, self.world.account_id
        operation = Operation(clears=True)
        outcome = self._run(operation, REQUEST_MS, lambda: orders.clear_position(USER_ID, account_id, SYMBOL))
        if outcome is Outcome.ANSWERED:
            self.rules.check_cleared(operation)

    def _run(self, operation: Operation, milliseconds: int, act: Callable[[], object]) -> Outcome:
        """Run a request or the reconciler, within the time of its function."""
        self.operation, self.ends_at = operation, self.clock.now + milliseconds
        try:
            act()
            outcome = Outcome.ANSWERED
        except PurserError:
            outcome = Outcome.REFUSED
        except Killed:
            outcome = Outcome.KILLED
            self.world.scissors.at = -1
        except Waits:
            outcome = Outcome.ANSWERED
        if operation.is_troubled or outcome is Outcome.KILLED:
            self.rules.troubled_until = self.clock.now
            leases = [lock.leased_until for lock in self.world.store.stored_locks]
            operation.is_unfinished = outcome is Outcome.KILLED or any(leases)
        self.operation = Operation()
        if self.world.telemetry.failures:
            raise self.world.telemetry.failures[0]
        self._check_calls()
        return outcome

    def _check_calls(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _note(self, name: str) -> Intent | None:
        intent = self.world.store.get(self.world.account_id, name)
        if intent is not None:
            self.rules.note_intent(intent)
        return intent

    # time, and the reconciler

    def wait(self, milliseconds: int) -> None:
        """Let time pass, with the runs of the reconciler."""
        until = self.clock.now + milliseconds
        while (next_at := min(self.next_run_at, self.run_goes_on_at or self.next_run_at)) <= until:
            self.clock.advance(max(0, next_at - self.clock.now))
            self.rules.observe()
            if self.run_goes_on_at is None:
                self.next_run_at += RUN_INTERVAL_MS
                self.run_ends_at = self.clock.now + RUN_LIMIT_MS
            self.run_goes_on_at = None
            self._reconcile()
            self.rules.observe()
        self.clock.advance(max(0, until - self.clock.now))

    def _let_wait(self, seconds: float) -> None:
        goes_on_at = self.clock.now + round(seconds * 1000)
        last_begins_at = self.run_ends_at - round(RUN_LIMIT_MS * (1 - BEGINNING_SHARE))
        self.run_goes_on_at = goes_on_at if goes_on_at <= last_begins_at else None
        raise Waits

    def _reconcile(self) -> None:
        store = self.world.store
        held = [store.get(lock.trading_account_id, lock.intent_id) for lock in store.stored_locks]
        clears = any(intent is not None and intent.order is None for intent in held)
        left = self.run_ends_at - self.clock.now
        self._run(Operation(clears=clears), left, lambda: self.world.reconciler.run(left))
        for intent in list(self.rules.intents.values()):
            if not intent.state.is_final:
                self._note(intent.id)

    # what happens to Purser's calls

    def fail(self, path: str, kind: str, skip: int, times: int, code: int | None) -> None:
        """Let calls fail. Only look-ups can miss an order."""
        method = "GET" if kind == "hide" else None
        key = self.account.api_key
        self.exchange.faults.arm(Fault(path, times, kind, code, key, method, skip=skip, retry_after=BAN_S))

    def delay(self, skip: int, milliseconds: int) -> None:
        self.delays.append((skip, milliseconds))

    def crash(self, skip: int, after: bool) -> None:
        scissors = self.world.scissors
        scissors.at, scissors.after = scissors.steps + skip, after

    def happen_later(self, skip: int, step: Step) -> None:
        self.planned.append(Planned(skip, step))

    def heal(self) -> None:
        self.exchange.faults.clear()
        self.stick(0, listed=False)
        self.world.scissors.at = -1
        self.delays, self.planned = [], []

    def before_call(self) -> None:
        """End the function if its time is over, or let happen what is planned."""
        if self.clock.now > self.ends_at:
            raise Killed
        due = [each for each in self.planned if not each.skip]
        self.planned = [replace(each, skip=each.skip - 1) for each in self.planned if each.skip]
        for each in due:
            each.step.take(self)

    def delay_of(self, call: Request) -> int:
        """Return by how much a call is delayed."""
        if not self.delays or call.method == "GET":
            return 0
        (skip, milliseconds), *others = self.delays
        self.delays = [(skip - 1, milliseconds), *others] if skip else others
        if skip:
            return 0
        self.operation.is_troubled = True
        self.late.append((call, self.operation))
        return milliseconds

    def perform(self, call: Request, is_late: bool) -> Answer:
        """Make a call of Purser at the exchange, and check what it does there."""
        before = self.rules.seen()
        answer = self.exchange.handle(call)
        made = self.exchange.requests[-1]
        operation = self._sender(call) if is_late else self.operation
        operation.is_troubled |= made["fault"] is not None
        operation.is_disturbed |= is_late
        if call.method != "GET":
            change = _change(call.method, made["params"], before, self.rules.seen())
            try:
                self.rules.check_change(change, operation)
            except BrokenRule as broken:
                # The gateway takes every exception of a call for a failure of the exchange.
                self.broken = self.broken or broken
            if not is_late:
                operation.note(change, is_of_earlier=self.rules.is_of_earlier(change.name))
                if self._has_expired(change.name):
                    operation.is_troubled = operation.has_failed_since_taking = True
        if made["fault"] or answer.status >= HTTPStatus.BAD_REQUEST:
            operation.note_failure()
        return answer

    def _sender(self, late: Request) -> Operation:
        """Return the operation that a late call counts for: its own if that has left it unknown."""
        sender = next(operation for call, operation in self.late if call is late)
        return sender if sender.is_unfinished else self.operation

    def _has_expired(self, name: str) -> bool:
        """Return whether the market did not hold enough for an order."""
        order = self.exchange.futures.orders.by_client_id(self.account.api_key, name)
        return order is not None and order.status == "EXPIRED"

    # what happens at the exchange

    @property
    def price(self) -> Decimal:
        return self.exchange.prices.price(SYMBOL)

    def level(self, name: str) -> Decimal:
        """Return a price of the last order, or the present one."""
        order = self.last[1] if self.last else None
        levels = {
            "entry": order.price if order else None,
            "stop": order.stop.trigger if order and order.stop else None,
            "take profit": order.take_profits[0] if order and order.take_profits else None,
        }
        return levels[name] or self.price

    def move_price(self, price: Decimal) -> None:
        self.operation.is_disturbed = True
        with self.exchange.turn() as now:
            self.exchange.move_price(SYMBOL, price.quantize(TICK) if LOWEST < price < HIGHEST else START, now)

    def limit_depth(self, depth: Decimal) -> None:
        self.exchange.futures.limit_depth(SYMBOL, depth)

    def stick(self, times: int, listed: bool) -> None:
        self.exchange.futures.algos.stick(times, listed=listed)

    def act_by_hand(self, what: str, which: int) -> None:
        """Do what the user can do at the exchange. It may refuse it."""
        self.operation.is_disturbed = True
        seen = self.rules.seen()
        names = sorted(seen.orders)
        with suppress(WireError):
            match what:
                case "cancel":
                    for name in names[which : which + 1]:
                        self._cancel_by_hand(name, seen.orders[name])
                case "cancel all":
                    for name in names:
                        self._cancel_by_hand(name, seen.orders[name])
                case _:
                    self._order_by_hand(what, seen.position)

    def _order_by_hand(self, what: str, position: Decimal) -> None:
        leaving = "SELL" if position > 0 else "BUY"
        ahead = 1 if position > 0 else -1
        placed: dict[str, dict[str, object]] = {
            "buy": {"side": "BUY", "quantity": "0.03"},
            "sell": {"side": "SELL", "quantity": "0.03"},
            "close": {"side": leaving, "quantity": abs(position)},
            "flip": {"side": leaving, "quantity": 2 * abs(position)},
            "bid": {"side": "BUY", "quantity": "0.02", "type": "LIMIT", "price": self._near(-15)},
            "ask": {"side": "SELL", "quantity": "0.02", "type": "LIMIT", "price": self._near(15)},
            "stop": {"side": leaving, "type": "STOP_MARKET", "triggerPrice": self._near(-40 * ahead)},
            "take profit": {"side": leaving, "type": "TAKE_PROFIT_MARKET", "triggerPrice": self._near(30 * ahead)},
        }
        name = f"hand-{next(self.names)}"
        order = {"type": "MARKET", **placed[what]}
        if "triggerPrice" in order:
            closes = {"clientAlgoId": name, "algoType": "CONDITIONAL", "closePosition": "true"}
            self._call_by_hand(order_routes.new_algo, order | closes)
        else:
            in_force = {"timeInForce": "GTC"} if order["type"] == "LIMIT" else {}
            self._call_by_hand(order_routes.new_order, order | in_force | {"newClientOrderId": name})

    def _near(self, thousandths: int) -> Decimal:
        return (self.price * (1000 + thousandths) / 1000).quantize(TICK)

    def _cancel_by_hand(self, name: str, order: Order | Algo) -> None:
        if isinstance(order, Algo):
            self._call_by_hand(order_routes.cancel_algo, {"clientAlgoId": name})
        else:
            self._call_by_hand(order_routes.cancel_order, {"origClientOrderId": name})
        self.rules.cancelled_by_hand.add(name)

    def _call_by_hand(self, endpoint: Callable[[Call], object], params: Mapping[str, object]) -> None:
        texts = {name: str(value) for name, value in params.items()}
        with self.exchange.turn() as now:
            endpoint(Call(self.exchange, Params(texts | {"symbol": MARKET}), now, self.account))


def _change(method: str, params: Mapping[str, str], before: Seen, after: Seen) -> Change:
    name = next((params[key] for key in CLIENT_IDS if key in params), "")
    is_entry = method == "POST" and not params.keys() & {"reduceOnly", "closePosition"}
    return Change(name, is_entry, before, after)
