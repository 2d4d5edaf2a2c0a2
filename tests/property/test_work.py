"""The guarantees of due work for every kind of work.

No item is lost, no two workers work on one at once, attempts are bounded, and no kind delays another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from purser.batches import work_batch
from purser.disconnecting.service import SWEEP_LIMIT
from purser.errors import Contended, Unavailable
from purser.retrying import retry_delay
from purser.work.model import Delivery, Postponed
from purser.work.sweeper import SENDING_S, SWEEP_INTERVAL_MS, Sweeper, sweep_all
from purser.work.worker import StillInProgress, Worker
from tests.support.crashes import Killed
from tests.support.effort import examples
from tests.support.events import LambdaContext
from tests.support.fakes import FakeClock
from tests.support.snapshots import MAX_RECEIVES, MINUTE, VISIBILITY_S, FakeSqs, Message, sqs_event
from tests.support.work import Errand, FakeWorkStore, FakeWorkTelemetry

ITEMS = 3
RESEND_AFTER_MS = 45 * MINUTE
LEASE_MS = 5 * MINUTE
LIMIT = 1000

items = st.integers(0, ITEMS - 1)
moments = st.integers(1, 12)
actions = st.one_of(
    st.tuples(st.just("deliver"), st.just(0)),
    st.tuples(st.just("kill"), moments),
    st.tuples(st.just("overtake"), moments),
    st.tuples(st.just("break"), moments),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("duplicate"), items),
    st.tuples(st.just("sweep"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 45, 300])),
    st.tuples(st.just("fail"), items),
    st.tuples(st.just("doubt"), items),
    st.tuples(st.just("postpone"), items),
    st.tuples(st.just("mend"), st.just(0)),
    st.tuples(st.just("redrive"), st.just(0)),
)


class Errands:
    """One kind of work with its store, queue and worker, and a record of what they did."""

    def __init__(self, *, ends_at: int | None = None) -> None:
        self.clock, self.store = FakeClock(1_700_000_000_000), FakeWorkStore[Errand]()
        self.queue = FakeSqs(self.clock)
        self.running: dict[str, int] = {}
        self.begun, self.done = Counter[str](), Counter[str]()
        self.redrives = Counter[str]()
        self.bad, self.doubtful = set[str](), set[str]()
        self.early, self.partly = set[str](), set[str]()
        self.telemetry = FakeWorkTelemetry()
        self.violations: list[str] = []
        self.sweeper = Sweeper(self.store, self.queue, self.telemetry, self.clock, RESEND_AFTER_MS, limit=LIMIT)
        self.worker = Worker(
            self.store,
            self.act,
            self.telemetry,
            self.clock,
            lease_ms=LEASE_MS,
            max_attempts=MAX_RECEIVES,
        )
        for number in range(ITEMS):
            self.store.put(Errand(str(number), ends_at, due_at=self.clock()))
            self.queue.send([{"errandId": str(number)}])

    def act(self, errand: Errand) -> Postponed | None:
        """Do an errand. A killed worker may still be at work until its lease ends."""
        # Recorded for the end of the test, since an error raised here would count as a failed attempt.
        if self.running.get(errand.id, 0) > self.clock():
            self.violations.append("two workers at once")
        if errand.is_over(errand.leased_until):
            self.violations.append("work after the deadline")
        if errand.attempts > MAX_RECEIVES:
            self.violations.append("one attempt too many")
        self.running[errand.id] = errand.leased_until
        self.begun[errand.id] += 1
        try:
            self.store.interrupt("amid act")
        except Unavailable:
            del self.running[errand.id]
            raise
        if errand.id in self.doubtful:
            raise StillInProgress(Unavailable())
        del self.running[errand.id]
        if errand.id in self.bad:
            raise ValueError
        if errand.id in self.early:
            return Postponed(self.clock() + 10 * MINUTE, succeeded=errand.id in self.partly)
        self.done[errand.id] += 1
        return None

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Make a sweep that has a minute."""
        return self.sweeper.sweep(until=self.clock() + MINUTE, queue_is_empty=queue_is_empty)

    def receive(self) -> list[Message]:
        return self.queue.receive()

    def deliver(self, messages: list[Message] | None = None) -> None:
        for message in self.receive() if messages is None else messages:

            def work(body: dict[str, Any], delivery: Delivery) -> None:
                self.worker.work(body["errandId"], delivery=delivery)

            if not work_batch(sqs_event([message]), LambdaContext(remaining_ms=300_000), self.queue, work)[
                "batchItemFailures"
            ]:
                self.queue.messages = [m for m in self.queue.messages if m is not message]

    def recover(self) -> None:
        """Let everything succeed from now on, redrive what is dead, and let time pass."""
        self.bad.clear()
        self.doubtful.clear()
        self.early.clear()
        for _ in range(50):
            self.clock.advance(VISIBILITY_S * 1000)
            self.queue.redrive()
            self.send_lost_dead_letters()
            self.deliver()
            self.sweep()
            if not self.store.records:
                return
        raise AssertionError("work waits for ever")

    def send_lost_dead_letters(self) -> None:
        """Send a message for each dead item whose own the queue has lost, as its telling allows an operator to."""
        waiting = {json.loads(message.body)["errandId"] for message in self.queue.messages}
        lost = [errand for errand in self.store.records.values() if errand.dead and errand.id not in waiting]
        assert {errand.id for errand in lost} <= set(self.telemetry.keys("dead"))
        self.queue.send([errand.message for errand in lost])


