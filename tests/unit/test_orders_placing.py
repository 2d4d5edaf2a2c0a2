"""Manual orders at a paper exchange in this process, when the exchange, the market or the user act in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qs

import pytest

from local.doubles.binance.control import add_fault, create_key
from local.doubles.binance.messages import Answer, Request
from local.doubles.binance.model import Algo, Order
from purser.clock import DAY_MS
from purser.errors import ExchangeError, ExchangeUnavailable, PurserError
from purser.exchanges import ccxt_orders
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import SENDING_WINDOW_MS, Contract, NewOrder, OrderType, Side
from purser.orders.intents import CERTAINTY_MS, ORDER_TIME_MS, Intent, State
from purser.orders.model import CLIENT_ID_PREFIX, EntryType, ManualOrder, Role, Stop, StopType
from purser.orders.placing import STUCK_LIFETIME_MS, TRIGGERING_MS, Placement
from tests.support.crashes import Killed
from tests.support.intents import RUN_LIMIT_MS, USER_ID, World
from tests.support.paper_in_process import DeskInProcess, new_exchange

D = Decimal
SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
ORDER, ALGO_ORDER, POSITION = "/fapi/v1/order", "/fapi/v1/algoOrder", "/fapi/v3/positionRisk"
STOP, STOP_LIMIT = Stop(D(17000), StopType.MARKET), Stop(D(17000), StopType.LIMIT, D(16900))
BY_HAND = "by-hand"
FUNCTION_MS = 28_000
"""The time after which Lambda ends the function of a request."""


class Account:
    """A user's futures account in a market at 20000, where it acts by hand and through Purser."""

    def __init__(self, desk: DeskInProcess) -> None:
        self.desk, self.clock, self.exchange = desk, desk.clock, new_exchange(desk)
        key = create_key(self.exchange, {"balances": {"futures": {"USDT": "10000"}}}, {})
        self.credential = ApiCredential(key["apiKey"], key["secret"])
        self.world = World(desk, self.clock, self.credential, sleep=self.clock.sleep)
        desk.wire.perform, desk.wire.delay = lambda call, _: self.exchange.handle(call), lambda _: 0
        self.price(20000)

    def price(self, price: int | Decimal) -> None:
        with self.exchange.turn() as now:
            self.exchange.move_price(SYMBOL, D(price), now)

    def depth(self, depth: str) -> None:
        self.exchange.futures.limit_depth(SYMBOL, D(depth))

    def fault(self, path: str, kind: str, **given: Any) -> None:
        add_fault(self.exchange, {"path": path, "kind": kind, "apiKey": self.credential.api_key} | given, {})

    def heal(self) -> None:
        self.exchange.faults.clear()

    def order(self, kind: EntryType = EntryType.MARKET, side: Side = Side.BUY, **given: Any) -> Intent:
        """Ask Purser for an order, and return its intent, whatever was answered."""
        name = f"order-{len(self.world.store.intents)}"
        with suppress(PurserError):
            order = ManualOrder(SYMBOL, kind, side, D("0.05"), **given)
            self.world.orders.create(USER_ID, self.world.account_id, name, order)
        return self.intent(name)

    def intent(self, name: str = "order-0") -> Intent:
        return self.world.store.intents[self.world.account_id, name]

    def trade(self, amount: str) -> None:
        """Buy or sell at the market by hand."""
        side = Side.SELL if amount.startswith("-") else Side.BUY
        self.hand(NewOrder(BY_HAND, side, OrderType.MARKET, abs(D(amount))))

    def hand(self, order: NewOrder) -> None:
        self.desk.place(self.credential, SYMBOL, order)

    def cancel(self, order: Order | Algo) -> None:
        conditional = isinstance(order, Algo)
        self.desk.cancel(self.credential, SYMBOL, order.client_id, conditional=conditional)

    @property
    def position(self) -> Decimal:
        position = self.exchange.accounts[self.credential.api_key].positions.get(MARKET)
        return position.quantity if position else D(0)

    @property
    def open_orders(self) -> list[Order | Algo]:
        futures, key = self.exchange.futures, self.credential.api_key
        return [*futures.orders.open_of(key, MARKET), *futures.algos.shelf.open_of(key, MARKET)]

    def open(self, role: Role) -> list[Order | Algo]:
        """Return the open orders of a role of any intent."""
        legs = [leg for intent in self.world.store.intents.values() for leg in intent.legs if leg.role is role]
        names = {leg.order.client_id for leg in legs}
        return [order for order in self.open_orders if order.client_id in names]


each_listing = pytest.mark.parametrize("listed", [True, False])


@pytest.fixture(scope="module")
def desk() -> Iterator[DeskInProcess]:
    desk = DeskInProcess()
    yield desk
    desk.close()


@pytest.fixture
def account(desk: DeskInProcess) -> Account:
    return Account(desk)


# ---- the state of the stop


def test_a_stop_that_was_cancelled_is_placed_again(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1
    assert account.intent().state is State.RESTING


def test_the_rest_of_a_position_has_a_stop_again_after_its_stop_was_executed_in_part(account: Account) -> None:
    account.order(stop=STOP)
    account.depth("0.02")
    account.price(16990)
    account.price(17010)
    assert account.position == D("0.03")
    assert account.open(Role.STOP) == []
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1


def test_a_position_whose_lost_stop_cannot_stand_any_more_is_closed(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    account.depth("0.02")
    account.price(16990)
    assert account.position == D("0.03")
    account.depth("0")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    intent = account.intent()
    assert intent.state is State.DONE, "its request was answered, so it has not failed"
    assert intent.placed_entry is not None


def test_what_an_entry_fills_after_its_stop_was_hit_has_a_stop_if_closing_is_refused(account: Account) -> None:
    account.order(EntryType.LIMIT, Side.SELL, price=D(20200), stop=Stop(D(21210), StopType.MARKET))
    account.depth("0.02")
    account.price(21211)
    account.price(20201)
    account.fault("/fapi/v1/order", "reject", method="POST", times=50, code=-2010)
    account.world.reconcile(1)
    assert account.position == D("-0.02")
    assert len(account.open(Role.STOP)) == 1
    assert account.intent().state is State.RESTING
    account.heal()
    account.price(21211)
    account.clock.advance(15_000)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_what_an_entry_fills_after_its_stop_was_hit_is_closed(account: Account) -> None:
    account.order(EntryType.LIMIT, Side.SELL, price=D(20200), stop=Stop(D(21210), StopType.MARKET))
    account.depth("0.02")
    account.price(21211)
    assert (account.position, account.open(Role.STOP)) == (D(0), [])
    account.price(20201)
    assert account.position == D("-0.02")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_a_trailing_entry_whose_stop_was_hit_is_cancelled(account: Account) -> None:
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(5), stop=STOP)
    account.price(17100)
    account.price(16990)
    assert (account.position, account.open(Role.STOP)) == (D(0), [])
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_a_trailing_entry_whose_stop_was_lost_has_it_again_before_it_fills(account: Account) -> None:
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(5), stop=STOP)
    account.price(17100)
    account.price(16990)
    account.price(17100)
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1
    account.price(18000)
    assert account.position == D("0.05")
    assert len(account.open(Role.STOP)) == 1


