"""What a signal becomes for a follower: the order, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from local.doubles.binance import PaperControl, PaperExchange
from purser.errors import ExchangeUnavailable, Unavailable, Unfinished
from purser.exchanges.orders import MarginType, NewOrder, OrderType, Side
from purser.executions.executor import WORKING_MS
from purser.executions.model import ExecutionJob, ExecutionStatus, SkipReason, execution_id, shuffled
from purser.executions.service import Executions
from purser.follows.model import Follow, Follower, Protections
from purser.orders.intents import CLEARING_LIFETIME_MS, LIFETIME_MS
from purser.orders.intents import State as IntentState
from purser.orders.model import EntryType, ManualOrder, Stop, StopType
from purser.signals.model import Level, Mode, State, TakeProfit
from purser.strategies.model import Direction
from purser.trading_accounts.model import TradingLimits
from tests.support.books import FakeResults
from tests.support.crashes import Killed
from tests.support.executions import PRICE, SYMBOL, FollowedAccount
from tests.support.fakes import FakeClock
from tests.support.intents import USER_ID, CutDesk
from tests.support.paper_in_process import ControlInProcess, DirectDesk

D = Decimal
HAND_AMOUNT = D("0.01")
"""What a user buys by hand, unless a test says otherwise."""


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


@pytest.fixture
def account(control: PaperControl, desk: CutDesk, clock: FakeClock) -> FollowedAccount:
    return FollowedAccount(control, desk, clock)


class FoundFollow:
    """The only follow."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow

    def find(self, user_id: str, follow_id: str) -> Follow | None:
        return self._follow


def skipped(account: FollowedAccount) -> tuple[SkipReason | None, Decimal, int]:
    assert account.execution.status is ExecutionStatus.SKIPPED
    return account.execution.reason, account.position, len(account.open_orders)


def test_a_signal_becomes_a_sized_and_protected_position(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    execution = account.execution
    assert (execution.status, execution.amount, execution.leverage) == (ExecutionStatus.OPEN, D("0.175"), 1)
    # 2 % of 10,000 are 200; the next step of 0.001 would lose more.
    assert execution.risk == D("199.24458750")
    assert account.position == D("0.175")
    account.check_protected()
    entry = next(order for order in account.orders if "orderId" in order)
    assert (entry["type"], entry["timeInForce"], D(entry["price"])) == ("LIMIT", "IOC", D(20100))
    exits = {order["orderType"]: order for order in account.open_orders}
    assert D(exits["STOP_MARKET"]["triggerPrice"]) == D(19000)
    taken = sorted(D(o["quantity"]) for o in account.open_orders if o["orderType"] == "TAKE_PROFIT")
    assert taken == [D("0.087"), D("0.088")]
    (position,) = account.control.positions(account.api_key)
    assert D(position["isolatedWallet"]) > 0


def test_a_trade_is_in_the_history_of_strategies(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    intent = account.store.intent(account.world.account_id, account.execution.id)
    assert intent is not None
    assert intent.strategy is not None
    assert (intent.strategy.name, intent.strategy.trade_side, intent.strategy.leverage) == ("Trend", "BUY", 1)


def test_a_repeated_job_places_nothing_again(account: FollowedAccount) -> None:
    job = account.enter(1)
    account.executor.execute(job)
    before = account.orders
    account.executor.execute(job)
    # Planned anew after a planner was killed: the same follower in another job.
    account.executor.execute(replace(job, id="again"))
    assert account.orders == before


def test_a_close_signal_closes_the_trade_and_its_exits(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    job = account.exit(2)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.position, account.open_orders) == (D(0), [])
    orders = account.orders
    account.executor.execute(job)
    assert account.orders == orders


def follow_another(account: FollowedAccount) -> str:
    """Let the account follow another strategy of the symbol in place of the first, whose trade is kept."""
    account.change(id="another-follow", strategy_id="another")
    return "another"


def test_a_signal_leaves_the_kept_trade_of_another_strategy(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    strategy_id, before = follow_another(account), account.orders
    close, enter = account.exit(2, strategy_id=strategy_id), account.enter(3, strategy_id=strategy_id)
    account.executor.execute(close)
    account.executor.execute(enter)
    reasons = [account.execution_of(job).reason for job in (close, enter)]
    assert reasons == [SkipReason.NOTHING_OPEN, SkipReason.SYMBOL_BUSY]
    assert account.orders == before
    account.check_protected()


def test_a_signal_leaves_the_resting_entry_of_another_strategy(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900)))
    job, before = account.enter(2, strategy_id=follow_another(account)), account.open_orders
    account.executor.execute(job)
    assert account.execution_of(job).reason is SkipReason.SYMBOL_BUSY
    assert account.open_orders == before


def test_an_entry_gives_way_to_a_trade_that_begins_at_the_same_time(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, follow = account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900)), account.follow
    job = account.enter(2, strategy_id=follow_another(account))
    begin = account.store.begin

    def begin_after_another(*given: Any) -> None:
        monkeypatch.undo()
        state, account.market.state = account.market.state, State(opened_by=other.signal_id)
        account.market.follows.append(follow)
        account.executor.execute(other)
        account.market.state = state
        account.clock.advance(15_000)
        begin(*given)

    monkeypatch.setattr(account.store, "begin", begin_after_another)
    account.executor.execute(job)
    assert account.execution_of(job).reason is SkipReason.SYMBOL_BUSY
    trade = account.store.intent(account.world.account_id, execution_id(other.signal_id, follow.id))
    lock = account.store.lock(account.world.account_id, SYMBOL)
    assert trade is not None
    assert lock is not None
    assert (trade.state, lock.intent_id) == (IntentState.RESTING, trade.id)


