"""Orders are cancelled, credentials destroyed and later orders kept, under any sequence of failures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from purser.batches import work_batch
from purser.credentials.model import SealedCredential, sealing_context
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS, RESEND_AFTER_MS, Cancellation
from purser.disconnecting.service import GRACE_MS, Cancellations, cancellation_sweeper
from purser.errors import ExchangeUnavailable, PurserError, Unavailable
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.work.model import Delivery
from tests.support.crashes import Killed
from tests.support.effort import examples
from tests.support.events import LambdaContext
from tests.support.fakes import FakeCancellations, FakeClock, FakeExchange, FakeTradingAccounts, FakeVault
from tests.support.snapshots import MINUTE, VISIBILITY_S, FakeSqs, Message, sqs_event
from tests.support.work import FakeWorkTelemetry

KEYS = 2
MARKETS = 3
"""Markets in which a key has an open order. An attempt has time for the first two."""

REQUEST_MS = 2_000

keys = st.integers(0, KEYS - 1)
moments = st.integers(1, 14)
actions = st.one_of(
    st.tuples(st.just("deliver"), st.just(0)),
    st.tuples(st.just("kill"), moments),
    st.tuples(st.just("overtake"), moments),
    st.tuples(st.just("break"), moments),
    st.tuples(st.just("time_out"), moments),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("duplicate"), keys),
    st.tuples(st.just("sweep"), st.booleans()),
    st.tuples(st.just("wait_seconds"), st.sampled_from([1, 10, 25])),
    st.tuples(st.just("wait"), st.sampled_from([1, 15, 300])),
    st.tuples(st.just("connect"), keys),
)


class Exchange(FakeExchange):
    """An exchange that cancels market by market. A request without an answer may act until the venue drops it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.point: Callable[[str], None] = lambda _: None
        self.leased_until: Callable[[str], int] = lambda _: 0
        self.busy = set[str]()
        self.connected_again = set[str]()
        self.acts_until = dict[str, int]()
        self.violations: list[str] = []

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        name = credential.api_key
        assert go_on is not None
        go_on()
        self.point("list")
        if self.failing:
            raise self.failing
        cancelled = 0
        for _ in range(self.keys[name].open_orders):
            go_on()
            self._request(name)
            self.keys[name].open_orders -= 1
            cancelled += 1
        return cancelled

    def _request(self, name: str) -> None:
        # Recorded for the end of the step, since an error raised here would count as a failed attempt.
        if name in self.connected_again:
            self.violations.append("orders of a later connection are cancelled")
        if name in self.busy:
            self.violations.append("two workers at once")
        if self.clock() + GRACE_MS > self.leased_until(name):
            self.violations.append("a request may act when its lease is over")
        if self.clock() >= CANCELLATION_LIFETIME_MS + START:
            self.violations.append("a credential is used after its lifetime")
        before = self.acts_until.get(name, 0)
        self.acts_until[name] = self.clock() + GRACE_MS
        self.busy.add(name)
        try:
            self.point("cancel")
        finally:
            self.busy.remove(name)
        self.clock.advance(REQUEST_MS)
        self.acts_until[name] = before


START = 1_700_000_000_000


class World:
    """Pending cancellations, with everything around them faked."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.queue, self.exchange, self.memory = FakeSqs(self.clock), Exchange(self.clock), FakeTradingAccounts()
        self.store = FakeCancellations(self.memory)
        self.exchange.leased_until = lambda name: self.memory.cancellations[name].leased_until
        vault = FakeVault()
        self.cancellations = Cancellations(
            self.store, vault, self.exchange, self.queue, FakeWorkTelemetry(), self.clock
        )
        self.sweeper = cancellation_sweeper(self.store, self.queue, FakeWorkTelemetry(), self.clock)
        for name in map(str, range(KEYS)):
            self.exchange.add(name)
            self.exchange.keys[name].open_orders = MARKETS
            ciphertext = vault.encrypt("secret", sealing_context("user", name))
            sealed = SealedCredential(name, "user", Venue.BINANCE, name, ciphertext, START)
            self.store.put(Cancellation(name, TradeType.SPOT, sealed, START, due_at=START + RESEND_AFTER_MS))
            self.queue.send([{"tradingAccountId": name}])

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Make a sweep that has a minute."""
        return self.sweeper.sweep(until=self.clock() + MINUTE, queue_is_empty=queue_is_empty)

    def deliver(self, messages: list[Message] | None = None) -> None:
        def work(body: dict[str, Any], delivery: Delivery) -> None:
            self.cancellations.resume(body["tradingAccountId"], delivery)

        for message in self.queue.receive() if messages is None else messages:
            if not work_batch(sqs_event([message]), LambdaContext(remaining_ms=120_000), self.queue, work)[
                "batchItemFailures"
            ]:
                self.queue.messages = [m for m in self.queue.messages if m is not message]

    def at(self, moment: int, then: Callable[[], object], steps: tuple[str, ...] = ()) -> None:
        """Call a function at the n-th of the next steps: before or after a method of the store, or at a request."""
        left = moment

        def interrupt(step: str) -> None:
            nonlocal left
            left -= not steps or step in steps
            if left == 0:
                left = -1
                then()

        self.store.interrupt = self.exchange.point = interrupt

    def calm(self) -> None:
        self.store.interrupt = self.exchange.point = lambda _: None