def test_a_stop_of_the_users_own_stands_in_for_one_that_the_user_cancelled(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.hand(NewOrder(BY_HAND, Side.SELL, OrderType.STOP_MARKET, trigger=D(16000), close_position=True))
    account.world.reconcile(2)
    assert account.position == D("0.05")
    assert BY_HAND in [order.client_id for order in account.open_orders]
    assert account.intent().state is State.RESTING


def stick(account: Account, price: int, *, listed: bool) -> None:
    """Let the stop be triggered by a price, and the venue leave it behind on its way to the engine."""
    account.exchange.futures.algos.stick(1, listed=listed)
    account.price(price)
    assert account.position == D("0.05")


@each_listing
def test_a_position_whose_stop_is_stuck_is_closed_beyond_its_price(account: Account, listed: bool) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    stick(account, 16990, listed=listed)
    account.world.reconcile(1)
    assert account.position == 0
    assert account.open(Role.TAKE_PROFIT) == []
    assert account.intent().state is State.DONE


@each_listing
@pytest.mark.parametrize("stop", [STOP, STOP_LIMIT])
def test_a_position_whose_stop_is_stuck_is_protected_or_closed_before_its_price(
    account: Account, stop: Stop, listed: bool
) -> None:
    account.order(stop=stop)
    stick(account, 16990, listed=listed)
    account.price(17100)
    account.world.reconcile(1)
    standing = [order for order in account.open(Role.STOP) if isinstance(order, Algo) and order.waits]
    assert bool(account.position) == bool(standing)
    assert bool(standing) != listed, "one that stays listed is in the way of another"


def test_a_stop_that_is_just_being_triggered_is_looked_at_again(account: Account) -> None:
    account.order(stop=STOP)
    account.clock.advance(60_000)
    stick(account, 16990, listed=False)
    began_at = account.clock.now
    account.world.reconciler.run(RUN_LIMIT_MS)
    assert [state for state, _ in account.world.telemetry.troubles] == [State.RESTING, State.DONE]
    assert account.position == 0
    assert account.clock.now < began_at + 2 * CERTAINTY_MS


def test_a_stop_that_is_stuck_does_not_hide_a_stop_of_the_users_own(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    stick(account, 16990, listed=False)
    account.price(17100)
    account.hand(stop_by_hand(16000))
    account.world.reconcile(1)
    assert account.position == D("0.05")
    assert len(account.open_orders) == 2
    assert account.intent().state is State.RESTING


@pytest.fixture
def stuck(account: Account) -> Algo:
    """A trailing entry that is stuck, whose exits have been withdrawn by the reconciler."""
    account.order(
        EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1), stop=STOP, take_profits=(D(21000), D(22000))
    )
    account.exchange.futures.algos.stick(1, listed=True)
    account.price(19400)
    account.price(19700)
    (entry,) = account.open(Role.ENTRY)
    assert isinstance(entry, Algo)
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    assert account.open(Role.STOP) + account.open(Role.TAKE_PROFIT) == []
    return entry


@pytest.mark.usefixtures("stuck")
def test_a_triggered_entry_that_is_stuck_is_given_up_after_a_while(account: Account) -> None:
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    account.clock.advance(STUCK_LIFETIME_MS)
    account.world.reconcile(1)
    assert account.intent().state is State.DONE
    assert account.open(Role.STOP) == []


def test_a_triggered_entry_that_is_executed_after_all_has_its_exits_again(account: Account, stuck: Algo) -> None:
    stuck.status = "NEW"
    account.price(19700)
    assert account.position == D("0.05")
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1
    assert [order.quantity for order in account.open(Role.TAKE_PROFIT)] == [D("0.025"), D("0.025")]


@pytest.mark.parametrize("is_found", [True, False])
def test_our_own_stop_in_the_way_of_another_protects_the_position(account: Account, is_found: bool) -> None:
    """The answer to it was lost, and the venue refuses another one for its place rather than for its id."""
    account.fault(ALGO_ORDER, "timeout_after", method="POST")
    account.fault(ALGO_ORDER, "hide", method="GET", times=1 if is_found else 4)
    account.fault("/fapi/v1/openAlgoOrders", "hide", times=1 if is_found else 3)
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4130)
    assert account.order(stop=STOP).state is (State.RESTING if is_found else State.UNKNOWN)
    assert account.position == D("0.05")
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)


@pytest.mark.parametrize("code", [-2011, -2013])
def test_an_order_that_the_venue_does_not_know_counts_as_cancelled(account: Account, code: int) -> None:
    account.fault(ORDER, "reject", method="DELETE", code=code, times=50)
    account.fault(ALGO_ORDER, "reject", method="DELETE", code=code, times=50)
    for conditional in (False, True):
        account.desk.cancel(account.credential, SYMBOL, "unknown", conditional=conditional)


def test_a_failure_to_cancel_is_no_answer_that_there_is_nothing(account: Account) -> None:
    account.fault(ORDER, "reject", method="DELETE", code=-2012)
    with pytest.raises(ExchangeError):
        account.desk.cancel(account.credential, SYMBOL, "unknown", conditional=False)


def test_a_new_order_beside_a_stop_of_the_users_is_undone(account: Account) -> None:
    """The user has placed it after the entry. It is for whatever they trade, and may be moved or cancelled."""
    between(account, ALGO_ORDER, lambda: account.hand(stop_by_hand(16000)))
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0
    assert [order.client_id for order in account.open_orders] == ["stop-by-hand"]


def test_a_take_profit_that_the_user_cancelled_is_not_placed_again(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    first, second = account.open(Role.TAKE_PROFIT)
    account.cancel(first)
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    assert account.open(Role.TAKE_PROFIT) == [second]
    assert len(account.open(Role.STOP)) == 1


def test_a_stop_of_an_unknown_status_stands_if_it_is_listed_as_open(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    before = account.open_orders
    (stop,) = account.open(Role.STOP)
    stop.told["algoStatus"] = "PAUSED"
    account.world.reconcile(1)
    assert account.open_orders == before
    assert isinstance(stop, Algo)
    stop.status = "PAUSED"  # It does not wait any more, so it is not listed.
    account.exchange.futures.algos.shelf.save(stop)
    account.world.reconcile(1)
    assert [order.status for order in account.open(Role.STOP)] == ["NEW"]


def test_a_stop_that_the_venue_binds_to_no_position_yet_is_placed_unbound(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4509)
    assert account.order(stop=STOP).state is State.RESTING
    (stop,) = account.open(Role.STOP)
    assert (account.position, stop.time_in_force) == (D("0.05"), "GTC")


def test_a_stop_that_reaches_the_matching_engine_too_late_is_sent_again(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-5028)
    assert account.order(stop=STOP).state is State.RESTING
    assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)


def test_a_refused_take_profit_of_an_order_that_rests_does_not_close_its_position(account: Account) -> None:
    """The user may have conditional orders of their own, of which the venue takes only so many."""
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(19800), D(21000)), stop=STOP)
    account.price(19500)
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4045, times=2)
    for take_profits in (1, 1, 2):
        account.world.reconcile(1)
        assert len(account.open(Role.TAKE_PROFIT)) == take_profits
        assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)
        assert account.intent().state is State.RESTING


@pytest.mark.parametrize("kind", ["rate_limit", "http_503"])
def test_a_late_take_profit_that_cannot_be_placed_now_does_not_close_the_position(account: Account, kind: str) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(19800), D(21000)), stop=STOP)
    account.price(19500)
    account.fault(ALGO_ORDER, kind, method="POST", times=3)
    account.world.reconcile(2)
    assert account.position == D("0.05")
    assert [len(account.open(role)) for role in (Role.STOP, Role.TAKE_PROFIT)] == [1, 2]


