"""Sweeping cancellations that a queue has lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from purser.clock import DAY_MS
from purser.credentials.model import SealedCredential, sealing_context
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS, RESEND_AFTER_MS, Cancellation
from purser.disconnecting.service import ORDERS_UNDER_WAY_MS, Cancellations, cancellation_sweeper
from purser.errors import Contended, ExchangeAuthorizationFailed, ExchangeUnavailable, Unavailable
from purser.exchanges.model import TradeType, Venue
from purser.exchanges.orders import SENDING_WINDOW_MS
from purser.orders.intents import LEASE_AFTER_MS, ORDER_TIME_MS
from purser.retrying import retry_delay
from purser.work.model import Delivery
from purser.work.sweeper import SWEEP_INTERVAL_MS
from tests.support.fakes import FakeCancellations, FakeClock, FakeExchange, FakeQueue, FakeTradingAccounts, FakeVault
from tests.support.snapshots import MINUTE
from tests.support.work import FakeWorkTelemetry


class World:
    """A sweep over fakes."""

    def __init__(self) -> None:
        self.clock, self.queue, self.memory = FakeClock(), FakeQueue(), FakeTradingAccounts()
        self.store, self.telemetry, self.exchange = FakeCancellations(self.memory), FakeWorkTelemetry(), FakeExchange()
        self.sweeper = cancellation_sweeper(self.store, self.queue, self.telemetry, self.clock)
        self.cancellations = Cancellations(
            self.store, FakeVault(), self.exchange, self.queue, self.telemetry, self.clock
        )

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Make a sweep that has a minute."""
        return self.sweeper.sweep(until=self.clock() + MINUTE, queue_is_empty=queue_is_empty)

    def wait_for(self, name: str, trade_type: TradeType = TradeType.SPOT) -> Cancellation:
        now = self.clock()
        ciphertext = FakeVault().encrypt("secret", sealing_context("user", name))
        sealed = SealedCredential(name, "user", Venue.BINANCE, name, ciphertext, now)
        waiting = Cancellation(name, trade_type, sealed, now, due_at=now + RESEND_AFTER_MS)
        self.memory.cancellations[name] = waiting
        return waiting


@pytest.fixture
def world() -> World:
    return World()


def test_a_pending_cancellation_is_queued_once_an_interval(world: World) -> None:
    world.wait_for("one")
    assert world.sweep() == 0
    for _ in range(3):
        world.clock.advance(RESEND_AFTER_MS)
        assert world.sweep() == 1
        assert world.sweep() == 0
    assert world.queue.sent == [{"tradingAccountId": "one"}] * 3


def test_concurrent_sweeps_queue_a_cancellation_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.wait_for("one")
    world.clock.advance(RESEND_AFTER_MS)
    due = world.store.due

    def overtaken(now: int, *, queue_is_empty: bool) -> Iterator[Cancellation]:
        """Run another sweep between the read and the claim of this one."""
        seen = list(due(now, queue_is_empty=queue_is_empty))
        monkeypatch.setattr(world.store, "due", due)
        assert world.sweep() == 1
        return iter(seen)

    monkeypatch.setattr(world.store, "due", overtaken)
    assert world.sweep() == 0
    assert world.queue.sent == [{"tradingAccountId": "one"}]


def test_a_sweep_of_an_empty_queue_sends_immediately(world: World) -> None:
    world.wait_for("one")
    assert world.sweep(queue_is_empty=True) == 1


def test_a_credential_is_destroyed_at_the_end_of_its_lifetime(world: World) -> None:
    old = world.wait_for("old")
    world.memory.cancellations["old"] = replace(old, created_at=old.created_at - CANCELLATION_LIFETIME_MS)
    world.wait_for("young")
    assert world.sweep(queue_is_empty=True) == 1
    assert set(world.memory.cancellations) == {"young"}
    assert world.memory.outcomes == {"old": "FAILED"}
    assert world.telemetry.outcomes == [("failed", "old")]


def test_a_cancellation_that_the_exchange_refuses_for_good_is_reported_as_failed(world: World) -> None:
    world.wait_for("one")
    world.exchange.refusing_to_cancel = ExchangeAuthorizationFailed()
    world.cancellations.resume("one")
    assert world.memory.outcomes == {"one": "FAILED"}
    assert world.telemetry.outcomes == [("failed", "one")]


