"""Planning runs of balance snapshots."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from purser.aws import tables
from purser.aws.tables import BATCH_GET_LIMIT, Table
from purser.errors import InvalidInput, Unavailable
from purser.snapshots import planner
from purser.snapshots.model import ACCOUNTS_A_JOB, PLANNER_LOST_MS, Counts, Job, Run
from purser.snapshots.planner import JOBS_AT_ONCE, SnapshotPlanner
from purser.snapshots.store.snapshots import DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef
from tests.support.crashes import Killed
from tests.support.events import LambdaContext
from tests.support.functions import load_function
from tests.support.snapshots import DAY, MINUTE, MORNING, TODAY, YESTERDAY, FakeRuns, World


@pytest.fixture
def world() -> World:
    return World()


def test_each_active_account_is_in_one_job_and_each_job_is_queued(world: World) -> None:
    names = world.add_keys(60)
    world.change_key("key-7", active=False)
    run = world.planner.plan()
    assert (run.date, run.planned) == (TODAY, 59)
    jobs = list(world.runs.records.values())
    assert [len(job.pending) for job in jobs] == [24, 24, 11]
    assert {ref.id for job in jobs for ref in job.pending} == set(names) - {"key-7"}
    messages = [json.loads(message.body) for message in world.queue.messages]
    assert messages == [{"runId": run.id, "jobId": job.id, "correlationId": run.id} for job in jobs]
    assert [planned for _, planned in world.telemetry.planned_runs] == [59]
    assert world.telemetry.finished_runs == []


def test_a_run_without_accounts_is_reported_as_finished(world: World) -> None:
    world.planner.plan()
    (run,) = world.telemetry.finished_runs
    assert (run.planned, run.counts) == (0, Counts())
    assert world.queue.sent == 0


def test_a_day_in_the_future_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="2026-11-21 is in the future"):
        world.planner.plan(date(2026, 11, 21))
    assert world.runs.runs == {}


def test_a_past_day_can_be_planned(world: World) -> None:
    assert world.planner.plan(date.fromisoformat(YESTERDAY)).date == YESTERDAY


DUE_AT = MORNING - MINUTE
each_trigger = pytest.mark.parametrize("due_at", [DUE_AT, None], ids=["on schedule", "by hand"])


def kill_at(world: World, step: str, time: int = 1) -> None:
    """Kill whoever reaches a step of the run store, the ``time``-th time."""
    left = time

    def interrupt(reached: str) -> None:
        nonlocal left
        left -= reached == step
        if reached == step and left == 0:
            raise Killed

    world.runs.interrupt = interrupt


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "ACCOUNTS_A_JOB", 2)
    monkeypatch.setattr(planner, "JOBS_AT_ONCE", 4)


def check_planned_once(world: World, names: list[str]) -> None:
    """Check that there is one run, with each account once, and that no job lacks a message."""
    run = world.run()
    assert sorted(world.runs.planned[run.id]) == sorted(names)
    assert run.planned == len(names)
    queued = {json.loads(message.body)["jobId"] for message in world.queue.messages}
    assert queued == {job.id for job in world.runs.records.values()}
    world.drain()
    assert finished(world) == Counts(stored=len(names))


def finished(world: World) -> Counts:
    (run,) = world.telemetry.finished_runs
    return run.counts


@pytest.mark.usefixtures("small_batches")
def test_a_run_is_not_closed_before_it_is_planned_completely(world: World) -> None:
    world.add_keys(24)

    def work_at_once(step: str) -> None:
        if step == "before extend" and world.runs.records:
            world.deliver()
            assert world.telemetry.finished_runs == []

    world.runs.interrupt = work_at_once
    assert world.planner.plan().planned == 24
    assert finished(world) == Counts(stored=24)


@pytest.mark.usefixtures("small_batches")
@each_trigger
@pytest.mark.parametrize("step", ["before extend", "after extend"])
@pytest.mark.parametrize("time", [1, 2])
def test_planning_again_completes_a_run_whose_planner_was_killed(
    world: World, due_at: int | None, step: str, time: int
) -> None:
    names = world.add_keys(21)
    kill_at(world, step, time)
    with pytest.raises(Killed):
        world.planner.plan(due_at=due_at)
    world.runs.interrupt = lambda _: None
    world.clock.advance(MINUTE)
    world.planner.plan(due_at=due_at)
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
def test_the_last_messages_of_a_killed_planner_are_sent_by_its_retry(world: World) -> None:
    names = world.add_keys(21)
    kill_at(world, "after extend", 3)
    with pytest.raises(Killed):
        world.planner.plan(due_at=DUE_AT)
    world.runs.interrupt = lambda _: None
    world.planner.plan(due_at=DUE_AT)
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
def test_planning_what_is_planned_changes_nothing(world: World) -> None:
    world.add_keys(5)
    first = world.planner.plan(due_at=DUE_AT)
    world.drain()
    world.clock.advance(MINUTE)
    assert world.planner.plan(due_at=DUE_AT).id == first.id
    world.drain()
    assert world.exchange.balances_read == 5
    assert finished(world) == Counts(stored=5)


@pytest.mark.usefixtures("small_batches")
@each_trigger
def test_two_planners_at_once_plan_each_account_once(world: World, due_at: int | None) -> None:
    names = world.add_keys(21)

    def overtake(step: str) -> None:
        if step == "before extend":
            world.runs.interrupt = lambda _: None
            world.planner.plan(due_at=due_at)

    world.runs.interrupt = overtake
    world.planner.plan(due_at=due_at)
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
def test_a_planner_sends_the_messages_of_a_faster_one_that_was_killed(world: World) -> None:
    names = world.add_keys(5)

    def overtake(step: str) -> None:
        if step == "before extend":
            kill_at(world, "after extend")
            with pytest.raises(Killed):
                world.planner.plan()
            world.runs.interrupt = lambda _: None

    world.runs.interrupt = overtake
    world.planner.plan()
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("written", [False, True])
def test_batches_are_smaller_while_the_store_is_slow(
    world: World, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = world.add_keys(21)
    extend, sizes = world.runs.extend, list[int]()

    def slow_at_first(run: Run, jobs: Sequence[Job]) -> None:
        sizes.append(len(jobs))
        fails = len(sizes) <= 2
        if written or not fails:
            extend(run, jobs)
        if fails:
            raise Unavailable

    monkeypatch.setattr(world.runs, "extend", slow_at_first)
    world.planner.plan()
    assert sizes == ([4, 2, 1, 2, 2, 0] if written else [4, 2, 1, 2, 4, 4, 0])
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("place", ["before extend", "after extend", "send"])
def test_planning_goes_on_as_long_as_each_second_call_succeeds(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = world.add_keys(41)
    calls, send = itertools.count(), world.queue.send

    def fail_every_other(step: str) -> None:
        if step == place and next(calls) % 2:
            raise Unavailable

    def send_or_fail(messages: Iterable[Any]) -> int:
        fail_every_other("send")
        return send(messages)

    world.runs.interrupt = fail_every_other
    with monkeypatch.context() as patch:
        patch.setattr(world.queue, "send", send_or_fail)
        world.planner.plan()
    world.runs.interrupt = lambda _: None
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
def test_an_outage_fails_planning_until_it_is_over(world: World) -> None:
    names = world.add_keys(21)

    def fail(step: str) -> None:
        if step == "before extend" and world.runs.records:
            raise Unavailable

    world.runs.interrupt = fail
    with pytest.raises(Unavailable):
        world.planner.plan()
    world.runs.interrupt = lambda _: None
    world.planner.plan()
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("batch", [2, 3])
def test_a_sweep_sends_and_plans_the_rest_of_a_run_whose_planner_never_came_back(world: World, batch: int) -> None:
    names = world.add_keys(21)
    kill_at(world, "after extend", batch)
    with pytest.raises(Killed):
        world.planner.plan()
    world.runs.interrupt = lambda _: None
    world.clock.advance(PLANNER_LOST_MS - 1)
    world.sweep()
    assert world.run().planned is None, "the planner may still be at work"
    world.clock.advance(1)
    world.sweep()
    check_planned_once(world, names)


@pytest.mark.usefixtures("small_batches")
def test_a_sweep_out_of_time_leaves_the_rest_of_a_run_to_the_next(world: World) -> None:
    names = world.add_keys(21)
    kill_at(world, "before extend")
    with pytest.raises(Killed):
        world.planner.plan()
    until = world.clock() + MINUTE

    def take_long(step: str) -> None:
        if step == "after extend":
            world.clock.now = until

    world.runs.interrupt = take_long
    world.sweeper.sweep(until=until, queue_is_empty=True)
    assert (world.run().accounts, world.run().planned) == (8, None)
    world.runs.interrupt = lambda _: None
    world.sweep(queue_is_empty=True)
    check_planned_once(world, names)


class Stream:
    """A stream of accounts that counts how many were read but not yet stored."""

    def __init__(self, number: int) -> None:
        self.number, self.read, self.handed_over, self.most_held = number, 0, 0, 0

    def active(self, after: str | None = None) -> Iterator[AccountRef]:
        assert after is None
        for number in range(self.number):
            self.read += 1
            self.most_held = max(self.most_held, self.read - self.handed_over)
            yield AccountRef("user", str(number))


class CountingRuns(FakeRuns):
    def __init__(self, stream: Stream, world: World) -> None:
        super().__init__(world.snapshots)
        self.stream = stream

    def extend(self, run: Run, jobs: Sequence[Job]) -> None:
        self.stream.handed_over += sum(len(job.pending) for job in jobs)


class EmptyDynamoDB:
    """A DynamoDB without items that records what is read."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - DynamoDB's own name
        self.requests.append(RequestItems)
        return {"Responses": {}}