def test_a_close_signal_leaves_what_the_user_has_added(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    open_by_hand(account)
    job = account.exit(2)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.position, account.open_orders) == (D("0.01"), [])


def test_a_close_signal_leaves_a_position_that_replaced_the_trade_with_its_amount(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    amount = account.position
    account.clock.advance(120_000)
    desk = account.world.desk
    for side in (Side.SELL, Side.BUY):
        desk.place(account.credential, SYMBOL, NewOrder(f"by-hand-{side}", side, OrderType.MARKET, amount))
    job = account.exit(2)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position == amount


def test_a_closing_that_the_venue_refuses_leaves_the_trade_protected_until_it_succeeds(
    account: FollowedAccount,
) -> None:
    account.executor.execute(account.enter(1))
    job = account.exit(2)
    account.control.fault("/fapi/v1/order", "reject", 1000, apiKey=account.api_key, code=-2010)
    assert account.run_cut(job) == "unfinished"
    account.check_protected()
    assert account.position
    account.control.clear_faults()
    account.world.reconcile(1)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.position, account.open_orders) == (D(0), [])


def cut_look_ups_of_exits(account: FollowedAccount) -> None:
    account.control.fault("/fapi/v1/algoOrder", "http_503", 1000, method="GET", apiKey=account.api_key)