def test_a_take_profit_that_rests_as_a_limit_order_is_found_when_it_was_executed(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-2021, skip=1)
    account.order(stop=STOP, take_profits=(D(21000),))
    account.price(21000)
    account.trade("0.1")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.1"), [])
    assert account.intent().state is State.DONE


def test_a_take_profit_that_is_stuck_is_not_placed_again_for_less(account: Account) -> None:
    end_in_part(account, stop=STOP, take_profits=(D(21000), D(22000), D(23000)))
    account.price(21000)
    account.exchange.futures.algos.stick(1, listed=False)
    account.price(22000)
    account.clock.advance(TRIGGERING_MS)
    account.world.reconcile(1)
    (third,) = account.open(Role.TAKE_PROFIT)
    assert (account.position, third.quantity) == (D("0.014"), D("0.014"))


def test_a_take_profit_for_which_an_entry_has_filled_too_little_is_not_asked_for_again(account: Account) -> None:
    account.depth("0.03")
    account.order(stop=STOP, take_profits=(D(21000), D(22000), D(23000)))
    account.depth("0")
    account.world.reconcile(2)
    asked: list[str] = []
    perform = account.desk.wire.perform

    def note(call: Request, is_late: bool) -> Answer:
        asked.append(call.path)
        return perform(call, is_late)

    account.desk.wire.perform = note
    account.world.reconcile(1)
    assert asked == [ALGO_ORDER, POSITION]


# ---- undoing an order


def between(account: Account, path: str, happens: Callable[[], None], skip: int = 0) -> None:
    """Let something happen right before the next order that is placed at a path, or a later one."""
    perform, calls = account.desk.wire.perform, count()

    def meanwhile(call: Request, is_late: bool) -> Answer:
        if (call.method, call.path) == ("POST", path) and next(calls) == skip:
            account.desk.wire.perform = perform
            happens()
        return perform(call, is_late)

    account.desk.wire.perform = meanwhile


def test_undoing_an_order_leaves_what_the_user_has_added(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    between(account, ALGO_ORDER, lambda: account.trade("0.03"))
    assert account.order(stop=STOP).state is State.FAILED
    assert (account.position, account.open_orders) == (D("0.03"), [])


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_undoing_closes_once_although_the_answer_is_lost(account: Account, kind: str) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    between(account, ALGO_ORDER, lambda: account.trade("0.2"))
    account.fault(ORDER, kind, method="POST", skip=2)
    account.order(stop=STOP)
    assert account.position == D("0.2")


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_undoing_closes_once_although_look_ups_fail_too(account: Account, kind: str) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    between(account, ALGO_ORDER, lambda: account.trade("0.2"))
    account.fault(ORDER, kind, method="POST", skip=2)
    account.fault(ORDER, "http_503", method="GET", times=3)
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == D("0.2")


def test_undoing_closes_again_once_the_first_closing_cannot_arrive_any_more(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    account.fault(ORDER, "http_503", method="POST", skip=1)
    closed: list[int] = []
    perform = account.desk.wire.perform

    def note(call: Request, is_late: bool) -> Answer:
        if (call.method, call.path) == ("POST", ORDER):
            closed.append(account.clock())
        return perform(call, is_late)

    account.desk.wire.perform = note
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0
    _, first, second = closed
    assert second - first >= SENDING_WINDOW_MS


@pytest.mark.parametrize("amount", ["0.01", "0.03", "0.05", "0.2"])
def test_undoing_leaves_a_position_that_the_user_opened_after_closing_that_of_the_order(
    account: Account, amount: str
) -> None:
    def close_and_open() -> None:
        account.trade("-0.05")
        account.trade(amount)

    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    between(account, ALGO_ORDER, close_and_open)
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == D(amount)


def test_undoing_reads_no_trades_while_nothing_but_the_order_has_changed_the_position(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    asked: list[str] = []
    perform = account.desk.wire.perform

    def note(call: Request, is_late: bool) -> Answer:
        asked.append(call.path)
        return perform(call, is_late)

    account.desk.wire.perform = note
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0
    assert TRADES not in asked


def test_undoing_leaves_what_the_user_has_added_although_a_take_profit_was_executed_meanwhile(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131, skip=2)

    def sell_and_add() -> None:
        account.price(21000)
        account.trade("0.1")

    between(account, ALGO_ORDER, sell_and_add, skip=2)
    assert account.order(stop=STOP, take_profits=(D(21000), D(22000))).state is State.FAILED
    assert account.position == D("0.1")


@pytest.mark.parametrize("added", ["0", "0.2"])
def test_an_undone_order_has_failed_although_the_process_crashed(
    account: Account, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    """The reconciler finds the closing of the order, and closes nothing again."""
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    if D(added):
        between(account, ALGO_ORDER, lambda: account.trade(added))

    def crash(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(account.world.store, "finish", crash)
        with pytest.raises(Killed):
            account.order(stop=STOP)
    account.world.reconcile()
    assert account.position == D(added)
    assert account.intent().state is State.FAILED


def test_undoing_takes_off_what_take_profits_have_sold(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    account.price(21000)
    account.trade("0.1")
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.price(16990)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.1"), [])


def test_undoing_is_not_hindered_by_take_profits_that_rest_as_limit_orders(account: Account) -> None:
    """The venue refuses to close a position that resting orders close already."""
    account.fault(ALGO_ORDER, "reject", method="POST", code=-2021, skip=1, times=2)
    account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    assert len(account.open(Role.TAKE_PROFIT)) == 2
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.price(16990)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])


def test_a_lagging_position_does_not_keep_an_order_from_being_undone(account: Account) -> None:
    account.fault(POSITION, "lag", times=50)
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == D(0)


def test_nothing_is_closed_while_no_answer_of_the_venue_arrives(account: Account) -> None:
    """The stop stands, although all answers are lost."""
    account.fault("/", "timeout_after", times=50, skip=8)
    intent = account.order(stop=STOP)
    assert (intent.state, account.position) == (State.UNKNOWN, D("0.05"))


def test_a_stop_ends_after_a_late_take_profit_has_closed_the_position_at_once(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(19800),), stop=STOP)
    account.price(19500)
    account.price(19900)
    account.world.reconcile(2)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


# ---- readings that lag behind a fill


TRADES = "/fapi/v1/userTrades"


@pytest.mark.parametrize("lagging", [(POSITION,), (POSITION, TRADES)])
def test_exits_outlive_readings_that_do_not_show_the_fill_yet(account: Account, lagging: tuple[str, ...]) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(21000),), stop=STOP)
    for path in lagging:
        account.fault(path, "lag", times=50)
    account.price(19500)
    account.world.reconcile(1)
    account.heal()
    account.world.reconcile(1)
    assert account.position == D("0.05")
    assert [len(account.open(role)) for role in (Role.STOP, Role.TAKE_PROFIT)] == [1, 1]


def test_an_interrupted_order_gets_its_stop_although_readings_do_not_show_its_fill_yet(account: Account) -> None:
    account.fault(POSITION, "lag", times=50)
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    assert account.order(stop=STOP).state is State.UNKNOWN
    account.world.reconcile(1)
    account.heal()
    account.world.reconcile(1)
    assert account.position == D("0.05")
    assert len(account.open(Role.STOP)) == 1


def test_exits_outlive_a_trailing_entry_whose_execution_is_not_reported_yet(account: Account) -> None:
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1), stop=STOP)
    account.price(19400)
    account.price(19700)
    perform = account.desk.wire.perform

    def hide_execution(call: Request, is_late: bool) -> Answer:
        answer = perform(call, is_late)
        if (call.method, call.path) == ("GET", ALGO_ORDER):
            answer.body |= {"actualOrderId": ""}
        return answer

    account.desk.wire.perform = hide_execution
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1
    account.desk.wire.perform = perform
    account.world.reconcile(1)
    assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)
    assert account.intent().state is State.RESTING


