"""The reconciler of orders: its log lines, and intents that wait or cannot be reconciled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Barrier

import pytest

from purser.errors import ExchangeAuthorizationFailed, ExchangeError, ExchangeUnavailable, Unavailable
from purser.exchanges.model import ApiCredential
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import CERTAINTY_MS, LIFETIME_MS, WATCH_AFTER_MS, Intent, OrderLock, State
from purser.orders.placing import Placement, Undone
from purser.orders.reconciling import (
    BEGINNING_SHARE,
    LONGEST_UNWATCHED_MS,
    RUN_INTERVAL_S,
    Map,
    Reconciled,
    Reconciler,
)
from purser.orders.telemetry import PowertoolsOrderTelemetry
from purser.trading_accounts.model import TradingAccount
from tests.support.crashes import Killed, Scissors
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.intents import RUN_LIMIT_MS, FakeAccess, FakeIntents, FakeTelemetry
from tests.support.logs import logs

BEGINNING_MS = int(RUN_LIMIT_MS * BEGINNING_SHARE)


class BrokenAccess:
    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        raise ValueError((user_id, trading_account_id))

    def recording_key_status(self, _: TradingAccount) -> AbstractContextManager[None]:
        return nullcontext()


def never(_: ApiCredential, intent: Intent) -> Placement:
    raise AssertionError(intent)


def test_the_lines_of_an_intent_have_the_id_of_the_request_that_began_it() -> None:
    clock, store = FakeClock(), FakeIntents(Scissors())
    for name, request in (("one", "a request"), ("two", "another request")):
        intent = Intent(name, "user", "account", name, created_at=clock(), updated_at=clock())
        lock = OrderLock("user", "account", name, name, due_at=clock(), correlation_id=request)
        store.begin(intent, lock)
    telemetry = PowertoolsOrderTelemetry("Purser")
    runner = IntentRunner(store, BrokenAccess(), never, telemetry, clock)
    with logs() as written:
        Reconciler(store, runner, telemetry, clock, FakeQueue()).run(1000)
    lines = [(line["intentId"], line["correlation_id"]) for line in written.lines if "intentId" in line]
    assert lines == [("one", "a request"), ("two", "another request")]


CREDENTIAL = ApiCredential("account", "secret")


def broken(_: ApiCredential, intent: Intent) -> Placement:
    raise ValueError(intent)


class Bench:
    """A reconciler with one intent that nobody works on."""

    def __init__(
        self,
        access: BrokenAccess | FakeAccess,
        state: State = State.UNKNOWN,
        placement: Callable[[ApiCredential, Intent], Placement] = broken,
        *,
        may_watch: Callable[[str], bool] = lambda _: True,
        each: Map = map,
    ) -> None:
        self.clock, self.store, self.telemetry = FakeClock(), FakeIntents(Scissors()), FakeTelemetry()
        begun_at = self.clock()
        self.intent = Intent(
            "one", "user", "account", "BTC/USDT", created_at=begun_at, updated_at=begun_at, state=state
        )
        self.store.begin(self.intent, OrderLock("user", "account", "BTC/USDT", "one", due_at=begun_at))
        self.runner = IntentRunner(self.store, access, placement, self.telemetry, self.clock)
        self.queue = FakeQueue()
        ports = self.store, self.runner, self.telemetry, self.clock, self.queue
        self.reconciler = Reconciler(*ports, may_watch, self.wait, each)

    def wait(self, seconds: float) -> None:
        self.clock.advance(round(seconds * 1000))

    def lease(self, milliseconds: int) -> None:
        """Let the intent be worked on for so long from now on."""
        (lock,) = self.store.stored_locks
        assert self.store.locks.advance(lock.leased(self.clock() + milliseconds))

    def run_until(self, age: int) -> State:
        self.clock.now = self.intent.created_at + age
        self.reconciler.run(1000)
        return self.store.intents["account", "one"].state


@pytest.mark.parametrize("access", [BrokenAccess(), FakeAccess(CREDENTIAL)])
def test_an_intent_that_cannot_be_opened_or_resumed_is_abandoned_after_its_lifetime(
    access: BrokenAccess | FakeAccess,
) -> None:
    bench = Bench(access)
    assert bench.run_until(LIFETIME_MS - 70_000) is State.UNKNOWN
    assert bench.store.stored_locks
    assert bench.run_until(LIFETIME_MS) is State.ABANDONED
    assert not bench.store.stored_locks
    assert len(bench.telemetry.failures) == 2
    assert [intent.id for intent in bench.telemetry.abandoned_intents] == ["one"]


def test_an_intent_that_rests_is_never_given_up_for_a_failure() -> None:
    bench = Bench(BrokenAccess(), State.RESTING)
    assert bench.run_until(2 * LIFETIME_MS) is State.RESTING
    assert bench.store.stored_locks


class Resting(Placement):
    """The placement of an order that rests, and goes on resting unless the venue answers with an error."""

    error: ExchangeError | None = None

    def __init__(self, _: ApiCredential, intent: Intent) -> None:
        self._intent = intent

    def resume(self, deadline: int) -> Intent:
        if self.error is not None:
            raise self.error
        return self._intent


def test_an_intent_that_rests_is_given_up_when_its_key_is_dead_for_its_lifetime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting)
    assert bench.run_until(LIFETIME_MS) is State.RESTING
    monkeypatch.setattr(Resting, "error", ExchangeAuthorizationFailed())
    assert bench.run_until(2 * LIFETIME_MS - 70_000) is State.RESTING
    assert bench.run_until(2 * LIFETIME_MS) is State.DONE
    assert not bench.store.stored_locks
    assert len(bench.telemetry.troubles) == 2


def test_an_intent_that_rests_outlives_an_outage_with_its_lock_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting)
    monkeypatch.setattr(Resting, "error", ExchangeUnavailable())
    assert bench.run_until(2 * LIFETIME_MS) is State.RESTING
    assert [lock.leased_until for lock in bench.store.stored_locks] == [bench.clock() + CERTAINTY_MS]
    assert [state for state, _ in bench.telemetry.troubles] == [State.RESTING]


class RefusedSuccessor(Resting):
    """As ``Resting``, but nothing is left of an order that replaces another."""

    def resume(self, deadline: int) -> Intent:
        if self._intent.replaces is not None:
            raise Undone(ExchangeUnavailable())
        return super().resume(deadline)

    def place(self, deadline: int) -> Intent:
        return self.resume(deadline)


def test_an_intent_that_has_its_lock_back_is_reconciled_in_the_same_run() -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.DONE, RefusedSuccessor)
    (lock,) = bench.store.stored_locks
    successor = replace(bench.intent, id="two", replaces="one", state=State.UNKNOWN)
    bench.store.begin(successor, replace(lock, intent_id="two", version=lock.version + 1))
    assert bench.run_until(60_000) is State.RESTING
    assert bench.store.intents["account", "two"].state is State.FAILED
    assert bench.store.intents["account", "one"].updated_at == bench.clock()
    assert [lock.due_at for lock in bench.store.stored_locks] == [bench.clock() + WATCH_AFTER_MS]


def test_a_lock_without_its_intent_is_deleted() -> None:
    bench = Bench(BrokenAccess())
    bench.store.intents.clear()
    bench.reconciler.run(1000)
    assert not bench.store.stored_locks
    assert [type(failure) for failure in bench.telemetry.failures] == [LookupError]


def test_intents_of_other_lanes_are_watched_while_one_has_no_weight_left() -> None:
    watched: list[str] = []

    def may_watch(account: str) -> bool:
        watched.append(account)
        return len(watched) > 1

    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting, may_watch=may_watch)
    other = replace(bench.intent, id="two", trading_account_id="other")
    bench.store.begin(other, OrderLock("user", "other", "BTC/USDT", "two", due_at=bench.clock()))
    assert bench.reconciler.run(1000) == Reconciled(finished=1), "the other account is gone"
    assert watched == ["account", "other"]


def test_an_intent_that_rests_is_watched_in_the_end_although_weight_is_scarce() -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting, may_watch=lambda _: False)
    bench.clock.advance(LONGEST_UNWATCHED_MS - 1)
    assert bench.reconciler.run(1000) == Reconciled()
    bench.clock.advance(1)
    assert bench.reconciler.run(1000) == Reconciled(resting=1)


def test_a_run_waits_for_an_interrupted_intent_whose_lease_ends_meanwhile() -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.PENDING, Resting)
    bench.lease(BEGINNING_MS - 1)
    began_at = bench.clock()
    assert bench.reconciler.run(RUN_LIMIT_MS).finished == 1
    assert bench.clock() == began_at + BEGINNING_MS - 1


def test_a_run_does_not_wait_for_an_intent_that_it_can_not_begin_with() -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.PENDING, Resting)
    bench.lease(BEGINNING_MS)
    began_at = bench.clock()
    assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled()
    assert bench.clock() == began_at


def test_a_run_tries_an_unknown_intent_again_while_it_may_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.UNKNOWN, Resting)
    monkeypatch.setattr(Resting, "error", ExchangeUnavailable())
    assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled(unknown=1)
    assert len(bench.telemetry.troubles) == 1 + BEGINNING_MS // CERTAINTY_MS
    for _ in range(3):
        bench.telemetry.troubles.clear()
        bench.clock.advance(60_000)
        bench.reconciler.run(RUN_LIMIT_MS)
    assert len(bench.telemetry.troubles) == 1, "a longer outage is tried once in a run"


def test_a_run_looks_once_after_an_intent_that_rests() -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting)
    began_at = bench.clock()
    assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled(resting=1)
    assert bench.clock() == began_at
    bench.clock.advance(60_000)
    assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled(resting=1)


def test_an_intent_that_is_cut_while_it_is_reconciled_is_due_again_in_the_next_run() -> None:
    def cut(_: ApiCredential, intent: Intent) -> Placement:
        raise Killed(intent)

    bench = Bench(FakeAccess(CREDENTIAL), State.UNKNOWN, cut)
    with pytest.raises(Killed):
        bench.reconciler.run(RUN_LIMIT_MS)
    (lock,) = bench.store.stored_locks
    assert bench.clock() + RUN_LIMIT_MS < lock.due_at < bench.clock() + 60_000


def test_a_lock_that_an_order_hands_back_is_due_at_once_even_if_weight_is_scarce() -> None:
    access = FakeAccess(CREDENTIAL)
    bench = Bench(access, State.DONE, RefusedSuccessor, may_watch=lambda _: False)
    (lock,) = bench.store.stored_locks
    successor = replace(bench.intent, id="two", replaces="one", state=State.PENDING)
    taken = replace(lock, intent_id="two", version=lock.version + 1, leased_until=bench.clock() + 30_000)
    bench.store.begin(successor, taken)
    with pytest.raises(ExchangeUnavailable):
        bench.runner.run(access.account, CREDENTIAL, successor, taken, bench.clock())
    assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled(resting=1)


def test_a_run_of_the_schedule_calls_another_one_unless_the_queue_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Resting)
    bench.reconciler.call_next_run()
    assert bench.queue.delays == [RUN_INTERVAL_S]

    def down(*_: object, **__: object) -> int:
        raise Unavailable

    monkeypatch.setattr(bench.queue, "send", down)
    bench.reconciler.call_next_run()


def test_intents_are_reconciled_at_the_same_time() -> None:
    meeting = Barrier(2, timeout=10)

    class Meeting(Resting):
        def resume(self, deadline: int) -> Intent:
            meeting.wait()
            return super().resume(deadline)

    with ThreadPoolExecutor(2) as threads:
        bench = Bench(FakeAccess(CREDENTIAL), State.RESTING, Meeting, each=threads.map)
        other = replace(bench.intent, id="two", symbol="ETH/USDT")
        bench.store.begin(other, OrderLock("user", "account", "ETH/USDT", "two", due_at=bench.clock()))
        assert bench.reconciler.run(RUN_LIMIT_MS) == Reconciled(resting=2)
