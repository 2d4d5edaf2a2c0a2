"""The books of trades, against what the venue has really paid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from local.doubles.binance import PaperControl, PaperExchange
from local.doubles.binance.funding import FUNDING_INTERVAL
from purser.books.model import EndReason, reason_of
from purser.books.service import FUNDING_SETTLES_MS, LEASE_MS, SHORTEST_PAUSE_MS
from purser.clock import DAY_MS
from purser.errors import Contended, ExchangeAuthorizationFailed, ExchangeRateLimited, ExchangeUnavailable
from purser.exchanges.orders import Fee, NewOrder, OrderType, Side, Trade
from purser.executions.model import ExecutionStatus
from purser.executions.service import Executions
from purser.orders.model import EntryType
from purser.strategies.model import Direction
from purser.work.model import Delivery
from purser.work.worker import Worker
from tests.support.books import Booked
from tests.support.crashes import Killed
from tests.support.executions import SYMBOL, FollowedAccount
from tests.support.fakes import FakeClock
from tests.support.intents import USER_ID, CutDesk
from tests.support.paper_in_process import ControlInProcess, DirectDesk
from tests.support.work import FakeWorkTelemetry

D = Decimal


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
def booked(control: PaperControl, desk: CutDesk, clock: FakeClock) -> Iterator[Booked]:
    # No funding happens while a test does not wait for it.
    clock.advance(FUNDING_INTERVAL - clock() % FUNDING_INTERVAL)
    yield Booked(FollowedAccount(control, desk, clock))
    control.clear_faults()
    control.funding(BTC_USDT=0)


def move(booked: Booked, *prices: str) -> None:
    """Move the price, and let the reconciler notice what that has executed."""
    for price in prices:
        booked.account.control.prices(BTC_USDT=price)
    booked.account.clock.advance(15_000)
    booked.account.world.reconcile(2)


def sell(booked: Booked, amount: str, side: Side = Side.SELL) -> None:
    """Trade by hand, beside Purser."""
    account = booked.account
    order = NewOrder(f"hand-{account.clock()}-{side}", side, OrderType.MARKET, D(amount))
    account.world.desk.place(account.credential, SYMBOL, order)


def test_a_trade_that_its_take_profits_have_ended_is_booked_as_the_venue_has_paid_it(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "20500", "21000")
    assert booked.close() is None
    result = booked.result
    assert (result.reason, result.side, result.amount) == (EndReason.TAKE_PROFIT, "BUY", D("0.175"))
    assert (result.entry_price, result.profit, result.funding) == (D(20000), D("0.087") * 500 + D("0.088") * 1000, D(0))
    assert result.net == booked.equity - 10_000
    assert result.fees > 0
    assert result.slippage_percent == 0
    risk = booked.account.execution.risk
    assert risk is not None
    assert result.risk_multiple == (result.net / risk).quantize(D("0.0001"))
    assert (result.follow_id, result.signal_id) == (booked.account.follow.id, "signal-1")


def test_a_short_trade_that_its_stop_has_ended_loses_no_more_than_its_risk(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1, Direction.SHORT))
    move(booked, "21000")
    assert booked.close() is None
    result = booked.result
    assert (result.reason, result.side) == (EndReason.STOP, "SELL")
    assert result.net == booked.equity - 10_000
    assert result.risk_multiple is not None
    # The risk allows for slippage of entry and stop, of which there was none.
    assert -1 < result.risk_multiple < D("-0.8")


def test_parts_that_were_taken_before_the_stop_count(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "20500")
    assert booked.ended == []
    move(booked, "19000")
    assert booked.close() is None
    assert booked.result.reason is EndReason.STOP
    assert booked.result.net == booked.equity - 10_000
    assert D(19000) < booked.result.exit_price < D(20500)


def test_a_trade_that_its_user_has_closed_ends_by_hand(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    booked.account.control.prices(BTC_USDT="20100")
    sell(booked, "0.175")
    move(booked, "20100")
    assert booked.close() is None
    assert booked.result.reason is EndReason.BY_HAND
    assert booked.result.net == booked.equity - 10_000


def test_a_signal_that_closes_a_trade_is_the_reason(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    booked.account.control.prices(BTC_USDT="20300")
    booked.account.executor.execute(booked.account.exit(2))
    assert booked.close() is None
    assert booked.result.reason is EndReason.SIGNAL
    assert booked.result.net == booked.equity - 10_000


def test_a_trade_that_could_not_have_its_stop_is_booked_as_undone(booked: Booked) -> None:
    booked.account.control.fault("/fapi/v1/algoOrder", "reject", 1, apiKey=booked.account.api_key, code=-4045)
    booked.account.executor.execute(booked.account.enter(1))
    assert booked.account.execution.status is ExecutionStatus.FAILED
    assert booked.close() is None
    assert (booked.result.reason, booked.result.profit) == (EndReason.UNDONE, D(0))
    assert booked.result.net == booked.equity - 10_000


def test_a_trade_that_its_follow_has_closed_ends_by_hand(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    booked.account.executor.execute(booked.account.exit(2))
    (intent,) = booked.account.world.store.intents.values()
    closing = [each for each in booked.account.orders if "orderId" in each][-1]
    order = booked.account.world.desk.order(booked.account.credential, SYMBOL, closing["orderId"])
    assert order is not None
    assert reason_of(intent, order) is EndReason.SIGNAL
    assert reason_of(replace(intent, closed_by_signal=None), order) is EndReason.BY_HAND


def test_what_the_user_has_added_is_not_part_of_the_result(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    sell(booked, "0.100", Side.BUY)
    booked.account.control.prices(BTC_USDT="20100")
    sell(booked, "0.275")
    move(booked, "20100")
    assert booked.close() is None
    result = booked.result
    assert (result.amount, result.profit) == (D("0.175"), D("17.5"))
    assert booked.equity - 10_000 - result.net == (result.net * 100 / 175).quantize(D("1e-8"))


def test_a_liquidation_is_the_venues(booked: Booked) -> None:
    account = booked.account
    account.executor.execute(account.enter(1, Direction.SHORT))
    for order in account.open_orders:
        account.world.desk.cancel(account.credential, SYMBOL, order["clientAlgoId"], conditional=True)
    move(booked, "200000")
    assert booked.close() is None
    assert booked.result.reason is EndReason.LIQUIDATION
    assert booked.result.net == booked.equity - 10_000


def test_funding_is_paid_by_who_held_the_position_when_it_happened(booked: Booked) -> None:
    account = booked.account
    account.executor.execute(account.enter(1))
    account.control.funding(BTC_USDT="0.0001")
    account.clock.advance(FUNDING_INTERVAL)
    move(booked, "20500")
    account.control.funding(BTC_USDT="-0.0003")
    account.clock.advance(FUNDING_INTERVAL)
    move(booked, "21000")
    account.clock.advance(FUNDING_SETTLES_MS)
    assert booked.close() is None
    result = booked.result
    assert result.funding == -D("0.175") * 20000 * D("0.0001") + D("0.088") * 20500 * D("0.0003")
    assert result.net == booked.equity - 10_000


def test_books_wait_for_a_funding_that_may_not_be_listed_yet(booked: Booked) -> None:
    account = booked.account
    account.executor.execute(account.enter(1))
    account.control.funding(BTC_USDT="0.0001")
    account.clock.advance(FUNDING_INTERVAL - account.clock() % FUNDING_INTERVAL)
    funding_at = account.clock()
    sell(booked, "0.175")
    move(booked, "20000")
    wait = booked.close()
    assert wait is not None
    assert wait.due_at == funding_at + FUNDING_SETTLES_MS
    account.clock.advance(FUNDING_SETTLES_MS)
    assert booked.close() is None
    assert booked.result.net == booked.equity - 10_000


def test_fills_that_are_not_listed_yet_keep_the_books_open(booked: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")
    desk = booked.account.world.desk
    whole = desk.trades_between
    for shown in (slice(-1), slice(1, None), slice(0)):
        monkeypatch.setattr(desk, "trades_between", lambda *given, shown=shown: whole(*given)[shown])
        wait = booked.close()
        assert wait is not None
        assert wait.due_at == booked.account.clock() + SHORTEST_PAUSE_MS
    assert booked.results.results == {}
    monkeypatch.undo()
    assert booked.close() is None
    assert booked.result.net == booked.equity - 10_000


@pytest.mark.parametrize(
    "error", [ExchangeUnavailable(), ExchangeAuthorizationFailed(), ExchangeRateLimited(retry_after=30)]
)
def test_a_venue_that_cannot_be_asked_costs_no_attempt(
    booked: Booked, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")

    def fail(*_: Any) -> Sequence[Trade]:
        raise error

    monkeypatch.setattr(booked.account.world.desk, "trades_between", fail)
    wait = booked.close()
    assert wait is not None
    assert not wait.succeeded
    assert wait.due_at > booked.account.clock()


def test_books_are_tried_ever_more_rarely(booked: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")
    monkeypatch.setattr(booked.account.world.desk, "trades_between", lambda *_: [])
    pauses = []
    for _ in range(3):
        booked.account.clock.advance(FUNDING_INTERVAL)
        wait = booked.close()
        assert wait is not None
        pauses.append(wait.due_at - booked.account.clock())
    assert pauses == sorted(pauses)
    assert pauses[-1] == 6 * 3_600_000


def test_books_are_closed_once(booked: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")
    assert booked.close() is None
    before = booked.result
    monkeypatch.setattr(booked.account.world.desk, "trades_between", lambda *_: pytest.fail("asked again"))
    assert booked.close() is None
    assert booked.result == before


@pytest.mark.parametrize("step", range(8))
def test_books_are_closed_once_wherever_their_worker_is_killed(booked: Booked, step: int) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")
    (ended,) = booked.ended
    telemetry, deliveries = FakeWorkTelemetry(), 0
    steps = iter(range(step + 1))

    def kill(_: str) -> None:
        if next(steps, None) == step:
            raise Killed

    booked.store.interrupt = booked.results.interrupt = kill
    while booked.ended and deliveries < 4:
        deliveries += 1
        worker = Worker(
            booked.store, booked.books.close, telemetry, booked.account.clock, lease_ms=LEASE_MS, max_attempts=5
        )
        # The second message is a duplicate of the first one.
        for _ in range(2):
            with suppress(Killed, Contended):
                worker.work(*ended.key, delivery=Delivery(deliveries, booked.account.clock()))
        booked.account.clock.advance(2 * LEASE_MS)
    assert booked.ended == []
    assert booked.result.net == booked.equity - 10_000
    assert booked.results.stored == 1


def test_a_trade_of_more_than_a_week_is_read_week_by_week(booked: Booked) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    booked.account.clock.advance(20 * DAY_MS)
    move(booked, "19000")
    booked.account.clock.advance(FUNDING_SETTLES_MS)
    assert booked.close() is None
    assert booked.result.net == booked.equity - 10_000


def test_an_entry_that_rested_is_booked_from_its_first_fill(booked: Booked) -> None:
    job = booked.account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900))
    booked.account.executor.execute(job)
    move(booked, "19900")
    move(booked, "19000")
    assert booked.close() is None
    result = booked.result
    assert (result.entry_price, result.slippage_percent) == (D(19900), D(0))
    assert result.net == booked.equity - 10_000


def test_an_entry_that_its_answer_has_dated_by_its_last_change_is_booked(booked: Booked) -> None:
    account = booked.account
    account.executor.execute(account.enter(1))
    (trade,) = account.world.store.intents.values()
    lock = account.store.lock(account.world.account_id, SYMBOL)
    assert lock is not None
    entry, *exits = trade.placed
    late = replace(entry, timestamp=entry.timestamp + 1000)
    account.store.keep(replace(trade, placed=(late, *exits)), lock.leased(account.clock()))
    move(booked, "19000")
    assert booked.close() is None
    assert booked.result.net == booked.equity - 10_000


@pytest.mark.parametrize("price", ["19900", "19950"])
def test_an_entry_that_was_open_when_it_gave_way_is_booked_if_it_was_executed(booked: Booked, price: str) -> None:
    account = booked.account
    account.executor.execute(account.enter(1, entry_type=EntryType.LIMIT, limit_price=D(19900)))
    # The last look fails, so the entry gives way as it was reported before.
    account.control.fault("/fapi/v1/algoOrder", "http_503", 1000, method="GET", apiKey=account.api_key)
    move(booked, "20000")
    account.control.prices(BTC_USDT=price)
    account.clock.advance(40_000)
    account.world.orders.clear_position(USER_ID, account.world.account_id, SYMBOL)
    assert account.position == 0
    assert booked.close() is None
    if price == "19900":
        assert booked.result.reason is EndReason.BY_HAND
        assert booked.result.net == booked.equity - 10_000
    else:
        assert booked.results.results == {}


def test_fees_in_another_asset_are_stated_and_priced(booked: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    booked.account.executor.execute(booked.account.enter(1))
    move(booked, "19000")
    desk = booked.account.world.desk
    whole = desk.trades_between
    fees = {"price": D(500), "unlisted": None}
    for symbol, price in fees.items():
        asset = "ETH" if price else "OLD"
        in_other = [replace(each, fee=Fee(D("0.001"), asset)) for each in whole(*_since_ever(booked))]
        monkeypatch.setattr(desk, "trades_between", lambda *_, trades=in_other: trades)
        booked.results.results.clear()
        assert booked.close() is None
        (other,) = booked.result.other_fees
        assert (other.asset, other.amount) == (asset, D("0.002")), symbol
        assert other.price == (D(1000) if price else None)
        assert booked.result.fees == (D(2) if price else D(0))
        monkeypatch.undo()


def _since_ever(booked: Booked) -> tuple[Any, ...]:
    now = booked.account.clock()
    return booked.account.credential, SYMBOL, now - DAY_MS, now


def test_the_list_of_executions_shows_the_result(booked: Booked) -> None:
    account = booked.account
    account.executor.execute(account.enter(1))
    listed = Executions(account.store, FoundFollow(account), booked.results, account.clock)
    ((before,), _) = listed.page(USER_ID, account.follow.id, None, 10)
    move(booked, "19000")
    assert booked.close() is None
    ((after,), _) = listed.page(USER_ID, account.follow.id, None, 10)
    assert (before.result, after.result) == (None, booked.result)


class FoundFollow:
    """The only follow."""

    def __init__(self, account: FollowedAccount) -> None:
        self._account = account

    def find(self, user_id: str, follow_id: str) -> Any:
        return self._account.follow


def test_books_cost_no_more_than_seven_of_weight(booked: Booked, exchange: PaperExchange) -> None:
    account = booked.account
    account.executor.execute(account.enter(1))
    sell(booked, "0.175")
    move(booked, "20000")
    booked.books.close(booked.ended[0])
    booked.results.results.clear()
    before = spent(account.control)
    assert booked.close() is None
    # The fills, and the order by hand.
    assert spent(account.control) - before == 6


def spent(control: PaperControl) -> int:
    """Return the weight that the venue has counted."""
    return sum(budgets["futures"]["weight"] for budgets in control.usage().values())
