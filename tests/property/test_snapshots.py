"""Each planned account gets one snapshot or one counted reason in its run, under any sequence of failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from purser.clock import day_of
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeRateLimited,
    ExchangeUnavailable,
    Unavailable,
)
from purser.snapshots import planner, reader
from purser.work.model import RESEND_AFTER_MS
from tests.support.crashes import Killed
from tests.support.effort import examples
from tests.support.snapshots import HOUR, MINUTE, MORNING, Message, World

LATE = MORNING + 22 * HOUR

errors = st.sampled_from(
    [
        ExchangeUnavailable,
        ExchangeUnavailable,
        ExchangeAuthorizationFailed,
        ExchangeBadRequest,
        lambda: ExchangeRateLimited(retry_after=90),
        ValueError,
    ]
)
scripts = st.dictionaries(
    st.sampled_from(["prices", *(f"key-{i}" for i in range(7))]),
    st.lists(errors, min_size=1, max_size=6),
    max_size=4,
)
moments = st.integers(min_value=1, max_value=25)
actions = st.one_of(
    st.tuples(st.just("deliver"), st.integers(1, 4)),
    st.tuples(st.just("kill"), moments),
    st.tuples(st.just("overtake"), moments),
    st.tuples(st.just("break"), moments),
    st.tuples(st.just("duplicate"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 31, 120])),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("sweep"), st.booleans()),
    st.tuples(st.just("redrive"), st.just(0)),
    st.tuples(st.just("plan"), st.just(0)),
    st.tuples(st.just("plan_and_die"), moments),
    st.tuples(st.just("plan_at_once"), moments),
    st.tuples(st.just("plan_slowly"), st.integers(1, 4)),
    st.tuples(st.just("disable"), st.integers(0, 6)),
    st.tuples(st.just("end"), st.integers(0, 6)),
)


@pytest.fixture(scope="module", autouse=True)
def small_jobs() -> Iterator[None]:
    """Make several jobs of a few accounts and read them one by one, so that a failure is reproducible."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "ACCOUNTS_A_JOB", 3)
        patch.setattr(planner, "JOBS_AT_ONCE", 2)
        patch.setattr(reader, "READERS", 1)
        yield


@examples(300)
@given(
    keys=st.integers(0, 7),
    scripts=scripts,
    steps=st.lists(actions, max_size=14),
    start=st.sampled_from([MORNING, LATE]),
)
@example(keys=1, scripts={"key-0": [ExchangeAuthorizationFailed]}, steps=[("overtake", 4)], start=MORNING)
@example(keys=1, scripts={"key-0": [ExchangeAuthorizationFailed]}, steps=[("overtake", 4)], start=LATE)
def test_each_planned_account_is_counted_exactly_once(
    keys: int, scripts: dict[str, list[Callable[[], Exception]]], steps: list[tuple[str, int]], start: int
) -> None:
    world = World(start)
    world.add_keys(keys)
    world.exchange.script = {name: [error() for error in script] for name, script in scripts.items()}
    for step in [("plan", 0), *steps]:
        Play(world).act(*step)
        check_always(world)
    recover(world)
    check_always(world)
    check_in_the_end(world)


class Play:
    """The actions of a scenario."""

    def __init__(self, world: World) -> None:
        self.world = world

    def act(self, action: str, given: int) -> None:
        getattr(self, action)(given)
        self.world.runs.interrupt = self.world.snapshots.interrupt = lambda _: None

    def plan(self, _: int) -> None:
        self.world.clock.advance(1)  # otherwise it would be the same run
        self.world.planner.plan()

    def plan_and_die(self, moment: int) -> None:
        self._interrupt(moment, _die)
        with suppress(Killed):
            self.plan(moment)

    def plan_at_once(self, moment: int) -> None:
        """Plan twice at the same time."""
        self._interrupt(moment, self.world.planner.plan)
        self.plan(moment)

    def plan_slowly(self, moment: int) -> None:
        """Plan while the store fails again and again, after every ``moment`` steps."""
        self._interrupt(moment, _fail, again=True)
        with suppress(Unavailable):
            self.plan(moment)

    def deliver(self, most: int) -> None:
        self.world.deliver(self.world.queue.receive(most))

    def kill(self, moment: int) -> None:
        self._interrupt(moment, _die)
        with suppress(Killed):
            self.world.deliver()

    def overtake(self, moment: int) -> None:
        """Deliver copies of the same messages to another worker during the work of the first."""
        messages = self.world.queue.receive()
        copies = [Message(m.body, m.visible_at, m.receives, m.receipt) for m in messages]
        self._interrupt(moment, lambda: self.world.deliver(copies))
        self.world.deliver(messages)

    def break_(self, moment: int) -> None:
        self._interrupt(moment, _fail)
        self.world.deliver()

    def duplicate(self, which: int) -> None:
        jobs = list(self.world.runs.records.values())
        if jobs:
            body = json.dumps(jobs[which % len(jobs)].message)
            self.world.queue.messages.append(Message(body, self.world.clock()))

    def wait(self, minutes: int) -> None:
        self.world.clock.advance(minutes * MINUTE)

    def lose(self, _: int) -> None:
        self.world.queue.messages.clear()

    def sweep(self, queue_is_empty: int) -> None:
        self.world.sweep(queue_is_empty=bool(queue_is_empty))

    def redrive(self, _: int) -> None:
        self.world.queue.redrive()

    def disable(self, which: int) -> None:
        if f"key-{which}" in self.world.accounts.accounts:
            self.world.change_key(f"key-{which}", active=False)

    def end(self, which: int) -> None:
        self.world.accounts.accounts.pop(f"key-{which}", None)

    def _interrupt(self, moment: int, then: Callable[[], object], *, again: bool = False) -> None:
        left = moment

        def interrupt(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                left = moment * again
                then()

        self.world.runs.interrupt = self.world.snapshots.interrupt = interrupt


setattr(Play, "break", Play.break_)


def _die() -> None:
    raise Killed


def _fail() -> None:
    raise Unavailable


def recover(world: World) -> None:
    """Let time pass, so that messages are redelivered and sweeps find lost ones."""
    for _ in range(4):
        world.drain()
        world.clock.advance(RESEND_AFTER_MS)
        world.sweep()
    world.drain()


def check_always(world: World) -> None:
    for run in world.runs.runs.values():
        planned = world.runs.planned.get(run.id, [])
        assert len(planned) == len(set(planned)) == run.accounts
        jobs = [job for job in world.runs.records.values() if job.run_id == run.id]
        assert run.counts.failed == sum(len(job.pending) for job in jobs if job.dead)
        left = sum(len(job.pending) for job in jobs if not job.dead)
        assert run.planned is None or run.counts.done == run.planned - left
        assert min(run.counts.stored, run.counts.skipped, run.counts.unauthorized, run.counts.failed) >= 0
        assert run.counts.stored == sum(s.run_id == run.id for s in world.snapshots.days.values())
    for (_, day), snapshot in world.snapshots.days.items():
        assert day_of(snapshot.taken_at) == day == snapshot.date
    finished = [run.id for run in world.telemetry.finished_runs]
    assert len(finished) == len(set(finished))


def check_in_the_end(world: World) -> None:
    assert not any(job.is_waiting for job in world.runs.records.values())
    # A worker that dies between closing a run and reporting it loses the report: one at most, never two.
    assert set(world.runs.closed) == set(world.runs.runs)
    for run in world.runs.runs.values():
        assert run.planned == run.counts.done
        assert set(world.runs.planned.get(run.id, [])) >= {ref.id for ref in world.accounts.active()}