def test_a_close_signal_closes_the_trade_while_its_exits_cannot_be_looked_up(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    job = account.exit(2)
    cut_look_ups_of_exits(account)
    assert account.run_cut(job) == "unfinished"
    assert (account.position, account.open_orders) == (D(0), [])
    open_by_hand(account)
    account.clock.advance(15_000)
    account.world.reconcile(1)
    account.settle(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position == D("0.01")


@pytest.mark.parametrize("added", [D("0.01"), D("0.087")])
def test_a_close_signal_waits_for_look_ups_if_the_position_has_changed(
    account: FollowedAccount, added: Decimal
) -> None:
    account.executor.execute(account.enter(1))
    account.clock.advance(1000)
    # A take-profit has sold 0.087.
    account.control.prices(BTC_USDT="20500")
    open_by_hand(account, added)
    job = account.exit(2)
    cut_look_ups_of_exits(account)
    assert account.run_cut(job) == "unfinished"
    assert account.position == D("0.175") - D("0.087") + added
    account.check_protected()
    account.settle(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position == added


def test_a_position_that_is_opened_by_hand_just_before_the_entry_is_left_alone(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = account.executor._desk
    set_leverage = desk.set_leverage

    def set_late(*given: Any) -> None:
        set_leverage(*given)
        open_by_hand(account)
        stop = NewOrder("stop-by-hand", Side.SELL, OrderType.STOP_MARKET, trigger=D(19000), close_position=True)
        account.world.desk.place(account.credential, SYMBOL, stop)

    monkeypatch.setattr(desk, "set_leverage", set_late)
    account.executor.execute(account.enter(1))
    assert skipped(account) == (SkipReason.SYMBOL_BUSY, D("0.01"), 1)
    account.check_protected()


def test_orders_by_hand_are_cancelled_before_an_entry(account: FollowedAccount) -> None:
    limit = NewOrder("limit-by-hand", Side.BUY, OrderType.LIMIT, D("0.01"), price=D(18000))
    stop = NewOrder("stop-by-hand", Side.SELL, OrderType.STOP_MARKET, trigger=D(17000), close_position=True)
    account.world.desk.set_margin_type(account.credential, SYMBOL, MarginType.ISOLATED)
    for order in (limit, stop):
        account.world.desk.place(account.credential, SYMBOL, order)
    account.executor.execute(account.enter(1))
    assert account.execution.status is ExecutionStatus.OPEN
    assert len(account.open_orders) == 3
    account.check_protected()


def test_a_close_signal_without_a_trade_is_skipped(account: FollowedAccount) -> None:
    account.executor.execute(account.exit(1))
    assert skipped(account) == (SkipReason.NOTHING_OPEN, D(0), 0)


def test_an_opposite_signal_closes_the_trade_and_opens_another(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    job = account.enter(2, Direction.SHORT)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.OPEN
    assert account.position < 0
    account.check_protected()
    assert len(account.open_orders) == 3


def test_an_opposite_signal_that_may_not_enter_still_closes_the_trade(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    account.change(active=False)
    job = account.enter(2, Direction.SHORT)
    account.executor.execute(job)
    assert account.execution_of(job).reason is SkipReason.NOT_ACTIVE
    assert (account.position, account.open_orders) == (D(0), [])


def test_a_late_close_signal_leaves_the_trade_of_a_later_signal(account: FollowedAccount) -> None:
    late = account.exit(2)
    account.executor.execute(account.enter(3))
    position = account.position
    account.executor.execute(late)
    assert account.execution_of(late).reason is SkipReason.EXPIRED
    assert account.position == position
    account.check_protected()


def test_a_late_signal_to_enter_leaves_the_trade_of_a_later_signal(account: FollowedAccount) -> None:
    late = account.enter(2, Direction.SHORT)
    account.executor.execute(account.enter(3))
    position = account.position
    account.executor.execute(late)
    assert account.execution_of(late).reason is SkipReason.EXPIRED
    assert account.position == position


def test_a_limit_entry_rests_with_its_stop(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900)))
    execution = account.execution
    assert (execution.status, execution.worst_price) == (ExecutionStatus.RESTING, D(19900))
    assert account.position == 0
    account.control.prices(BTC_USDT="19900")
    account.check_protected()
    assert account.position == execution.amount


def stop_follow(account: FollowedAccount) -> None:
    account.change(active=False)


def suspend_follow(account: FollowedAccount) -> None:
    account.change(active=False, suspended=True)


def change_strategy(account: FollowedAccount) -> None:
    account.change(strategy_id="other")


def disable_account(account: FollowedAccount) -> None:
    account.world.access.account = replace(account.world.access.account, active=False)


def halt(account: FollowedAccount) -> None:
    account.market.mode = Mode.HALTED


def reduce_only(account: FollowedAccount) -> None:
    account.market.mode = Mode.REDUCING


def wait(account: FollowedAccount) -> None:
    account.clock.advance(60_000)


def close_strategy(account: FollowedAccount) -> None:
    account.market.state = State()


def demand_equity(account: FollowedAccount) -> None:
    account.change(protections=Protections(min_equity_usd=D("10000.01")))


def open_by_hand(account: FollowedAccount, amount: Decimal = HAND_AMOUNT) -> None:
    desk = account.world.desk
    desk.place(account.credential, SYMBOL, NewOrder("by-hand", Side.BUY, OrderType.MARKET, amount))


def reach_open_trades(account: FollowedAccount) -> None:
    account.world.access.account = replace(account.world.access.account, limits=TradingLimits(max_open_trades=1))
    order = ManualOrder("ETH/USDT", EntryType.MARKET, Side.BUY, D(1), stop=Stop(D(900), StopType.MARKET))
    account.world.orders.create(USER_ID, account.world.account_id, "by-hand", order)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (stop_follow, SkipReason.NOT_ACTIVE),
        (suspend_follow, SkipReason.PLAN),
        (change_strategy, SkipReason.NOT_ACTIVE),
        (disable_account, SkipReason.KEY),
        (halt, SkipReason.HALTED),
        (reduce_only, SkipReason.HALTED),
        (wait, SkipReason.EXPIRED),
        (close_strategy, SkipReason.EXPIRED),
        (demand_equity, SkipReason.MIN_EQUITY),
    ],
)
def test_a_signal_is_skipped(
    account: FollowedAccount, prepare: Callable[[FollowedAccount], None], reason: SkipReason
) -> None:
    job = account.enter(1)
    prepare(account)
    account.executor.execute(job)
    assert skipped(account) == (reason, D(0), 0)


@pytest.mark.parametrize("prepare", [close_strategy, halt, wait])
def test_a_signal_that_is_stopped_while_it_waits_for_its_order_lock_enters_nowhere(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[FollowedAccount], None]
) -> None:
    begin = account.store.begin

    def begin_late(*given: Any) -> None:
        begin(*given)
        prepare(account)

    monkeypatch.setattr(account.store, "begin", begin_late)
    account.executor.execute(account.enter(1))
    assert account.execution.status is ExecutionStatus.SKIPPED
    assert (account.orders, account.world.store.stored_locks) == ([], [])


def test_no_follower_is_begun_with_when_no_time_is_left(account: FollowedAccount) -> None:
    job = account.enter(1)
    executor = account.executor
    ticks = iter([account.clock(), account.clock() + WORKING_MS])
    executor._now = lambda: next(ticks)
    with pytest.raises(Unfinished):
        executor.execute(job)
    assert account.store.executions == {}


def test_a_trade_that_takes_the_place_of_the_closed_one_meanwhile_is_left_alone(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.executor.execute(account.enter(1))
    job, later = account.exit(2), account.enter(3, Direction.SHORT)
    current_of = account.executor._current

    def current_before(*given: Any) -> Any:
        trade = current_of(*given)
        monkeypatch.undo()
        account.executor.execute(later)
        return trade

    monkeypatch.setattr(account.executor, "_current", current_before)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position < 0
    account.check_protected()
    account.settle(job)
    account.check_protected()
    assert account.position < 0


@pytest.mark.parametrize("margin_type", MarginType)
def test_a_position_by_hand_is_left_alone(account: FollowedAccount, margin_type: MarginType) -> None:
    account.world.desk.set_margin_type(account.credential, SYMBOL, margin_type)
    open_by_hand(account)
    account.executor.execute(account.enter(1))
    assert skipped(account) == (SkipReason.SYMBOL_BUSY, D("0.01"), 0)


def test_no_more_trades_are_opened_than_the_user_allows(account: FollowedAccount) -> None:
    reach_open_trades(account)
    account.executor.execute(account.enter(1))
    assert (account.execution.status, account.execution.reason) == (ExecutionStatus.SKIPPED, SkipReason.MAX_TRADES)


def test_a_market_beyond_the_worst_price_is_not_entered(account: FollowedAccount) -> None:
    account.control.prices(BTC_USDT="20101")
    account.executor.execute(account.enter(1))
    assert skipped(account) == (SkipReason.SLIPPAGE, D(0), 0)


def test_what_a_thin_market_fills_is_kept_and_protected(account: FollowedAccount) -> None:
    account.control.depth(BTC_USDT="0.1")
    try:
        account.executor.execute(account.enter(1))
    finally:
        account.control.depth(BTC_USDT="0")
    assert account.execution.status is ExecutionStatus.OPEN
    assert account.position == D("0.1")
    account.check_protected()
    taken = sum(D(order["quantity"]) for order in account.open_orders if order["orderType"] == "TAKE_PROFIT")
    assert taken == D("0.1")


def test_a_follower_with_the_least_equity_is_too_small(control: PaperControl, desk: CutDesk, clock: FakeClock) -> None:
    account = FollowedAccount(control, desk, clock, "20")
    account.executor.execute(account.enter(1))
    assert skipped(account) == (SkipReason.TOO_SMALL, D(0), 0)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"multiAssets": True}, SkipReason.MULTI_ASSETS), ({"hedgeMode": True}, SkipReason.HEDGE_MODE)],
)
def test_an_account_in_a_mode_that_purser_does_not_trade_is_skipped(
    control: PaperControl, desk: CutDesk, clock: FakeClock, settings: dict[str, Any], reason: SkipReason
) -> None:
    account = FollowedAccount(control, desk, clock, **settings)
    account.executor.execute(account.enter(1))
    assert skipped(account) == (reason, D(0), 0)