def test_exits_end_at_the_second_look_if_no_trade_shows_why_the_position_is_gone(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(21000),), stop=STOP)
    account.price(19500)
    account.fault(TRADES, "lag", times=50)
    account.trade("-0.05")
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_exits_end_at_the_first_look_if_the_trades_show_why_the_position_is_gone(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(21000),), stop=STOP)
    account.price(19500)
    account.trade("-0.05")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_a_stop_whose_execution_is_not_found_yet_is_not_missing(account: Account) -> None:
    account.order(stop=STOP)
    (stop,) = account.open(Role.STOP)
    account.price(16990)
    account.fault(ORDER, "hide", method="GET")
    with pytest.raises(ExchangeUnavailable):
        account.desk.find(account.credential, SYMBOL, stop.client_id, conditional=True)


@pytest.mark.parametrize(("order_id", "is_on_its_way"), [("7", False), ("", True)])
def test_a_triggered_order_is_on_its_way_until_the_engine_has_it(
    account: Account, order_id: str, is_on_its_way: bool
) -> None:
    account.order(stop=STOP)
    (stop,) = account.open(Role.STOP)
    stop.told = {"algoStatus": "TRIGGERED", "actualOrderId": order_id}
    (listed,) = account.desk.open_orders(account.credential, TradeType.FUTURES, SYMBOL)
    assert (listed.triggering_since is not None) == is_on_its_way


# ---- a later position of the user's


LATER = D("0.03")


def close_and_open_again(account: Account) -> None:
    account.trade(f"{-account.position}")
    account.trade(f"{LATER}")


def test_exits_do_not_trade_a_later_position_of_the_same_side(account: Account) -> None:
    account.order(take_profits=(D(21000), D(22000)))
    close_and_open_again(account)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])
    assert account.intent().state is State.DONE


@pytest.mark.parametrize("given", [{"take_profits": (D(21000),)}, {"take_profits": (D(21000),), "stop": STOP}])
@pytest.mark.parametrize("watched", [0, 2])
def test_exits_do_not_trade_a_later_position_of_the_same_amount(
    account: Account, given: dict[str, Any], watched: int
) -> None:
    """A stop that was placed beside a resting entry outlives the position."""
    account.order(EntryType.LIMIT, price=D(19500), **given)
    account.price(19500)
    account.world.reconcile(watched)
    account.trade("-0.05")
    account.trade("0.05")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.05"), [])
    assert account.intent().state is State.DONE


def test_trades_are_read_only_while_a_position_has_changed_lately(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    account.world.reconcile(2)
    asked: list[str] = []

    def note(call: Request, _: bool) -> Answer:
        asked.append(call.path)
        return account.exchange.handle(call)

    account.desk.wire.perform = note
    account.world.reconcile(1)
    assert asked == [ALGO_ORDER, POSITION]


def test_a_lost_stop_is_not_placed_on_a_later_position(account: Account) -> None:
    """The venue ends a stop with its position."""
    account.order(stop=STOP, take_profits=(D(21000),))
    close_and_open_again(account)
    assert account.open(Role.STOP) == []
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])


def test_an_unknown_order_places_nothing_on_a_later_position(account: Account) -> None:
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    intent = account.order(stop=STOP, take_profits=(D(21000),))
    assert (intent.state, account.position) == (State.UNKNOWN, D("0.05"))
    close_and_open_again(account)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])
    assert account.intent().state is State.DONE


def test_a_take_profit_that_waits_is_not_placed_on_a_later_position(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(19800), D(21000)), stop=STOP)
    assert len(account.open(Role.TAKE_PROFIT)) == 1
    account.price(19500)
    close_and_open_again(account)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])


def test_an_order_whose_successor_was_refused_places_nothing_on_a_later_position(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), take_profits=(D(19800), D(21000)), stop=STOP)
    account.price(19500)
    account.fault(ORDER, "reject", code=-2010, method="POST", skip=1)
    successor = account.order(stop=STOP)
    assert (successor.state, account.position) == (State.FAILED, D(0))
    assert account.intent().state is State.RESTING, "it has its lock back"
    account.trade(f"{LATER}")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])
    assert account.intent().state is State.DONE


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_trailing_entry_is_found_in_the_trades_as_the_order_that_it_became(
    account: Account, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(ccxt_orders, "LONGEST_PAGE", page)
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1), stop=STOP)
    account.price(19400)
    account.price(19700)
    assert account.position == D("0.05")
    close_and_open_again(account)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])