class Play:
    """The actions of a scenario."""

    def __init__(self, errands: Errands) -> None:
        self.errands = errands

    def act(self, action: str, given: int) -> None:
        getattr(self, f"{action}_")(given)
        self.errands.store.interrupt = lambda _: None

    def deliver_(self, _: int) -> None:
        self.errands.deliver()

    def kill_(self, moment: int) -> None:
        self._interrupt(moment, _die)
        with suppress(Killed):
            self.errands.deliver()

    def overtake_(self, moment: int) -> None:
        """Deliver the same messages to another worker during the work of the first, after a sweep."""
        messages = self.errands.receive()

        def other() -> None:
            self.errands.clock.advance(2 * MINUTE)
            self.errands.sweep(queue_is_empty=True)
            self.errands.deliver([m for m in messages if m in self.errands.queue.messages])

        self._interrupt(moment, other)
        self.errands.deliver(messages)

    def break_(self, moment: int) -> None:
        self._interrupt(moment, _fail)
        self.errands.deliver()

    def lose_(self, _: int) -> None:
        self.errands.queue.messages.clear()

    def duplicate_(self, number: int) -> None:
        name = str(number)
        errand = self.errands.store.records.get(name)
        if errand is not None and errand.dead:
            self.errands.redrives[name] += 1  # A message that is sent after the death is like a redriven one.
        self.errands.queue.send([{"errandId": name}])

    def sweep_(self, queue_is_empty: bool) -> None:
        self.errands.sweep(queue_is_empty=queue_is_empty)

    def wait_(self, minutes: int) -> None:
        self.errands.clock.advance(minutes * MINUTE)

    def fail_(self, number: int) -> None:
        self.errands.bad.add(str(number))

    def doubt_(self, number: int) -> None:
        self.errands.doubtful.add(str(number))

    def postpone_(self, number: int) -> None:
        self.errands.early.add(str(number))

    def mend_(self, _: int) -> None:
        self.errands.bad.clear()
        self.errands.doubtful.clear()
        self.errands.early.clear()

    def redrive_(self, _: int) -> None:
        self.errands.redrives.update(json.loads(message.body)["errandId"] for message in self.errands.queue.dead)
        self.errands.queue.redrive()

    def _interrupt(self, moment: int, then: Callable[[], object]) -> None:
        left = moment

        def interrupt(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                then()

        self.errands.store.interrupt = interrupt


def _die() -> None:
    raise Killed


def _fail() -> None:
    raise Unavailable


def play(errands: Errands, steps: list[tuple[str, int]]) -> None:
    for action, given_ in steps:
        Play(errands).act(action, given_)
        assert errands.violations == []


@examples(300)
@given(steps=st.lists(actions, max_size=16))
@example(steps=[("duplicate", 0), ("fail", 0), ("overtake", 1), ("deliver", 0), ("lose", 0)])
def test_no_work_is_lost_or_done_by_two_workers_at_once(steps: list[tuple[str, int]]) -> None:
    errands = Errands()
    play(errands, steps)
    assert set(errands.store.records) | set(errands.done) == {str(number) for number in range(ITEMS)}
    errands.recover()
    assert set(errands.done) == {str(number) for number in range(ITEMS)}


@examples(200)
@given(steps=st.lists(actions.filter(lambda step: step[0] not in ("mend", "postpone")), max_size=24))
@example(steps=[("overtake", 1), ("overtake", 1), ("kill", 4), ("wait", 45), ("deliver", 0)])
@example(steps=[("overtake", 1), ("overtake", 1), ("kill", 7)])
@example(steps=[("overtake", 1), ("overtake", 1), ("overtake", 6), ("duplicate", 0)])
def test_work_that_always_fails_has_a_bounded_number_of_attempts(steps: list[tuple[str, int]]) -> None:
    errands = Errands()
    errands.bad = {str(number) for number in range(ITEMS)}
    play(errands, steps)
    for _ in range(60):
        errands.clock.advance(VISIBILITY_S * 1000)
        errands.deliver()
        errands.sweep()
    for number in map(str, range(ITEMS)):
        assert errands.store.records[number].dead
        assert number in errands.telemetry.keys("dead")
        assert errands.begun[number] <= MAX_RECEIVES * (1 + errands.redrives[number])
    begun = errands.begun.copy()
    errands.clock.advance(24 * 60 * MINUTE)
    assert errands.sweep(queue_is_empty=True) == 0, "a dead one waits for its dead letter"
    errands.deliver()
    assert errands.begun == begun


def test_work_that_kills_its_worker_has_a_bounded_number_of_attempts() -> None:
    errands = Errands()
    errands.queue.messages = errands.queue.messages[:1]
    errands.store.records = {"0": errands.store.records["0"]}

    def die(step: str) -> None:
        if step == "amid act":
            raise Killed

    errands.store.interrupt = die
    for _ in range(60):
        errands.clock.advance(RESEND_AFTER_MS)
        with suppress(Killed):
            errands.deliver()
        errands.sweep()
    assert errands.begun["0"] == MAX_RECEIVES
    assert errands.store.records["0"].dead
    assert errands.telemetry.keys("dead") == ["0"]


@examples(50)
@given(lost_before=st.lists(st.booleans(), min_size=MAX_RECEIVES, max_size=MAX_RECEIVES))
def test_attempts_count_even_if_their_messages_are_lost(lost_before: list[bool]) -> None:
    errands = Errands()
    errands.bad = {"0"}
    for lost in lost_before:
        if lost:
            errands.queue.messages.clear()
            errands.clock.advance(retry_delay(MAX_RECEIVES - 1) * 1000 + LEASE_MS)
            errands.sweep()
        errands.clock.advance(VISIBILITY_S * 1000 * 3)
        errands.deliver()
    assert errands.begun["0"] == MAX_RECEIVES
    assert errands.store.records["0"].dead


def test_a_second_worker_ignores_a_leased_item() -> None:
    errands = Errands()
    messages = errands.receive()

    def deliver_again(step: str) -> None:
        if step == "amid act":
            errands.store.interrupt = lambda _: None
            errands.clock.advance(LEASE_MS - 1)
            errands.deliver(messages[:1])

    errands.store.interrupt = deliver_again
    errands.deliver(messages[:1])
    assert errands.violations == []
    assert (errands.begun["0"], errands.done["0"]) == (1, 1)


@pytest.mark.parametrize("max_attempts", [None, 1])
def test_a_failed_attempt_that_may_still_act_keeps_its_lease(max_attempts: int | None) -> None:
    errands = Errands()
    errands.doubtful = {"0"}
    worker = Worker(
        errands.store, errands.act, errands.telemetry, errands.clock, lease_ms=LEASE_MS, max_attempts=max_attempts
    )
    with pytest.raises(Unavailable):
        worker.work("0", delivery=Delivery(1, sent_at=errands.clock()))
    errands.clock.advance(LEASE_MS - 1)
    with pytest.raises(Contended):
        worker.work("0", delivery=Delivery(1, sent_at=errands.clock()))
    errands.clock.advance(1)
    errands.doubtful.clear()
    worker.work("0", delivery=Delivery(1, sent_at=errands.clock()))
    assert (errands.begun["0"], errands.done["0"], errands.violations) == (2, 1, [])


def test_a_worker_ends_an_item_past_its_deadline_and_starts_none_that_would_pass_it() -> None:
    errands = Errands(ends_at=1_700_000_000_000 + LEASE_MS)
    errands.worker.work("0", delivery=Delivery(1, sent_at=errands.clock()))
    assert set(errands.store.records) == {"0", "1", "2"}
    errands.clock.advance(LEASE_MS)
    errands.worker.work("0", delivery=Delivery(1, sent_at=errands.clock()))
    assert set(errands.store.records) == {"1", "2"}
    assert not errands.begun
    assert errands.telemetry.outcomes == [("failed", "0")]


@pytest.mark.parametrize("end", ["sweep", "deliver"])
def test_an_item_past_its_deadline_is_reported_once(end: str) -> None:
    errands = Errands(ends_at=1_700_000_000_000 + LEASE_MS)
    errands.clock.advance(LEASE_MS)

    def let_the_other_go_first(step: str) -> None:
        if step == "before finish":
            errands.store.interrupt = lambda _: None
            getattr(errands, end)()

    errands.store.interrupt = let_the_other_go_first
    errands.sweep()
    assert sorted(errands.telemetry.outcomes) == [("failed", str(number)) for number in range(ITEMS)]


def test_a_lease_is_over_when_the_message_of_a_killed_worker_comes_again() -> None:
    errands = Errands()
    delivery = Delivery(1, sent_at=errands.clock(), returns_in_ms=MINUTE)

    def die(step: str) -> None:
        if step == "amid act":
            raise Killed

    errands.store.interrupt = die
    with pytest.raises(Killed):
        errands.worker.work("0", delivery=delivery)
    errands.store.interrupt = lambda _: None
    errands.clock.advance(MINUTE - 1)
    with pytest.raises(Contended):
        errands.worker.work("0", delivery=delivery)
    errands.clock.advance(1)
    errands.worker.work("0", delivery=delivery)
    assert (errands.done["0"], errands.violations) == (1, [])


def test_only_one_of_two_workers_leases_an_item() -> None:
    errands = Errands()
    messages = errands.receive()

    def deliver_again(step: str) -> None:
        if step == "before advance":
            errands.store.interrupt = deliver_in_the_act
            errands.deliver(messages[:1])

    def deliver_in_the_act(step: str) -> None:
        if step == "amid act":
            errands.store.interrupt = lambda _: None

    errands.store.interrupt = deliver_again
    errands.deliver(messages[:1])
    assert errands.violations == []
    assert errands.begun["0"] == 1


def test_an_attempt_that_comes_too_early_does_not_count() -> None:
    errands = Errands()
    errands.early = {"0"}
    for _ in range(3 * MAX_RECEIVES):
        errands.clock.advance(10 * MINUTE)
        errands.deliver()
        errands.sweep()
    item = errands.store.records["0"]
    assert (item.dead, item.attempts, item.leased_until) == (False, 0, 0)
    assert errands.begun["0"] > MAX_RECEIVES


def test_attempts_count_anew_after_partial_success() -> None:
    errands = Errands()
    for _ in range(3):
        for _ in range(MAX_RECEIVES - 1):
            errands.bad = {"0"}
            errands.clock.advance(VISIBILITY_S * 1000 * 3)
            errands.deliver()
        errands.bad.clear()
        errands.early = errands.partly = {"0"}
        errands.clock.advance(VISIBILITY_S * 1000 * 3)
        errands.deliver()
        assert errands.store.records["0"].attempts == 0
        errands.early = set()
        errands.clock.advance(RESEND_AFTER_MS)
        errands.sweep()
    assert errands.telemetry.keys("dead") == []
    assert errands.begun["0"] == 3 * MAX_RECEIVES


def test_an_attempt_that_could_not_be_made_takes_back_only_itself() -> None:
    errands = Errands()
    errands.bad = {"0"}
    errands.deliver()
    errands.bad, errands.early = set(), {"0"}
    errands.clock.advance(VISIBILITY_S * 1000)
    errands.deliver()
    assert errands.store.records["0"].attempts == 1


@examples(50)
@given(minutes=st.integers(0, 85), offset=st.integers(0, 4))
def test_sweeps_during_an_outage_use_up_no_attempts(minutes: int, offset: int) -> None:
    errands = Errands()
    errands.bad = {str(number) for number in range(ITEMS)}
    for minute in range(minutes):
        errands.deliver()
        if minute % 5 == offset:
            errands.sweep()
        assert len(errands.queue.messages) == ITEMS, "no second message while the first waits"
        errands.clock.advance(MINUTE)
    assert errands.telemetry.keys("dead") == []
    errands.recover()
    assert set(errands.done) == {str(number) for number in range(ITEMS)}


def test_what_could_not_be_sent_is_sent_by_the_next_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    errands = Errands()
    errands.queue.messages.clear()

    def fail(messages: Iterable[object], *, delay_s: int) -> int:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(errands.queue, "send", fail)
        with pytest.raises(ExceptionGroup):
            errands.sweep()
    errands.clock.advance(SWEEP_INTERVAL_MS)
    assert errands.sweep() == len(errands.queue.messages) == ITEMS
    errands.clock.advance(SENDING_S * 1000)
    errands.deliver()
    assert set(errands.done) == {str(number) for number in range(ITEMS)}


def test_what_a_killed_sweep_has_not_sent_is_sent_by_the_next_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    errands = Errands()
    errands.queue.messages.clear()

    def die(messages: Iterable[object], *, delay_s: int) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(errands.queue, "send", die)
        with pytest.raises(Killed):
            errands.sweep()
    assert errands.sweep() == 0, "what is claimed is not sent at the same time"
    errands.clock.advance(SWEEP_INTERVAL_MS)
    assert errands.sweep() == len(errands.queue.messages) == ITEMS
    errands.clock.advance(RESEND_AFTER_MS - 1)
    assert errands.sweep() == 0, "its message may still be waiting"


def test_redriving_a_dead_item_restores_all_its_attempts() -> None:
    errands = Errands()
    errands.bad = {"0"}
    for _ in range(2):
        for _ in range(2 * MAX_RECEIVES):
            errands.clock.advance(VISIBILITY_S * 1000 * 3)
            errands.deliver()
        errands.queue.redrive()
    assert errands.begun["0"] == 2 * MAX_RECEIVES
    errands.recover()
    assert errands.done["0"] == 1


def test_telemetry_tells_the_outcome_of_each_attempt() -> None:
    errands = Errands()
    errands.queue.messages = errands.queue.messages[:2]
    errands.bad = {"0"}
    for _ in range(MAX_RECEIVES):
        errands.clock.advance(VISIBILITY_S * 1000 * 3)
        errands.deliver()
    assert errands.telemetry.keys("retried") == ["0"] * (MAX_RECEIVES - 1)
    assert errands.telemetry.keys("dead") == ["0"]
    assert errands.telemetry.keys("done") == ["1"]


def test_a_message_from_before_its_death_does_not_revive_an_item() -> None:
    errands = Errands()
    errands.bad = {"0"}
    errands.queue.messages = errands.queue.messages[:1]
    duplicate = Message('{"errandId": "0"}', errands.clock() + 10**9, sent_at=errands.clock())
    for _ in range(MAX_RECEIVES):
        errands.clock.advance(VISIBILITY_S * 1000 * 3)
        errands.deliver()
    dead = errands.store.records["0"]
    assert dead.dead
    duplicate.visible_at = errands.clock()
    errands.queue.messages = [duplicate]
    for _ in range(MAX_RECEIVES + 1):
        errands.clock.advance(MINUTE)
        errands.deliver()
    assert errands.store.records["0"] == dead
    assert errands.queue.dead == [duplicate], "an operator can redrive it"
    assert errands.begun["0"] == MAX_RECEIVES


def test_a_failed_redelivery_of_a_redriven_message_still_revives_its_item() -> None:
    errands = Errands()
    dead = replace(errands.store.records["0"].exhausted(errands.clock()), leased_until=errands.clock() + MINUTE)
    errands.store.put(dead)
    errands.clock.advance(1)
    redriven = Delivery(1, sent_at=errands.clock())
    with pytest.raises(Contended):
        errands.worker.work("0", delivery=redriven)
    errands.clock.advance(MINUTE)
    errands.worker.work("0", delivery=replace(redriven, attempt=2))
    assert errands.done["0"] == 1


@examples(200)
@given(minutes=st.integers(1, 200), steps=st.lists(actions, max_size=16))
def test_an_item_past_its_deadline_is_ended_with_no_worker_on_it(minutes: int, steps: list[tuple[str, int]]) -> None:
    errands = Errands(ends_at=1_700_000_000_000 + minutes * MINUTE)
    play(errands, steps)
    errands.clock.advance(minutes * MINUTE)
    errands.sweep()
    assert errands.store.records == {}


@examples(100)
@given(
    due=st.lists(st.integers(-500, 10), min_size=1, max_size=40, unique=True),
    limit=st.integers(1, 7),
    spacing_s=st.sampled_from([0, 20, 2000]),
)
def test_the_longest_due_items_are_enqueued_first_at_the_rate_of_their_kind(
    due: list[int], limit: int, spacing_s: int
) -> None:
    clock, store = FakeClock(1_700_000_000_000), FakeWorkStore[Errand]()
    queue = FakeSqs(clock)
    for number, minutes in enumerate(due):
        store.put(Errand(str(number), due_at=clock() + minutes * MINUTE))
    sweeper = Sweeper(
        store, queue, FakeWorkTelemetry(), clock, RESEND_AFTER_MS, limit=limit, interval_ms=spacing_s * 1000
    )
    waiting = sorted(minutes for minutes in due if minutes <= 0)
    expected = [json.dumps({"errandId": str(due.index(minutes))}) for minutes in waiting]
    sent = [sweeper.sweep(until=clock() + 1) for _ in range(len(due) + 1)]
    assert [message.body for message in queue.messages] == expected
    assert [number for number in sent if number] == [min(limit, left) for left in range(len(expected), 0, -limit)]
    delays = [message.visible_at - clock() for message in queue.messages[:limit]]
    assert delays == [max(SENDING_S, min(place * spacing_s, 900)) * 1000 for place in range(len(delays))]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("position", range(3))
def test_a_kind_with_a_backlog_or_without_a_queue_delays_no_other_kind(position: int, broken: bool) -> None:
    """Use the limits of production, and a store so slow that one sweep cannot do the whole backlog."""
    clock = FakeClock(1_700_000_100_000 + position * SWEEP_INTERVAL_MS)
    many, few, none = (_SlowErrands(clock, backlog) for backlog in (2 * SWEEP_LIMIT, 3, 0))
    if broken:
        many.queue.send = _down  # type: ignore[method-assign]
    sweepers = {"many": lambda: many.sweeper, "few": lambda: few.sweeper, "none": lambda: none.sweeper}
    until = clock() + 96_000
    with pytest.raises(ExceptionGroup) if broken else nullcontext():
        sweep_all(sweepers, clock, until=until)
    assert len(few.queue.messages) == 3
    assert clock() < until + 1_000


def test_each_sweep_begins_with_another_kind() -> None:
    clock, order = FakeClock(1_700_000_100_000), list[str]()
    errands = _SlowErrands(clock, 0)

    def sweeper(name: str) -> Sweeper[Errand]:
        order.append(name)
        return errands.sweeper

    for _ in range(3):
        sweep_all({name: partial(sweeper, name) for name in "abc"}, clock, until=clock() + 96_000)
        clock.advance(SWEEP_INTERVAL_MS)
    assert {"".join(order[:3]), "".join(order[3:6]), "".join(order[6:])} == {"abc", "bca", "cab"}


def test_a_backlog_is_enqueued_sweep_by_sweep() -> None:
    clock = FakeClock(1_700_000_100_000)
    many = _SlowErrands(clock, 1500)
    sent = [many.sweeper.sweep(until=clock() + 32_000) for _ in range(7)]
    assert sum(sent) == 1500
    assert len({message.body for message in many.queue.messages}) == 1500


class _SlowErrands:
    """A kind with ``backlog`` items that are due. Each of its writes takes 70 ms."""

    def __init__(self, clock: FakeClock, backlog: int) -> None:
        self.queue, store = FakeSqs(clock), FakeWorkStore[Errand]()
        for number in range(backlog):
            store.put(Errand(str(number), due_at=clock()))
        store.interrupt = lambda step: clock.advance(70) if step == "before advance" else None
        self.sweeper = Sweeper(store, self.queue, FakeWorkTelemetry(), clock, RESEND_AFTER_MS, limit=SWEEP_LIMIT)


def _down(messages: Iterable[object], *, delay_s: int = 0) -> int:
    next(iter(messages))
    raise Unavailable


def test_an_item_that_cannot_be_ended_or_enqueued_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    errands = Errands()
    errands.queue.messages.clear()
    for number in range(ITEMS):
        errands.store.put(Errand(f"over-{number}", errands.clock(), due_at=errands.clock()))
    for method in ("advance", "expire"):
        monkeypatch.setattr(errands.store, method, partial(_refused, getattr(errands.store, method)))
    with pytest.raises(ExceptionGroup) as raised:
        errands.sweep()
    assert raised.value.subgroup(lambda error: str(error) == "over-1")
    assert raised.value.subgroup(lambda error: str(error) == "1")
    assert [message.body for message in errands.queue.messages] == [
        json.dumps({"errandId": number}) for number in ("0", "2")
    ]
    assert set(errands.store.records) == {"0", "1", "2", "over-1"}


def _refused(write: Callable[[Errand], Any], item: Errand) -> Any:
    if item.id in ("1", "over-1"):
        raise ValueError(item.id)
    return write(item)


def test_a_sweep_reports_what_it_could_not_end_although_the_queue_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    errands = Errands()
    errands.store.put(Errand("over-1", errands.clock(), due_at=errands.clock()))
    monkeypatch.setattr(errands.store, "expire", partial(_refused, errands.store.expire))
    monkeypatch.setattr(errands.queue, "send", _down)
    with pytest.raises(ExceptionGroup) as raised:
        errands.sweep()
    assert raised.value.subgroup(ValueError)
    assert raised.value.subgroup(Unavailable)