def test_the_items_of_a_job_fit_into_one_batch_read(monkeypatch: pytest.MonkeyPatch) -> None:
    dynamodb = EmptyDynamoDB()
    monkeypatch.setattr(tables, "client", lambda _: dynamodb)
    refs = tuple(AccountRef("user", str(number)) for number in range(ACCOUNTS_A_JOB))
    DynamoSnapshotStore(Table("Snapshots"), Table("Keys")).known(Job("run", "1", TODAY, refs, due_at=0))
    (request,) = dynamodb.requests
    assert ACCOUNTS_A_JOB < sum(len(table["Keys"]) for table in request.values()) <= BATCH_GET_LIMIT


def test_planning_reads_accounts_in_bounded_portions(world: World) -> None:
    stream = Stream(100_000)
    world.queue.losing = True
    snapshot_planner = SnapshotPlanner(stream, CountingRuns(stream, world), world.queue, world.telemetry, world.clock)
    assert snapshot_planner.plan().planned == 100_000
    assert world.queue.sent == -(-100_000 // ACCOUNTS_A_JOB)
    assert stream.most_held <= ACCOUNTS_A_JOB * JOBS_AT_ONCE


@pytest.fixture
def function(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_function("balance_snapshot_planner")
    monkeypatch.setattr(module, "snapshot_planner", lambda: world.planner)
    return module


@pytest.mark.parametrize(
    ("event", "day"),
    [
        ({"time": "2026-11-20T00:05:00Z", "detail": {}}, TODAY),
        ({"time": "2026-11-20T00:05:00Z", "detail": "{}"}, TODAY),
        ({"time": "2026-11-20T00:05:00Z"}, TODAY),
        ({"time": "2026-11-20T00:05:00Z", "detail": None}, TODAY),
        ({"time": "2026-11-20T03:00:00+05:00", "detail": {}}, YESTERDAY),
        ({"time": "2026-11-20T00:05:00", "detail": {}}, TODAY),
        ({"time": "2026-11-20T00:05:00Z", "detail": {"date": YESTERDAY}}, YESTERDAY),
        ({"time": "2026-11-20T00:05:00Z", "detail": '{"date": "2026-11-19"}'}, YESTERDAY),
        ({"detail": {"date": "2020-02-29"}}, "2020-02-29"),
        ({"version": "0", "source": "aws.scheduler", "time": "2026-11-20T00:05:00Z", "detail": "{}"}, TODAY),
        ({}, TODAY),
    ],
)
def test_the_event_decides_the_day(function: ModuleType, event: dict[str, Any], day: str) -> None:
    answer = function.handler(event, LambdaContext())
    assert answer["date"] == day
    assert answer["planned"] == 0
    assert answer["runId"]


@pytest.mark.parametrize(
    "event",
    [
        {"detail": {"date": "2026-02-30"}},
        {"detail": {"date": "yesterday"}},
        {"detail": {"date": 20261119}},
        {"detail": "nonsense"},
        {"detail": ["2026-11-19"]},
        {"time": "soon"},
    ],
)
def test_an_event_without_a_valid_day_is_refused(function: ModuleType, world: World, event: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        function.handler(event, LambdaContext())
    assert world.runs.runs == {}


def test_a_scheduled_time_in_the_future_is_refused(function: ModuleType, world: World) -> None:
    world.clock.now = MORNING - DAY
    with pytest.raises(InvalidInput):
        function.handler({"time": "2026-11-20T00:05:00Z"}, LambdaContext())