def test_a_key_that_the_exchange_refuses_is_a_reason(account: FollowedAccount) -> None:
    account.control.fault("/", "reject", 1, apiKey=account.api_key, code=-2015)
    account.executor.execute(account.enter(1))
    assert account.execution.reason is SkipReason.KEY


def test_the_id_of_an_execution_derives_from_signal_and_follow() -> None:
    ids = [execution_id("s", "f"), execution_id("s", "f"), execution_id("s", "g"), execution_id("t", "f")]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_followers_come_in_another_order_for_each_signal() -> None:
    followers = [Follower("user", "account", str(number)) for number in range(50)]
    one, two = shuffled(followers, "one"), shuffled(reversed(followers), "two")
    assert one == shuffled(reversed(followers), "one")
    assert sorted(one, key=followers.index) == followers
    assert one != two


def test_a_level_in_percent_counts_from_the_price_of_the_job(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1, stop=Level(percent=D(5))))
    stop = next(order for order in account.open_orders if order["orderType"] == "STOP_MARKET")
    assert D(stop["triggerPrice"]) == PRICE * D("0.95")


def test_exits_lie_on_the_ticks_of_the_venue(account: FollowedAccount) -> None:
    take_profits = (TakeProfit(Level(percent=D("1.77777")), D(100)),)
    account.executor.execute(account.enter(1, stop=Level(percent=D("3.33333")), take_profits=take_profits))
    assert account.execution.status is ExecutionStatus.OPEN
    account.check_protected()
    exits = {order["orderType"]: D(order["triggerPrice"]) for order in account.open_orders}
    # Both towards the entry: the stop loses no more than was sized, and the take-profit is reached no later.
    assert exits == {"STOP_MARKET": D("19333.4"), "TAKE_PROFIT": D("20355.5")}