@pytest.fixture
def few_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two trades be the most that are read."""
    monkeypatch.setattr(ccxt_orders, "LONGEST_PAGE", 1)
    monkeypatch.setattr(ccxt_orders, "MOST_PAGES", 2)


@pytest.mark.usefixtures("few_trades")
def test_only_a_lost_stop_is_placed_while_too_many_trades_hide_whose_position_it_is(account: Account) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    close_and_open_again(account)
    account.world.reconcile(2)
    assert account.position == LATER
    assert account.open_orders == [*account.open(Role.TAKE_PROFIT), *account.open(Role.STOP)]
    assert len(account.open_orders) == 2
    assert account.intent().state is State.RESTING
    account.trade(f"{-LATER}")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


@pytest.mark.usefixtures("few_trades")
def test_a_stop_that_is_placed_while_trades_are_unknown_closes_no_more_than_the_order_has_left(
    account: Account,
) -> None:
    account.order(stop=STOP)
    account.trade("0.03")
    account.trade("0.03")
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    account.price(16990)
    assert account.position == D("0.06")


@pytest.mark.usefixtures("few_trades")
def test_a_stop_that_is_refused_while_trades_are_unknown_raises_an_alarm(account: Account) -> None:
    account.order(stop=STOP)
    account.trade("0.03")
    account.trade("0.03")
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.price(16990)
    account.world.reconcile(1)
    assert {intent.id for intent in account.world.telemetry.unprotected_intents} == {"order-0"}
    assert account.position == D("0.11"), "it may be the user's alone"
    assert account.intent().state is State.RESTING
    account.price(20000)
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1


def test_nothing_changes_while_a_trade_cannot_be_read(account: Account) -> None:
    account.order(take_profits=(D(21000),))
    close_and_open_again(account)
    perform = account.desk.wire.perform

    def spoil(call: Request, is_late: bool) -> Answer:
        answer = perform(call, is_late)
        if call.path == TRADES:
            for row in answer.body:
                row["qty"] = "?" if row["side"] == "SELL" else row["qty"]
        return answer

    account.desk.wire.perform = spoil
    account.world.reconcile(1)
    assert (account.position, len(account.open(Role.TAKE_PROFIT))) == (LATER, 1)
    account.desk.wire.perform = perform
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (LATER, [])


@pytest.mark.usefixtures("few_trades")
def test_a_lost_stop_is_placed_again_after_too_many_trades_if_the_position_is_as_the_order_left_it(
    account: Account,
) -> None:
    account.order(stop=STOP)
    account.trade("0.03")
    account.trade("-0.03")
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1


@pytest.mark.usefixtures("few_trades")
def test_an_interrupted_order_gets_its_stop_after_too_many_trades(account: Account) -> None:
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    account.order(stop=STOP)
    account.trade("0.03")
    account.trade("0.03")
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1


@pytest.mark.parametrize("change", ["0.03", "-0.03"])
def test_a_position_that_the_user_has_changed_keeps_its_exits(account: Account, change: str) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    account.trade(change)
    account.world.reconcile(2)
    assert len(account.open_orders) == 2
    assert account.intent().state is State.RESTING


def test_an_entry_that_joins_a_position_keeps_its_exits_while_that_is_open(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    account.trade("0.03")
    account.price(19500)
    account.trade("-0.05")
    account.world.reconcile(1)
    assert account.position == D("0.03")
    assert len(account.open(Role.STOP)) == 1


# ---- changes whose answers are lost, and that may still be made


LATE_MS = 4_800
"""Later than Purser waits for an answer, and not too late for the venue."""


def come_late(account: Account, method: str, path: str, skip: int = 0) -> None:
    """Let the next call of a path arrive late, or a later one."""
    delays = [LATE_MS, *[0] * skip]

    def delay(call: Request) -> int:
        return delays.pop() if delays and (call.method, call.path) == (method, path) else 0

    account.desk.wire.delay = delay


def test_every_change_is_sent_with_the_window_after_which_the_venue_refuses_it(account: Account) -> None:
    windows: dict[tuple[str, str], set[str]] = {}
    perform = account.desk.wire.perform

    def note(call: Request, is_late: bool) -> Answer:
        if call.method != "GET":
            sent = parse_qs(f"{call.query}&{call.body}")
            windows.setdefault((call.method, call.path), set()).update(sent.get("recvWindow", ["none"]))
        return perform(call, is_late)

    account.desk.wire.perform = note
    account.trade("0.03")
    account.order(stop=STOP, take_profits=(D(21000),))
    account.trade("-0.05")
    account.world.reconcile(1)
    changes = {("POST", ORDER), ("POST", ALGO_ORDER), ("DELETE", ORDER), ("DELETE", ALGO_ORDER)}
    assert windows.keys() == changes | {("DELETE", "/fapi/v1/allOpenOrders"), ("DELETE", "/fapi/v1/algoOpenOrders")}
    assert set().union(*windows.values()) == {str(SENDING_WINDOW_MS)}


@pytest.mark.parametrize("path", ["/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"])
def test_a_late_cancelling_does_not_meet_the_new_order(account: Account, path: str) -> None:
    account.hand(NewOrder(BY_HAND, Side.BUY, OrderType.LIMIT, D("0.01"), price=D(19000)))
    come_late(account, "DELETE", path)
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    account.clock.advance(10_000)
    assert [len(account.open(role)) for role in (Role.ENTRY, Role.STOP)] == [1, 1]
    assert len(account.open_orders) == 2


def test_a_late_closing_does_not_meet_the_new_position(account: Account) -> None:
    account.trade("0.03")
    come_late(account, "POST", ORDER)
    account.order(stop=STOP)
    account.clock.advance(10_000)
    assert account.position == D("0.05")


def test_a_late_closing_does_not_meet_a_position_that_is_opened_after_a_refusal(account: Account) -> None:
    account.trade("0.03")
    come_late(account, "POST", ORDER)
    account.fault(ORDER, "reject", method="POST", code=-4131)
    assert account.order(stop=STOP).state is State.FAILED
    answered = account.position
    account.clock.advance(10_000)
    assert account.position == answered


def test_a_cleared_symbol_is_answered_when_nothing_can_happen_any_more(account: Account) -> None:
    account.trade("0.03")
    come_late(account, "POST", ORDER)
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    account.trade("0.02")
    account.clock.advance(10_000)
    assert account.position == D("0.02")


def test_an_entry_that_arrives_late_has_its_exits_before_the_request_is_answered(account: Account) -> None:
    come_late(account, "POST", ORDER)
    assert account.order(stop=STOP).state is State.RESTING
    assert account.position == D("0.05")
    assert len(account.open(Role.STOP)) == 1


@pytest.mark.parametrize("path", ["/", ORDER, ALGO_ORDER])
def test_a_request_ends_in_time_although_no_call_is_answered_after_its_entry(account: Account, path: str) -> None:
    """Its function would be ended otherwise. The reconciler would find the intent as late, but the user no answer."""
    began_at = account.clock.now
    between(account, ORDER, lambda: account.fault(path, "timeout_after", times=1000))
    account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    assert account.clock.now < began_at + FUNCTION_MS
    assert account.intent().state in (State.UNKNOWN, State.FAILED)
    assert account.intent().state is State.UNKNOWN or not account.position


def test_a_request_that_has_no_time_left_for_its_entry_cancels_nothing(account: Account) -> None:
    account.hand(stop_by_hand(16000))
    perform = account.desk.wire.perform

    def perform_slowly(call: Request, is_late: bool) -> Answer:
        account.clock.advance(6_000 if call.path == "/fapi/v3/account" else 0)
        return perform(call, is_late)

    account.desk.wire.perform = perform_slowly
    assert account.order(EntryType.LIMIT, price=D(19500)).state is State.FAILED
    assert len(account.open_orders) == 1


def test_an_entry_is_not_sent_after_a_clearing_that_took_too_long(account: Account) -> None:
    perform = account.desk.wire.perform

    def perform_slowly(call: Request, is_late: bool) -> Answer:
        account.clock.advance(11_000 if call.path == "/fapi/v1/algoOpenOrders" else 0)
        return perform(call, is_late)

    account.desk.wire.perform = perform_slowly
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0


def test_a_closing_that_has_begun_is_completed_although_no_time_is_left_for_the_entry(account: Account) -> None:
    account.trade("0.03")
    account.depth("0.002")
    perform = account.desk.wire.perform

    def perform_slowly(call: Request, is_late: bool) -> Answer:
        account.clock.advance(700 if (call.method, call.path) == ("POST", ORDER) else 0)
        return perform(call, is_late)

    account.desk.wire.perform = perform_slowly
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0


def test_a_request_for_a_clearing_ends_in_time_although_no_call_is_answered(account: Account) -> None:
    account.trade("0.03")
    began_at = account.clock.now
    account.fault("/", "timeout_before", times=1000)
    with pytest.raises(ExchangeUnavailable):
        account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.clock.now < began_at + FUNCTION_MS


def test_a_run_of_the_reconciler_ends_in_time_although_no_call_is_answered(account: Account) -> None:
    account.fault(ORDER, "timeout_after", times=1000)
    account.order(stop=STOP)
    account.clock.advance(60_000)
    account.fault("/", "timeout_before", times=1000)
    began_at = account.clock.now
    account.world.reconciler.run(RUN_LIMIT_MS)
    assert account.clock.now < began_at + RUN_LIMIT_MS
    assert account.intent().state is State.UNKNOWN


def test_a_late_exit_does_not_stay_after_its_order_was_undone(account: Account) -> None:
    account.fault(ALGO_ORDER, "timeout_before", method="POST", times=2)
    come_late(account, "POST", ALGO_ORDER, skip=2)
    assert account.order(EntryType.LIMIT, price=D(19500), stop=STOP).state is State.FAILED
    account.clock.advance(10_000)
    assert (account.position, account.open_orders) == (D(0), [])


def test_the_reconciler_leaves_an_order_unknown_until_nothing_can_happen_any_more(account: Account) -> None:
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    account.order(stop=STOP)
    account.fault(ALGO_ORDER, "timeout_before", method="POST", times=2)
    come_late(account, "POST", ALGO_ORDER, skip=2)
    account.world.reconcile(2)
    states = [state for state, _ in account.world.telemetry.troubles]
    assert states == [State.UNKNOWN, State.UNKNOWN, State.FAILED]
    assert (account.position, account.open_orders) == (D(0), [])


# ---- exits are cancelled surely


@pytest.mark.parametrize("times", [1, 50])
def test_an_exit_that_the_venue_refuses_to_see_as_open_is_cancelled_all_the_same(account: Account, times: int) -> None:
    """Cancelling open conditional orders by id was refused (freqtrade#12681)."""
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131, skip=2)
    account.fault(ALGO_ORDER, "reject", method="DELETE", code=-2011, times=times)
    intent = account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    assert intent.state is (State.FAILED if times == 1 else State.UNKNOWN)
    account.heal()
    account.world.reconcile(2)
    assert (account.position, account.open_orders) == (D(0), [])


