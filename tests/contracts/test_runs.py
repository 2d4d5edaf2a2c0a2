"""The contract of the run store."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.snapshots.model import Counts, Job, Progress, Run, Snapshot, SnapshotsExist, Source, StaleJob, StaleRun
from purser.snapshots.ports import RunStore, SnapshotStore
from purser.snapshots.store.runs import DynamoRunStore
from purser.snapshots.store.snapshots import DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef
from tests.support.fakes import FakeTradingAccounts
from tests.support.snapshots import FakeRuns, FakeSnapshots

NOW = 1_700_000_000_000
LATER = NOW + 1000
DATE = "2026-11-20"


@pytest.fixture
def snapshots(tables: dict[str, str] | None) -> DynamoSnapshotStore | FakeSnapshots:
    if not tables:
        return FakeSnapshots(FakeTradingAccounts())
    return DynamoSnapshotStore(Table(tables["SNAPSHOTS_TABLE"]), Table(tables["KEYS_TABLE"]))


@pytest.fixture
def store(tables: dict[str, str] | None, snapshots: Any) -> RunStore:
    return DynamoRunStore(Table(tables["SNAPSHOTS_TABLE"])) if tables else FakeRuns(snapshots)


@pytest.fixture
def run(store: RunStore) -> Run:
    return store.begin(Run(f"{NOW:013d}-{uuid4()}", DATE, NOW))


def job_of(run: Run, number: int, *names: str) -> Job:
    return Job(run.id, f"{number:06d}", DATE, tuple(AccountRef("user", name) for name in names), due_at=NOW)


@pytest.fixture
def job(store: RunStore, run: Run) -> Job:
    job = job_of(run, 1, *"abc")
    store.extend(run.extended([job], NOW), [job])
    return job


@pytest.fixture
def named_job(store: RunStore, run: Run) -> Job:
    """A job whose trading accounts no other test has."""
    job = job_of(run, 1, *(str(uuid4()) for _ in "abc"))
    store.extend(run.extended([job], NOW), [job])
    return job


def opened(store: RunStore, run: Run) -> Run | None:
    return next((each for each in store.open_runs(NOW) if each.id == run.id), None)


def counts(store: RunStore, run: Run) -> Counts:
    found = opened(store, run)
    assert found is not None
    return found.counts


def worked(job: Job, done: int) -> Job:
    return replace(job, pending=job.pending[done:], version=job.version + 1)


def test_a_run_begins_once(store: RunStore, run: Run, job: Job) -> None:
    store.record(Progress(worked(job, 1), Counts(stored=1)))
    stored = replace(run, counts=Counts(stored=1), jobs=1, accounts=3, last_account="c", extended_at=NOW)
    assert store.begin(replace(run, started_at=NOW + 1)) == stored
    assert opened(store, run) == stored


def test_a_run_is_extended_with_its_jobs_until_it_is_planned(store: RunStore, run: Run, job: Job) -> None:
    one, other = job_of(run, 2, "d"), job_of(run, 3, "e", "f")
    further = replace(run, jobs=1, accounts=3, last_account="c", extended_at=NOW).extended([one, other], LATER)
    store.extend(further, [one, other])
    assert opened(store, run) == replace(run, jobs=3, accounts=6, last_account="f", extended_at=LATER)
    assert list(store.jobs(run.id)) == [job, one, other]
    store.extend(further.extended([], LATER), [])
    planned = replace(run, planned=6, jobs=3, accounts=6, last_account="f", extended_at=LATER)
    assert opened(store, run) == planned
    with pytest.raises(StaleRun):
        store.extend(planned.extended([], LATER), [])


def test_one_of_two_that_read_the_same_extends_a_run(store: RunStore, run: Run, job: Job) -> None:
    stale = job_of(run, 1, "a", "b")
    for jobs in ([stale], []):
        with pytest.raises(StaleRun):
            store.extend(run.extended(jobs, LATER), jobs)
    assert opened(store, run) == replace(run, jobs=1, accounts=3, last_account="c", extended_at=NOW)
    assert list(store.jobs(run.id)) == [job]


def test_older_runs_are_not_open(store: RunStore, run: Run) -> None:
    assert run.id not in {each.id for each in store.open_runs(NOW + 1)}


def test_a_run_has_its_jobs(store: RunStore, run: Run, job: Job) -> None:
    assert store.get(run.id, job.id) == job
    assert store.get(run.id, "000002") is None
    assert list(store.jobs(run.id)) == [job]


def test_one_of_two_that_read_the_same_advances_a_job(store: RunStore, run: Run, job: Job) -> None:
    advanced = worked(job, 2)
    store.record(Progress(advanced, Counts(stored=1, failed=1)))
    for stale in (advanced, replace(advanced, version=4)):
        with pytest.raises(StaleJob):
            store.record(Progress(stale, Counts(stored=1)))
    assert store.get(run.id, job.id) == advanced
    assert counts(store, run) == Counts(stored=1, failed=1)
    store.record(Progress(worked(advanced, 1), Counts(skipped=1)))
    assert counts(store, run) == Counts(stored=1, skipped=1, failed=1)


def snapshot_of(job: Job, name: str, source: Source = Source.LIVE) -> Snapshot:
    return Snapshot(name, DATE, Decimal(7), source, NOW, job.run_id)


def test_progress_stores_its_snapshots(store: RunStore, snapshots: SnapshotStore, run: Run, named_job: Job) -> None:
    first, second, _ = (ref.id for ref in named_job.pending)
    snapshots.keep(snapshot_of(named_job, second, Source.BACKFILLED))
    stored = tuple(snapshot_of(named_job, name) for name in (first, second))
    store.record(Progress(worked(named_job, 2), Counts(stored=2), stored))
    assert tuple(snapshots.known(named_job).snapshots.values()) == stored
    assert counts(store, run) == Counts(stored=2)


def test_progress_with_snapshots_of_days_that_have_one_changes_nothing(
    store: RunStore, snapshots: SnapshotStore, run: Run, named_job: Job
) -> None:
    first, _, third = (ref.id for ref in named_job.pending)
    earlier = [replace(snapshot_of(named_job, name), run_id="another") for name in (first, third)]
    for snapshot in earlier:
        snapshots.keep(snapshot)
    progress = Progress(
        worked(named_job, 3), Counts(stored=3), tuple(snapshot_of(named_job, ref.id) for ref in named_job.pending)
    )
    with pytest.raises(SnapshotsExist) as refused:
        store.record(progress)
    assert set(refused.value.trading_account_ids) == {first, third}
    assert list(snapshots.known(named_job).snapshots.values()) == earlier
    assert store.get(run.id, named_job.id) == named_job
    assert counts(store, run) == Counts()


def test_a_stale_job_stores_no_snapshots(store: RunStore, snapshots: SnapshotStore, named_job: Job) -> None:
    taken, free, _ = (ref.id for ref in named_job.pending)
    snapshots.keep(replace(snapshot_of(named_job, taken), run_id="another"))
    store.record(Progress(worked(named_job, 2), Counts(unauthorized=2)))
    with pytest.raises(StaleJob):
        store.record(
            Progress(
                worked(named_job, 2), Counts(stored=2), tuple(snapshot_of(named_job, name) for name in (taken, free))
            )
        )
    assert set(snapshots.known(named_job).snapshots) == {taken}


def test_a_job_that_is_gone_cannot_be_advanced_or_queued(store: RunStore, run: Run) -> None:
    gone = Job(run.id, "000009", DATE, (), due_at=NOW)
    with pytest.raises(StaleJob):
        store.record(Progress(worked(gone, 0), Counts()))
    assert not store.advance(gone.queued(NOW))


def test_one_of_two_that_read_the_same_queues_a_job(store: RunStore, run: Run, job: Job) -> None:
    assert store.advance(job.queued(NOW + 1))
    assert not store.advance(job.queued(NOW + 1))
    assert store.get(run.id, job.id) == replace(job, due_at=NOW + 1, version=2)
    with pytest.raises(StaleJob):
        store.record(Progress(worked(job, 1), Counts(stored=1)))


def test_a_run_is_closed_once_and_when_all_is_done(store: RunStore, run: Run, job: Job) -> None:
    assert store.close(run.id, NOW) is None, "nobody knows how many there are"
    store.extend(replace(run, jobs=1, accounts=3, last_account="c", extended_at=NOW).extended([], LATER), [])
    store.record(Progress(worked(job, 2), Counts(stored=2)))
    assert store.close(run.id, NOW) is None, "one is not done"
    store.record(Progress(worked(worked(job, 2), 1), Counts(unauthorized=1)))
    closed = store.close(run.id, NOW)
    counts = Counts(stored=2, unauthorized=1)
    assert closed == replace(run, planned=3, counts=counts, jobs=1, accounts=3, last_account="c", extended_at=NOW)
    assert store.close(run.id, NOW) is None
    assert opened(store, run) is None
