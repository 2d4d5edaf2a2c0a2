"""Planning runs of balance snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from purser.aws import tables
from purser.aws.tables import BATCH_GET_LIMIT, Table
from purser.errors import InvalidInput, Unavailable
from purser.snapshots.model import ACCOUNTS_A_JOB, Counts, Job
from purser.snapshots.planner import JOBS_AT_ONCE, SnapshotPlanner
from purser.snapshots.store.snapshots import DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef
from tests.support.events import LambdaContext
from tests.support.functions import load_function
from tests.support.snapshots import DAY, MORNING, TODAY, YESTERDAY, FakeRuns, World


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


def test_a_run_is_not_closed_before_it_is_planned_completely(world: World) -> None:
    world.add_keys(30)

    def work_at_once(step: str) -> None:
        if step == "before set_planned":
            world.deliver()
            assert world.telemetry.finished_runs == []

    world.runs.interrupt = work_at_once
    world.planner.plan()
    (run,) = world.telemetry.finished_runs
    assert (run.planned, run.counts) == (30, Counts(stored=30))


def test_planning_again_completes_a_run_that_failed_half_way(world: World) -> None:
    world.add_keys(ACCOUNTS_A_JOB * (JOBS_AT_ONCE + 1))
    faults = [Unavailable()]

    def fail_the_second_time(step: str) -> None:
        if step == "before add_jobs" and world.runs.records and faults:
            raise faults.pop()

    world.runs.interrupt = fail_the_second_time
    with pytest.raises(Unavailable):
        world.planner.plan()
    world.planner.plan()
    world.drain()
    assert len(world.stored()) == ACCOUNTS_A_JOB * (JOBS_AT_ONCE + 1)
    (run,) = world.telemetry.finished_runs
    assert run.counts == Counts(stored=ACCOUNTS_A_JOB, skipped=ACCOUNTS_A_JOB * JOBS_AT_ONCE)


class Stream:
    """A stream of accounts that counts how many were read but not yet stored."""

    def __init__(self, number: int) -> None:
        self.number, self.read, self.handed_over, self.most_held = number, 0, 0, 0

    def active(self) -> Iterator[AccountRef]:
        for number in range(self.number):
            self.read += 1
            self.most_held = max(self.most_held, self.read - self.handed_over)
            yield AccountRef("user", str(number))


class CountingRuns(FakeRuns):
    def __init__(self, stream: Stream, world: World) -> None:
        super().__init__(world.snapshots)
        self.stream = stream

    def add_jobs(self, jobs: Sequence[Job]) -> None:
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
    planner = SnapshotPlanner(stream, CountingRuns(stream, world), world.queue, world.telemetry, world.clock)
    assert planner.plan().planned == 100_000
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