def test_a_price_that_cannot_be_right_is_not_traded(account: FollowedAccount) -> None:
    # The fan-out does not look at prices again in a second attempt.
    limit, stop = PRICE * 10, Level(percent=D(5))
    job = account.enter(1, entry_type=EntryType.LIMIT, limit_price=limit, stop=stop, take_profits=())
    account.executor.execute(job)
    assert skipped(account) == (SkipReason.SUSPECT_PRICE, D(0), 0)


def test_no_entry_is_sent_that_the_end_of_the_function_could_cut(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = account.world.access
    get = access.get

    def get_slowly(user_id: str, trading_account_id: str) -> Any:
        account.clock.advance(WORKING_MS)
        return get(user_id, trading_account_id)

    job = account.enter(1, expires_at=account.clock() + 3_600_000)
    monkeypatch.setattr(access, "get", get_slowly)
    with pytest.raises(Unfinished):
        account.executor.execute(job)
    assert (account.store.executions, account.orders) == ({}, [])
    monkeypatch.undo()
    account.executor.execute(job)
    assert account.execution.status is ExecutionStatus.OPEN


@pytest.mark.parametrize("stage", ["entries", "begin"])
def test_of_two_signals_for_the_last_place_one_enters(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    limits = TradingLimits(max_open_trades=1)
    account.world.access.account = replace(account.world.access.account, limits=limits)
    follow = replace(account.follow, id="other-follow", symbol="ETH/USDT", strategy_id="other")
    job = account.enter(1)
    other = account.enter(
        2, symbol=follow.symbol, strategy_id=follow.strategy_id, stop=Level(price=D(950)), take_profits=()
    )
    follower = replace(other.followers[0], follow_id=follow.id)
    other = replace(other, followers=(follower,), price=D(1000))
    account.market.follows.append(follow)
    monkeypatch.setattr(
        account.market, "state_of", lambda id: State(opened_by="signal-1" if id == "strategy" else "signal-2")
    )
    go_on = getattr(account.store, stage)

    def go_on_after_the_other(*given: Any) -> Any:
        monkeypatch.setattr(account.store, stage, go_on)
        account.executor.execute(other)
        return go_on(*given)

    monkeypatch.setattr(account.store, stage, go_on_after_the_other)
    account.executor.execute(job)
    late = account.execution_of(job)
    assert (late.status, late.reason) == (ExecutionStatus.SKIPPED, SkipReason.MAX_TRADES)
    winner = account.store.get(follow.id, other.signal_id)
    assert winner is not None
    assert winner.status is ExecutionStatus.OPEN
    assert {order["symbol"] for order in account.orders} == {"ETHUSDT"}


def test_a_close_signal_leaves_what_the_user_opened_after_the_stop(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    account.control.prices(BTC_USDT="18999")
    account.control.prices(BTC_USDT=PRICE)
    assert account.position == 0
    open_by_hand(account)
    account.clock.advance(15_000)
    job = account.exit(2)
    account.settle(job)
    assert account.position == D("0.01")
    assert account.execution_of(job).status is ExecutionStatus.CLOSED


def test_a_close_signal_is_carried_out_after_its_first_try_came_to_nothing(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    job = account.exit(2)
    account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
    assert account.run_cut(job) == "unfinished"
    account.control.clear_faults()
    account.check_protected()
    account.clock.advance(CLEARING_LIFETIME_MS)
    account.settle(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.position, account.open_orders) == (D(0), [])


def test_a_close_signal_waits_for_the_clearing_of_its_user(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    job, world = account.exit(2), account.world
    account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
    with pytest.raises(ExchangeUnavailable):
        world.orders.clear_position(USER_ID, world.account_id, SYMBOL)
    assert account.run_cut(job) == "unfinished"
    account.control.clear_faults()
    account.clock.advance(CLEARING_LIFETIME_MS)
    world.reconcile(1)
    account.settle(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position == 0


def test_a_close_signal_waits_for_a_clearing_that_begins_just_before(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.executor.execute(account.enter(1))
    job, world = account.exit(2), account.world
    close = world.orders.close

    def close_late(*given: Any) -> Any:
        account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
        with pytest.raises(ExchangeUnavailable):
            world.orders.clear_position(USER_ID, world.account_id, SYMBOL)
        return close(*given)

    with monkeypatch.context() as patch:
        patch.setattr(world.orders, "close", close_late)
        assert account.run_cut(job) == "unfinished"
    account.control.clear_faults()
    account.clock.advance(CLEARING_LIFETIME_MS)
    world.reconcile(1)
    assert account.position
    account.settle(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert account.position == 0


def test_a_close_signal_closes_a_trade_from_before_trades_had_ids(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1))
    (trade,) = account.world.store.intents.values()
    lock = account.store.lock(account.world.account_id, SYMBOL)
    assert trade.strategy is not None
    assert lock is not None
    old = replace(trade, strategy=replace(trade.strategy, strategy_id=None, follow_id=None))
    account.store.keep(old, lock.leased(account.clock()))
    stranger = account.exit(2, strategy_id="another")
    account.executor.execute(stranger)
    assert account.execution_of(stranger).reason is SkipReason.NOTHING_OPEN
    job = account.exit(3)
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.position, account.open_orders) == (D(0), [])


def test_an_entry_that_a_close_signal_withdraws_was_not_executed(account: FollowedAccount) -> None:
    job = account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900))
    account.executor.execute(job)
    account.executor.execute(account.exit(2))
    listed = Executions(account.store, FoundFollow(account.follow), FakeResults(), account.clock)
    page, _ = listed.page(USER_ID, account.follow.id, None, 10)
    assert [each.execution.status for each in page] == [ExecutionStatus.CLOSED, ExecutionStatus.FAILED]


def test_an_entry_that_rested_is_listed_as_executed_then(account: FollowedAccount) -> None:
    account.executor.execute(account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900)))
    account.control.prices(BTC_USDT="19900")
    account.clock.advance(15_000)
    account.world.reconcile(1)
    listed = Executions(account.store, FoundFollow(account.follow), FakeResults(), account.clock)
    ((only,), _) = listed.page(USER_ID, account.follow.id, None, 10)
    assert only.execution.status is ExecutionStatus.OPEN


def test_a_key_that_is_refused_with_the_order_is_a_reason(account: FollowedAccount) -> None:
    account.control.fault("/fapi/v1/order", "reject", 1, apiKey=account.api_key, code=-2015)
    account.executor.execute(account.enter(1))
    assert skipped(account) == (SkipReason.KEY, D(0), 0)


def test_an_order_that_is_looked_for_leaves_its_job_unfinished(account: FollowedAccount) -> None:
    job = account.enter(1)
    account.control.fault("/fapi/v1/order", "timeout_after", 1000, apiKey=account.api_key)
    assert account.run_cut(job) == "unfinished"
    account.settle(job)
    account.executor.execute(job)
    assert account.execution.status.is_settled


def test_a_reading_that_lags_behind_the_closing_is_taken_again(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.executor.execute(account.enter(1))
    job = account.enter(2, Direction.SHORT)
    desk = account.executor._desk
    before = desk.margin(account.credential, SYMBOL)
    monkeypatch.setattr(desk, "margin", lambda *_: before)
    assert account.run_cut(job) == "unfinished"
    monkeypatch.undo()
    account.executor.execute(job)
    assert account.execution_of(job).status is ExecutionStatus.OPEN
    assert account.position < 0


def test_followers_of_a_dead_job_get_a_failed_execution_with_its_cause(account: FollowedAccount) -> None:
    job = account.enter(1, expires_at=account.clock() + 3_600_000)
    account.control.fault("/", "http_503", 1000, apiKey=account.api_key)
    account.deliver(job, 2)
    account.control.clear_faults()
    failed = account.execution_of(job)
    assert (failed.status, failed.reason) == (ExecutionStatus.FAILED, SkipReason.EXCHANGE_UNAVAILABLE)
    assert account.counts() == {"FAILED/EXCHANGE_UNAVAILABLE": 1}
    # An operator redrives the job.
    account.deliver(job)
    assert account.jobs.records == {}
    assert account.execution_of(job).outcome == failed.outcome
    assert (account.counts(), account.orders) == ({"FAILED/EXCHANGE_UNAVAILABLE": 1}, [])


def test_followers_of_a_job_that_killed_its_workers_get_a_failed_execution(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = account.enter(1, expires_at=account.clock() + 3_600_000)

    def kill(_: ExecutionJob) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(account.executor, "execute", kill)
        for _ in range(2):
            with pytest.raises(Killed):
                account.deliver(job)
    account.deliver(job, 2)
    assert account.execution_of(job).reason is SkipReason.INTERNAL
    assert (account.counts(), account.orders) == ({"FAILED/INTERNAL": 1}, [])


def test_a_redriven_close_signal_closes_the_trade_that_its_dead_job_left(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.deliver(account.enter(1, expires_at=account.clock() + 3_600_000))
    job = account.exit(2)

    def fail(*_: Any) -> Any:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(account.world.access, "get", fail)
        account.deliver(job, 2)
    assert account.execution_of(job).reason is SkipReason.INTERNAL
    assert account.counts() == {"OPEN": 1, "FAILED/INTERNAL": 1}
    account.deliver(job)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.counts(), account.position) == ({"OPEN": 1, "CLOSED": 1}, D(0))
    assert account.jobs.records == {}


def test_a_redriven_signal_to_enter_closes_the_opposite_trade_that_its_dead_job_left(
    account: FollowedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.deliver(account.enter(1, expires_at=account.clock() + 3_600_000))
    job = account.enter(2, Direction.SHORT, expires_at=account.clock() + 3_600_000)

    def fail(*_: Any) -> Any:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(account.world.access, "get", fail)
        account.deliver(job, 2)
    assert account.position > 0
    account.deliver(job)
    assert (account.position, account.open_orders) == (D(0), [])
    assert account.execution_of(job).reason is SkipReason.INTERNAL
    assert account.counts() == {"OPEN": 1, "FAILED/INTERNAL": 1}
    assert account.jobs.records == {}


def test_a_closing_that_outlives_its_job_is_completed_and_counted_anew(account: FollowedAccount) -> None:
    account.deliver(account.enter(1, expires_at=account.clock() + 3_600_000))
    job = account.exit(2)
    account.control.fault("/fapi/v1/order", "http_503", 1000, apiKey=account.api_key)
    account.deliver(job, 2)
    assert account.counts() == {"OPEN": 1, "SENDING": 1}
    account.control.clear_faults()
    account.world.reconcile(1)
    assert account.execution_of(job).status is ExecutionStatus.CLOSED
    assert (account.counts(), account.position) == ({"OPEN": 1, "CLOSED": 1}, D(0))


def test_a_closing_that_a_refused_key_has_delayed_is_counted_anew(account: FollowedAccount) -> None:
    account.deliver(account.enter(1, expires_at=account.clock() + 3_600_000))
    job = account.exit(2)
    account.control.fault("/", "reject", 1000, apiKey=account.api_key, code=-2015)
    account.deliver(job)
    assert account.counts() == {"OPEN": 1, "SKIPPED/KEY": 1}
    account.control.clear_faults()
    account.world.reconcile(1)
    assert account.execution_of(job).outcome == ("CLOSED", None)
    assert (account.counts(), account.position) == ({"OPEN": 1, "CLOSED": 1}, D(0))


def test_a_closing_that_a_dead_key_has_prevented_is_abandoned(account: FollowedAccount) -> None:
    account.deliver(account.enter(1, expires_at=account.clock() + 3_600_000))
    job = account.exit(2)
    account.control.fault("/", "reject", 1000, apiKey=account.api_key, code=-2015)
    account.deliver(job)
    account.clock.advance(LIFETIME_MS)
    account.world.reconcile(1)
    account.control.clear_faults()
    assert account.position
    assert account.execution_of(job).status is ExecutionStatus.ABANDONED
    assert account.counts() == {"OPEN": 1, "ABANDONED": 1}


def rest(account: FollowedAccount) -> ExecutionJob:
    job = account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900), expires_at=account.clock() + 3_600_000)
    account.deliver(job)
    assert account.counts() == {"RESTING": 1}
    return job


def test_the_counts_follow_an_entry_that_rested_until_it_is_executed(account: FollowedAccount) -> None:
    job = rest(account)
    account.control.prices(BTC_USDT="19900")
    account.world.reconcile(1)
    assert account.execution_of(job).status is ExecutionStatus.OPEN
    assert account.counts() == {"OPEN": 1}


def test_the_counts_follow_an_entry_that_a_close_signal_withdraws(account: FollowedAccount) -> None:
    job = rest(account)
    account.deliver(account.exit(2))
    assert account.execution_of(job).status is ExecutionStatus.FAILED
    assert account.counts() == {"FAILED": 1, "CLOSED": 1}


def test_the_counts_follow_an_entry_that_its_user_clears(account: FollowedAccount) -> None:
    job = rest(account)
    account.clock.advance(15_000)
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.execution_of(job).status is ExecutionStatus.FAILED
    assert account.counts() == {"FAILED": 1}


def test_an_entry_whose_state_could_not_be_determined_is_abandoned(account: FollowedAccount) -> None:
    job = account.enter(1, expires_at=account.clock() + 3_600_000)
    account.control.fault("/fapi/v1/order", "timeout_after", 1000, apiKey=account.api_key)
    account.deliver(job, 2)
    account.control.fault("/", "http_503", 1000, apiKey=account.api_key)
    assert account.counts() == {"UNKNOWN": 1}
    account.clock.advance(LIFETIME_MS)
    account.world.reconcile(1)
    assert account.execution_of(job).status is ExecutionStatus.ABANDONED
    assert account.counts() == {"ABANDONED": 1}