def test_an_exit_that_has_triggered_is_cancelled_as_the_order_that_it_became(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131, skip=2)
    account.fault(ALGO_ORDER, "reject", method="DELETE", code=-4131)
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP_LIMIT, take_profits=(D(20500), D(21000)))
    account.trade("0.1")
    account.depth("0.001")
    account.price(16000)
    account.world.reconcile(1)
    assert account.open_orders == []


# ---- clearing


def stop_by_hand(trigger: int) -> NewOrder:
    return NewOrder("stop-by-hand", Side.SELL, OrderType.STOP_MARKET, trigger=D(trigger), close_position=True)


def test_orders_that_are_not_listed_yet_are_cancelled(account: Account) -> None:
    account.hand(NewOrder(BY_HAND, Side.BUY, OrderType.LIMIT, D("0.01"), price=D(19000)))
    account.hand(stop_by_hand(18000))
    account.fault("/fapi/v1/openOrders", "hide")
    account.fault("/fapi/v1/openAlgoOrders", "hide")
    account.order()
    assert account.open_orders == []


@pytest.mark.parametrize(("filled_at", "reading"), [(POSITION, 0), ("/fapi/v1/allOpenOrders", 1)])
def test_a_position_that_one_reading_misses_is_closed_before_its_stop_is_cancelled(
    account: Account, filled_at: str, reading: int
) -> None:
    """Its entry is executed while the symbol is cleared, and a reading of the position lags behind."""
    account.hand(NewOrder(BY_HAND, Side.BUY, OrderType.LIMIT, D("0.03"), price=D(19500)))
    account.hand(stop_by_hand(18000))
    account.fault(POSITION, "lag", skip=reading)
    perform = account.desk.wire.perform

    def fill(call: Request, is_late: bool) -> Answer:
        if call.path == filled_at and account.exchange.prices.price(SYMBOL) > 19500:
            account.price(19500)
            assert account.position == D("0.03")
        if call.path == "/fapi/v1/algoOpenOrders":
            assert account.position == 0, "the stop of an open position is cancelled"
        return perform(call, is_late)

    account.desk.wire.perform = fill
    account.order(stop=STOP)
    assert account.position == D("0.05")


def test_an_entry_that_fills_while_orders_are_listed_is_closed_by_a_clearing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1))
    account.price(19400)

    def filled_meanwhile(call: Request, _: bool) -> Answer:
        if call.path.endswith("openAlgoOrders"):
            account.price(19700)
        return account.exchange.handle(call)

    monkeypatch.setattr(account.desk.wire, "perform", filled_meanwhile)
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert (account.position, account.open_orders) == (D(0), [])


def test_a_thin_market_takes_many_parts_to_close_a_position(account: Account) -> None:
    account.trade("0.03")
    account.depth("0.002")
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.position == 0


def test_an_order_is_undone_in_many_parts_in_a_thin_market(account: Account) -> None:
    account.fault(ALGO_ORDER, "reject", method="POST", code=-4131)
    between(account, ALGO_ORDER, lambda: account.depth("0.002"))
    assert account.order(stop=STOP).state is State.FAILED
    assert account.position == 0


def test_an_order_ends_when_its_exits_have_executed_what_it_filled(account: Account) -> None:
    """The user's own addition stays open, and has no exits of the order."""
    account.order(take_profits=(D(21000),), stop=STOP)
    account.trade("0.03")
    account.price(21000)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.03"), [])
    assert account.intent().state is State.DONE