def test_orders_that_a_request_places_while_its_account_is_disconnected_are_cancelled(world: World) -> None:
    world.wait_for("one", TradeType.FUTURES)
    orders = world.exchange.keys[world.exchange.add("one")]
    for _ in range(2):
        orders.open_orders = 1
        world.cancellations.resume("one")
        assert orders.open_orders == 0
        assert "one" in world.memory.cancellations
    orders.open_orders = 1
    world.clock.advance(ORDERS_UNDER_WAY_MS)
    assert world.sweep() == 1
    world.cancellations.resume("one")
    assert orders.open_orders == 0
    assert world.memory.outcomes == {"one": "SUCCESS"}


def test_the_first_message_of_a_cancellation_comes_when_no_request_places_orders_any_more() -> None:
    assert ORDER_TIME_MS + LEASE_AFTER_MS + SENDING_WINDOW_MS < ORDERS_UNDER_WAY_MS
    assert ORDERS_UNDER_WAY_MS < Cancellations.RETRY_DELAY_S * 1000


def test_a_futures_cancellation_that_has_failed_is_not_repeated(world: World) -> None:
    world.wait_for("one", TradeType.FUTURES)
    world.exchange.refusing_to_cancel = ExchangeAuthorizationFailed()
    world.cancellations.resume("one")
    assert world.memory.cancellations == {}
    assert world.memory.outcomes == {"one": "FAILED"}


def test_a_refused_cancellation_that_has_ended_meanwhile_is_reported_once(world: World) -> None:
    waiting = world.wait_for("one")
    world.exchange.refusing_to_cancel = ExchangeAuthorizationFailed()

    def end_first(step: str) -> None:
        if step == "before end":
            world.store.interrupt = lambda _: None
            world.clock.now = waiting.deadline
            world.sweep()

    world.store.interrupt = end_first
    world.cancellations.resume("one")
    assert world.telemetry.outcomes == [("failed", "one")]


def test_one_cancellation_that_cannot_be_destroyed_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        old = world.wait_for(name)
        world.memory.cancellations[name] = replace(old, created_at=old.created_at - CANCELLATION_LIFETIME_MS)
    world.wait_for("young")
    expire = world.store.expire

    def fail_for_one(item: Cancellation) -> bool:
        if item.trading_account_id == "one":
            raise Contended
        return expire(item)

    monkeypatch.setattr(world.store, "expire", fail_for_one)
    with pytest.raises(ExceptionGroup):
        world.sweep(queue_is_empty=True)
    assert set(world.memory.cancellations) == {"one", "young"}
    assert world.queue.sent == [{"tradingAccountId": "young"}]


def test_credentials_are_destroyed_even_when_the_queue_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.wait_for("a young one")
    old = world.wait_for("old")
    world.memory.cancellations["old"] = replace(old, created_at=old.created_at - CANCELLATION_LIFETIME_MS)

    def down(messages: Iterable[object], **_: object) -> int:
        next(iter(messages))
        raise Unavailable

    monkeypatch.setattr(world.queue, "send", down)
    with pytest.raises(ExceptionGroup):
        world.sweep(queue_is_empty=True)
    assert set(world.memory.cancellations) == {"a young one"}


@pytest.mark.parametrize("offset", [0, 1, SWEEP_INTERVAL_MS - 1])
def test_a_credential_is_destroyed_within_a_day_even_if_a_sweep_fails(world: World, offset: int) -> None:
    begun_at = world.clock()
    waiting = world.wait_for("one")
    world.clock.advance(waiting.deadline - begun_at - SWEEP_INTERVAL_MS + offset)
    world.sweep()
    assert "one" in world.memory.cancellations
    world.clock.advance(2 * SWEEP_INTERVAL_MS)  # One sweep does not happen.
    world.sweep()
    assert world.memory.outcomes == {"one": "FAILED"}
    assert world.clock() < begun_at + DAY_MS


def test_a_sweep_enqueues_no_cancellation_whose_message_waits_for_its_next_attempt(world: World) -> None:
    world.wait_for("one")
    world.exchange.failing = ExchangeUnavailable()
    with pytest.raises(ExchangeUnavailable):
        world.cancellations.resume("one", Delivery(4, sent_at=world.clock()))
    world.clock.advance(retry_delay(4) * 1000)
    assert world.sweep() == 0
    world.clock.advance(MINUTE)
    assert world.sweep() == 1