class Play:
    """The actions of a scenario."""

    def __init__(self, world: World) -> None:
        self.world = world

    def act(self, action: str, given_: int) -> None:
        getattr(self, f"{action}_")(given_)
        self.world.calm()
        check(self.world)

    def deliver_(self, _: int) -> None:
        self.world.deliver()

    def kill_(self, moment: int) -> None:
        self.world.at(moment, lambda: _raise(Killed()))
        with suppress(Killed):
            self.world.deliver()

    def overtake_(self, moment: int) -> None:
        """During the work of a worker: sweep, deliver its messages to another worker, and connect a key again."""
        messages = self.world.queue.receive()

        def others() -> None:
            self.world.sweep(queue_is_empty=True)
            self.world.deliver([m for m in messages if m in self.world.queue.messages])
            self.connect_(0)

        self.world.at(moment, others)
        self.world.deliver(messages)

    def break_(self, moment: int) -> None:
        self.world.at(moment, lambda: _raise(Unavailable()))
        self.world.deliver()

    def time_out_(self, moment: int) -> None:
        self.world.at(moment, lambda: _raise(ExchangeUnavailable()), ("list", "cancel"))
        self.world.deliver()

    def lose_(self, _: int) -> None:
        self.world.queue.messages.clear()

    def duplicate_(self, number: int) -> None:
        self.world.queue.send([{"tradingAccountId": str(number)}])

    def sweep_(self, queue_is_empty: bool) -> None:
        self.world.sweep(queue_is_empty=queue_is_empty)

    def wait_seconds_(self, seconds: int) -> None:
        self.world.clock.advance(seconds * 1000)

    def wait_(self, minutes: int) -> None:
        self.world.clock.advance(minutes * MINUTE)

    def connect_(self, number: int) -> None:
        """Connect the API key again, which first completes its pending cancellation."""
        name, exchange = str(number), self.world.exchange
        with suppress(PurserError):
            self.world.cancellations.finish(name)
        if name in self.world.memory.cancellations or name in exchange.connected_again:
            return
        exchange.connected_again.add(name)
        exchange.keys[name].open_orders = MARKETS
        if exchange.acts_until.get(name, 0) > self.world.clock():
            exchange.violations.append("a request may still act on a later connection")


def _raise(error: BaseException) -> None:
    raise error


def check(world: World) -> None:
    """Assert what must be true between any two actions."""
    assert world.exchange.violations == []
    if world.clock() < START + CANCELLATION_LIFETIME_MS:
        assert "FAILED" not in world.memory.outcomes.values()


@examples(300)
@given(steps=st.lists(actions, max_size=16))
def test_orders_are_cancelled_and_those_of_a_later_connection_never_are(steps: list[tuple[str, int]]) -> None:
    world = World()
    play = Play(world)
    for action, given_ in steps:
        play.act(action, given_)
    for _ in range(60):
        world.clock.advance(VISIBILITY_S * 1000)
        world.queue.redrive()
        world.deliver()
        world.sweep()
        check(world)
    assert world.memory.cancellations == {}
    for name, outcome in world.memory.outcomes.items():
        if outcome == "SUCCESS" and name not in world.exchange.connected_again:
            assert world.exchange.keys[name].open_orders == 0


@examples(50)
@given(steps=st.lists(actions.filter(lambda step: step[0] not in ("wait", "connect")), max_size=16))
def test_temporary_failures_do_not_fail_a_cancellation(steps: list[tuple[str, int]]) -> None:
    world = World()
    play = Play(world)
    for action, given_ in steps:
        play.act(action, given_)
    for _ in range(40):
        world.clock.advance(RESEND_AFTER_MS)
        world.sweep()
        world.deliver()
    assert world.memory.outcomes == dict.fromkeys(map(str, range(KEYS)), "SUCCESS")


def test_an_outage_of_hours_does_not_fail_a_cancellation() -> None:
    world = World()
    world.exchange.failing = ExchangeUnavailable()
    for _ in range(80):
        world.queue.messages.clear()
        world.clock.advance(RESEND_AFTER_MS)
        assert world.sweep() == KEYS, "none is given up"
        world.deliver()
    world.exchange.failing = None
    world.clock.advance(MINUTE)
    world.deliver()
    assert world.memory.outcomes == dict.fromkeys(map(str, range(KEYS)), "SUCCESS")


@examples(50)
@given(steps=st.lists(actions, max_size=8))
def test_the_first_sweep_after_its_lifetime_destroys_a_credential(steps: list[tuple[str, int]]) -> None:
    world = World()
    play = Play(world)
    for action, given_ in steps:
        play.act(action, given_)
    world.clock.advance(CANCELLATION_LIFETIME_MS)
    world.sweep()
    assert world.memory.cancellations == {}
