"""Close the trade of a follow that has stopped, whatever is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

import pytest

from local.doubles.binance import PaperControl, PaperExchange
from purser.errors import ExchangeUnavailable, Unfinished
from purser.executions.closing import StoppedTrades
from purser.follows.model import TradeClosing
from purser.orders.intents import CLEARING_LIFETIME_MS
from purser.orders.model import EntryType
from tests.support.crashes import Killed
from tests.support.executions import FollowedAccount
from tests.support.fakes import FakeClock
from tests.support.intents import USER_ID, CutDesk
from tests.support.paper_in_process import ControlInProcess, DirectDesk


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def exchange(clock: FakeClock) -> Iterator[PaperExchange]:
    with PaperExchange(clock=clock) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def control(exchange: PaperExchange) -> PaperControl:
    return ControlInProcess(exchange)


@pytest.fixture(scope="module")
def desk(exchange: PaperExchange, clock: FakeClock) -> CutDesk:
    return DirectDesk(exchange, clock)


class Stopped:
    """An account with an open trade whose follow has stopped."""

    def __init__(self, account: FollowedAccount, entry_type: EntryType = EntryType.MARKET) -> None:
        self.account, self.world = account, account.world
        price = Decimal(19900) if entry_type is EntryType.LIMIT else None
        account.executor.execute(account.enter(1, entry_type=entry_type, limit_price=price))
        trade_id = account.execution.id
        now = account.clock()
        self.closing = TradeClosing(USER_ID, account.world.account_id, trade_id, now, due_at=now)
        self.trades = StoppedTrades(account.store, account.world.access, account.world.orders, account.clock)

    def close(self) -> bool:
        """Make an attempt, and return whether it is done."""
        with suppress(Unfinished):
            self.trades.close(self.closing)
            return True
        return False

    def settle(self) -> None:
        """Repeat attempts until one is done, with the reconciler in between."""
        self.account.control.clear_faults()
        self.world.scissors.at = -1
        for _ in range(4):
            self.account.clock.advance(40_000)
            is_done = self.close()
            self.world.reconcile(1)
            if is_done:
                return
        raise AssertionError("the closing is not done")

    def check_closed(self, what: str) -> None:
        account = self.account
        assert (account.position, account.open_orders) == (Decimal(0), []), what
        assert self.world.store.stored_locks == [], what
        sold = [order for order in account.orders if "orderId" in order and order["side"] == "SELL"]
        assert sum(Decimal(order["executedQty"]) for order in sold) == account.execution.amount, what


@pytest.fixture
def account(control: PaperControl, desk: CutDesk, clock: FakeClock) -> FollowedAccount:
    return FollowedAccount(control, desk, clock)


@pytest.mark.parametrize("after", [False, True])
def test_a_closing_that_is_killed_at_any_step_is_done_once(
    control: PaperControl, desk: CutDesk, clock: FakeClock, after: bool
) -> None:
    whole = Stopped(FollowedAccount(control, desk, clock))
    whole.world.scissors.steps = 0
    assert whole.close()
    whole.check_closed("not killed")
    for step in range(whole.world.scissors.steps):
        stopped = Stopped(FollowedAccount(control, desk, clock))
        scissors = stopped.world.scissors
        scissors.steps, scissors.at, scissors.after = 0, step, after
        with pytest.raises(Killed):
            stopped.close()
        stopped.settle()
        stopped.check_closed(f"killed at step {step}")


def test_a_closing_is_left_to_the_reconciler_once_the_trade_is_stored_as_closing(account: FollowedAccount) -> None:
    stopped = Stopped(account)
    account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
    assert stopped.close()
    account.check_protected()
    assert account.position
    account.control.clear_faults()
    account.world.reconcile(1)
    stopped.check_closed("reconciled")


def test_a_closing_waits_for_an_entry_that_is_under_way(account: FollowedAccount) -> None:
    stopped = Stopped(account)
    lock = account.store.lock(account.world.account_id, "BTC/USDT")
    assert lock is not None
    account.world.store.locks.advance(lock.leased(account.clock() + 30_000))
    assert not stopped.close()
    stopped.settle()
    stopped.check_closed("after the lease")


def test_a_closing_waits_for_a_clearing_that_may_come_to_nothing(account: FollowedAccount) -> None:
    stopped = Stopped(account)
    account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
    with pytest.raises(ExchangeUnavailable):
        account.world.orders.clear_position(USER_ID, account.world.account_id, "BTC/USDT")
    assert not stopped.close()
    account.control.clear_faults()
    account.clock.advance(CLEARING_LIFETIME_MS)
    account.world.reconcile(1)
    assert account.position
    stopped.settle()
    stopped.check_closed("after the clearing")


def test_an_entry_that_rests_is_withdrawn(account: FollowedAccount) -> None:
    stopped = Stopped(account, EntryType.LIMIT)
    assert stopped.close()
    assert (account.position, account.open_orders, account.world.store.stored_locks) == (Decimal(0), [], [])


def test_a_trade_that_has_ended_by_itself_needs_no_closing(account: FollowedAccount) -> None:
    stopped = Stopped(account)
    account.control.prices(BTC_USDT="18999")
    account.world.reconcile(1)
    before = account.orders
    assert stopped.close()
    assert account.orders == before