def test_the_deadline_of_a_clearing_includes_reading_the_contract(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no time left to wait until nothing can happen any more."""
    account.trade("0.03")
    account.fault(ORDER, "timeout_after", method="POST")
    contract, delays = account.desk.contract, [ORDER_TIME_MS - SENDING_WINDOW_MS]

    def read_slowly(symbol: str) -> Contract:
        account.clock.advance(delays.pop() if delays else 0)
        return contract(symbol)

    monkeypatch.setattr(account.desk, "contract", read_slowly)
    with pytest.raises(ExchangeUnavailable):
        account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)


@pytest.mark.parametrize(("later_ms", "state"), [(100_000, State.DONE), (200_000, State.FAILED)])
def test_a_clearing_is_completed_soon_or_never(account: Account, later_ms: int, state: State) -> None:
    """Its user has been told that it failed, and may have another position by then."""
    account.trade("0.03")
    account.fault("/", "http_503", times=1000)
    with pytest.raises(ExchangeUnavailable):
        account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    account.heal()
    account.clock.advance(later_ms - 70_000)
    account.world.reconcile(1)
    assert account.position == (0 if state is State.DONE else D("0.03"))
    (clearing,) = account.world.store.intents.values()
    assert clearing.state is state


def test_what_is_executed_while_stops_are_cancelled_is_closed_however_late_it_is(account: Account) -> None:
    account.hand(NewOrder(BY_HAND, Side.BUY, OrderType.LIMIT, D("0.03"), price=D(19500)))
    account.hand(stop_by_hand(16000))
    perform = account.desk.wire.perform

    def fill_and_delay(call: Request, is_late: bool) -> Answer:
        if (call.method, call.path) == ("DELETE", "/fapi/v1/allOpenOrders"):
            account.fault(POSITION, "lag", times=3)
            account.price(19500)
        answer = perform(call, is_late)
        if (call.method, call.path) == ("DELETE", "/fapi/v1/algoOpenOrders"):
            account.clock.advance(8_000)
        return answer

    account.desk.wire.perform = fill_and_delay
    account.order(stop=STOP)
    assert account.position == D("0.05")
    assert [order.client_id for order in account.open_orders] == [stop.client_id for stop in account.open(Role.STOP)]


def test_what_is_executed_while_stops_are_cancelled_is_closed_although_the_answer_is_lost(account: Account) -> None:
    """There is no time left to cancel them again."""
    account.hand(NewOrder(BY_HAND, Side.BUY, OrderType.LIMIT, D("0.03"), price=D(19500)))
    account.hand(stop_by_hand(16000))
    account.fault("/fapi/v1/algoOpenOrders", "timeout_after", method="DELETE")
    perform = account.desk.wire.perform

    def fill_and_delay(call: Request, is_late: bool) -> Answer:
        if (call.method, call.path) == ("DELETE", "/fapi/v1/allOpenOrders"):
            account.fault(POSITION, "lag", times=2)
            account.price(19500)
        answer = perform(call, is_late)
        if (call.method, call.path) == ("DELETE", "/fapi/v1/algoOpenOrders"):
            account.clock.advance(12_000)
        return answer

    account.desk.wire.perform = fill_and_delay
    account.order(stop=STOP)
    assert (account.position, account.open_orders) == (D(0), [])


def test_a_clearing_closes_a_position_that_readings_do_not_show_yet(account: Account) -> None:
    account.fault(POSITION, "lag", times=3)
    account.trade("0.03")
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.position == 0


def test_a_clearing_is_answered_although_readings_still_show_the_position(account: Account) -> None:
    account.trade("0.03")
    account.fault(POSITION, "lag", times=2)
    account.trade("-0.03")
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.position == 0


def test_a_position_can_be_cleared_and_replaced_although_its_exits_cannot_be_looked_up(account: Account) -> None:
    def look_in_vain() -> None:
        account.world.reconcile(1)
        account.clock.advance(CERTAINTY_MS)

    account.order(stop=STOP, take_profits=(D(21000),))
    account.fault(ALGO_ORDER, "http_503", method="GET", times=1000)
    look_in_vain()
    assert account.order(stop=STOP).state is State.RESTING
    assert (account.position, len(account.open_orders)) == (D("0.05"), 1)
    look_in_vain()
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert (account.position, account.open_orders) == (D(0), [])
    assert [intent.state for intent in account.world.store.intents.values()] == [State.DONE] * 3


def test_an_order_is_looked_after_again_when_the_clearing_that_replaced_it_is_given_up(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    account.fault(POSITION, "http_503", times=1000)
    with pytest.raises(ExchangeUnavailable):
        account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    account.heal()
    account.clock.advance(200_000)
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    assert len(account.open_orders) == 2


# ---- an entry that is not found


def test_an_executed_entry_that_look_ups_miss_gets_its_stop(account: Account) -> None:
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "hide", method="GET", times=50)
    assert account.order(stop=STOP).state is State.UNKNOWN
    account.world.reconcile(1)
    assert account.intent().state is State.RESTING
    assert len(account.open(Role.STOP)) == 1


def test_a_triggered_trailing_entry_that_look_ups_miss_gets_its_stop(account: Account) -> None:
    account.fault(ALGO_ORDER, "timeout_after", method="POST")
    account.fault(ALGO_ORDER, "hide", method="GET", times=50)
    account.fault("/fapi/v1/openAlgoOrders", "hide", times=50)
    account.order(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1), stop=STOP)
    account.price(19400)
    account.price(19700)
    account.world.reconcile(1)
    assert account.position == D("0.05")
    assert len(account.open(Role.STOP)) == 1


def test_an_entry_that_look_ups_miss_is_cancelled_before_it_is_given_up(account: Account) -> None:
    account.fault(ORDER, "timeout_after", method="POST")
    account.fault(ORDER, "hide", method="GET", times=50)
    account.fault("/fapi/v1/openOrders", "hide", times=50)
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    assert len(account.open_orders) == 1
    account.world.reconcile(1)
    assert account.open_orders == []
    assert account.intent().state is State.FAILED


def test_an_order_that_is_given_up_leaves_the_exits_of_the_one_that_gave_way(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process crashed before it had cleared anything."""

    def crash(*_: object) -> None:
        raise Killed

    account.order(EntryType.LIMIT, price=D(19500), stop=STOP, take_profits=(D(21000),))
    before = account.open_orders
    with monkeypatch.context() as patched:
        patched.setattr(Placement, "place", crash)
        with pytest.raises(Killed):
            account.order(stop=STOP)
    account.world.reconcile(1)
    assert [account.intent(name).state for name in ("order-0", "order-1")] == [State.RESTING, State.FAILED]
    assert account.open_orders == before


def test_an_order_that_is_given_up_leaves_the_exits_of_the_user(account: Account) -> None:
    account.fault(ORDER, "timeout_before", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    assert account.order(EntryType.LIMIT, price=D(19500), stop=STOP).state is State.UNKNOWN
    account.hand(stop_by_hand(18000))
    account.world.reconcile(1)
    assert account.intent().state is State.FAILED
    assert [order.client_id for order in account.open_orders] == ["stop-by-hand"]


def test_an_entry_whose_id_is_in_use_has_arrived(account: Account) -> None:
    """Something in between has sent it twice."""
    account.fault(ORDER, "reject", method="POST", code=-4116, skip=1)
    perform = account.desk.wire.perform

    def send_twice(call: Request, is_late: bool) -> Answer:
        if (call.method, call.path) == ("POST", ORDER):
            perform(call, is_late)
        return perform(call, is_late)

    account.desk.wire.perform = send_twice
    assert account.order(stop=STOP).state is State.RESTING
    assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)


# ---- old orders: the venue does not find those that ended without a fill


@pytest.fixture
def days_later(account: Account) -> Callable[[int], None]:
    return lambda days: account.clock.advance(days * DAY_MS)


def test_the_venue_forgets_an_order_that_ended_without_a_fill_but_not_an_open_one(
    account: Account, days_later: Callable[[int], None]
) -> None:
    account.order(stop=STOP, take_profits=(D(21000), D(22000)))
    ended, standing = account.open(Role.TAKE_PROFIT)
    account.cancel(ended)

    def found(client_id: str) -> bool:
        return account.desk.find(account.credential, SYMBOL, client_id, conditional=True) is not None

    assert found(ended.client_id)
    days_later(4)
    assert not found(ended.client_id)
    history = account.desk.order_history(account.credential, TradeType.FUTURES, SYMBOL, 50)
    assert ended.client_id not in [order.client_id for order in history]
    assert found(standing.client_id)


@pytest.mark.parametrize("days", [4, 100])
def test_an_old_stop_that_was_cancelled_is_placed_again(
    account: Account, days_later: Callable[[int], None], days: int
) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    days_later(days)
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    assert len(account.open(Role.STOP)) == 1
    assert account.intent().state is State.RESTING


def test_an_old_stop_that_is_not_found_is_neither_placed_twice_nor_given_up(
    account: Account, days_later: Callable[[int], None]
) -> None:
    account.order(stop=STOP, take_profits=(D(21000),))
    days_later(4)
    before = account.open_orders
    account.fault(ALGO_ORDER, "hide", method="GET", times=1000)
    account.fault("/fapi/v1/openAlgoOrders", "hide", times=1000)
    account.world.reconcile(2)
    account.heal()
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.05"), before)
    assert account.intent().state is State.RESTING


@pytest.mark.parametrize("price", [16990, 21000])
@pytest.mark.parametrize("days", [4, 100])
def test_an_order_ends_with_its_old_exits(
    account: Account, days_later: Callable[[int], None], price: int, days: int
) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP, take_profits=(D(21000),))
    account.price(19500)
    account.world.reconcile(1)
    days_later(days)
    account.price(price)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.intent().state is State.DONE


def test_exits_of_an_old_entry_that_was_cancelled_do_not_trade_a_position_of_the_users(
    account: Account, days_later: Callable[[int], None]
) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP, take_profits=(D(21000),))
    days_later(4)
    (entry,) = account.open(Role.ENTRY)
    account.cancel(entry)
    account.trade("0.03")
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.03"), [])
    assert account.intent().state is State.DONE


def test_exits_of_an_old_entry_that_is_not_found_stay_if_it_may_have_been_executed(
    account: Account, days_later: Callable[[int], None]
) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    days_later(100)
    account.price(19500)
    account.world.reconcile(1)
    assert (account.position, len(account.open(Role.STOP))) == (D("0.05"), 1)


def test_exits_of_an_old_entry_that_is_executed_in_part_stay_although_it_is_not_found(
    account: Account, days_later: Callable[[int], None]
) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP)
    account.depth("0.03")
    account.price(19500)
    account.depth("0")
    account.world.reconcile(1)
    days_later(4)
    for path in (ORDER, "/fapi/v1/openOrders", "/fapi/v1/allOrders"):
        account.fault(path, "hide", method="GET", times=1000)
    account.world.reconcile(1)
    assert (account.position, len(account.open(Role.STOP))) == (D("0.03"), 1)


# ---- an entry that was executed in part


def test_take_profits_sell_no_more_than_the_entry_has_filled(account: Account) -> None:
    """The rest of a market order expires in a thin market."""
    account.depth("0.03")
    account.order(stop=STOP, take_profits=(D(21000), D(22000), D(23000)))
    account.depth("0")
    assert account.position == D("0.03")
    sold = [order.quantity for order in account.open(Role.TAKE_PROFIT)]
    assert sold == [D("0.016"), D("0.014")]
    account.trade("0.1")
    account.price(22000)
    assert account.position == D("0.1")


def end_in_part(account: Account, **given: Any) -> None:
    """Let a resting entry be executed for 0.03 of 0.05, and then be cancelled by hand."""
    account.order(EntryType.LIMIT, price=D(19500), **given)
    account.depth("0.03")
    account.price(19500)
    account.depth("0")
    assert account.position == D("0.03")
    (entry,) = account.open(Role.ENTRY)
    account.cancel(entry)


def test_take_profits_that_stood_before_the_entry_ended_in_part_sell_no_more_than_it_has_filled(
    account: Account,
) -> None:
    end_in_part(account, stop=STOP, take_profits=(D(21000), D(22000), D(23000)))
    account.world.reconcile(1)
    sold = [order.quantity for order in account.open(Role.TAKE_PROFIT)]
    assert sold == [D("0.016"), D("0.014")]
    account.trade("0.1")
    account.price(23000)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.1"), [])


@pytest.mark.parametrize("kind", ["http_503", "killed"])
def test_take_profits_that_were_withdrawn_are_placed_again_after_a_failure(account: Account, kind: str) -> None:
    end_in_part(account, stop=STOP, take_profits=(D(21000), D(22000), D(23000)))

    def die() -> None:
        raise Killed

    if kind == "killed":
        between(account, ALGO_ORDER, die)
        with pytest.raises(Killed):
            account.world.reconcile(1)
    else:
        account.fault(ALGO_ORDER, kind, method="POST", times=50)
        account.world.reconcile(1)
    assert len(account.open(Role.TAKE_PROFIT)) == 1
    account.heal()
    account.world.reconcile(2)
    sold = [order.quantity for order in account.open(Role.TAKE_PROFIT)]
    assert sold == [D("0.016"), D("0.014")]


def test_a_take_profit_that_the_user_cancelled_before_the_entry_ended_in_part_stays_cancelled(
    account: Account,
) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP, take_profits=(D(21000),))
    (take_profit,) = account.open(Role.TAKE_PROFIT)
    account.cancel(take_profit)
    account.depth("0.01")
    account.price(19500)
    account.world.reconcile(1)
    account.price(19500)
    account.depth("0")
    (entry,) = account.open(Role.ENTRY)
    account.cancel(entry)
    account.world.reconcile(1)
    assert account.position == D("0.02")
    assert account.open(Role.TAKE_PROFIT) == []


def test_take_profits_sell_no_more_than_the_entry_has_filled_after_one_was_executed_in_part(account: Account) -> None:
    account.order(EntryType.LIMIT, price=D(19500), stop=STOP, take_profits=(D(21000), D(22000)))
    account.depth("0.02")
    account.price(19500)
    account.trade("0.01")
    account.depth("0.004")
    account.price(21000)
    (entry,) = account.open(Role.ENTRY)
    account.cancel(entry)
    account.depth("0")
    account.world.reconcile(1)
    assert account.position == D("0.026")
    (second,) = account.open(Role.TAKE_PROFIT)
    assert second.quantity == D("0.016")


@pytest.mark.parametrize("added", ["0", "0.1"])
def test_a_stop_with_a_price_that_stood_before_is_placed_for_less_beside_a_position_of_the_users(
    account: Account, added: str
) -> None:
    end_in_part(account, stop=STOP_LIMIT)
    (before,) = account.open(Role.STOP)
    if D(added):
        account.trade(added)
    account.world.reconcile(1)
    (stop,) = account.open(Role.STOP)
    assert stop.quantity == D("0.03") if D(added) else stop is before
    account.price(16950)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D(added), [])


def test_a_stop_with_a_price_leaves_what_the_user_has_added_after_a_take_profit(account: Account) -> None:
    account.order(stop=STOP_LIMIT, take_profits=(D(21000), D(22000)))
    account.price(21000)
    account.trade("0.1")
    account.world.reconcile(1)
    (stop,) = account.open(Role.STOP)
    assert stop.quantity == D("0.025")
    account.price(16950)
    account.world.reconcile(1)
    assert (account.position, account.open_orders) == (D("0.1"), [])


def test_a_stop_with_a_price_sells_no_more_than_the_entry_has_filled(account: Account) -> None:
    account.depth("0.03")
    account.order(stop=STOP_LIMIT)
    (stop,) = account.open(Role.STOP)
    assert stop.quantity == D("0.03")


def test_the_rest_of_a_stop_with_a_price_is_placed_for_the_rest_of_the_position(account: Account) -> None:
    account.order(stop=STOP_LIMIT, take_profits=(D(21000), D(22000)))
    account.price(21000)
    (stop,) = account.open(Role.STOP)
    account.cancel(stop)
    account.world.reconcile(1)
    (stop,) = account.open(Role.STOP)
    assert stop.quantity == D("0.025")


def test_a_lagging_reading_does_not_make_the_stop_of_an_earlier_order_an_orphan(account: Account) -> None:
    account.fault(ORDER, "timeout_before", method="POST")
    account.fault(ORDER, "http_503", method="GET", times=3)
    account.order(EntryType.LIMIT, price=D(19500))
    account.fault(POSITION, "lag", skip=1)
    account.trade("0.03")
    account.hand(replace(stop_by_hand(18000), client_id=f"{CLIENT_ID_PREFIX}earlier"))
    account.world.reconcile(1)
    assert account.intent().state is State.FAILED
    assert len(account.open_orders) == 1
