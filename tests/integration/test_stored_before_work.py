"""Work that waits while a deployment brings the common mechanism is carried over, as the version before stored it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from purser.aws.tables import Item, Table
from purser.snapshots.model import PATIENCE_MS, Backfill, Counts, Job
from purser.snapshots.store import DynamoBackfillStore, DynamoRunStore
from purser.trading_accounts.model import AccountRef
from tests.support.aws import Aws
from tests.support.functions import forget_process

NOW = 1_700_000_000_000


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    forget_process()
    yield
    forget_process()


@pytest.fixture
def account_id(aws: Aws) -> Iterator[str]:
    name = str(uuid4())
    yield name
    Table(aws.tables["KEYS_TABLE"]).delete("BACKFILLS", name)


@pytest.mark.parametrize(
    ("stored", "dead"),
    [
        ({"dueAt": NOW, "version": NOW}, False),
        ({"dueAt": NOW, "version": NOW + 1, "claimedBy": "another sweep"}, False),
        ({"dueAt": NOW, "version": NOW + 2, "claimedBy": "a worker", "dead": True, "expiresAt": 2_000_000_000}, True),
    ],
)
def test_a_backfill_is_carried_over(aws: Aws, account_id: str, stored: Item, dead: bool) -> None:
    table = Table(aws.tables["KEYS_TABLE"])
    table.put({"PK": "BACKFILLS", "SK": account_id, "userId": "user", "requestedAt": NOW - 5} | stored)
    store = DynamoBackfillStore(table)
    backfill = store.get(account_id)
    expected = Backfill(AccountRef("user", account_id), NOW - 5, due_at=NOW, dead=dead, version=stored["version"])
    assert backfill == expected
    assert (expected in store.due(NOW)) is not dead
    assert expected not in store.due(NOW - 1)
    leased = expected.leased(NOW + 9)
    assert store.advance(leased)
    assert store.get(account_id) == leased
    assert store.finish(leased)


def test_a_snapshot_job_is_carried_over(aws: Aws) -> None:
    table, run_id = Table(aws.tables["SNAPSHOTS_TABLE"]), str(uuid4())
    counts: Item = {"stored": 0, "skipped": 0, "unauthorized": 0, "failed": 0, "done": 0}
    table.put({"PK": "RUNS", "SK": run_id, "date": "2026-11-20", "startedAt": NOW, "planned": 2, **counts})
    table.put(
        {
            "PK": f"RUN#{run_id}",
            "SK": "JOB#000001",
            "date": "2026-11-20",
            "pending": [["user", "one"], ["user", "two"]],
            "dueAt": NOW,
            "dead": False,
            "version": 3,
            "expiresAt": 2_000_000_000,
            "claimedBy": "a sweep",
        }
    )
    store = DynamoRunStore(table)
    (job,) = store.jobs(run_id)
    pending = AccountRef("user", "one"), AccountRef("user", "two")
    assert job == Job(run_id, "000001", "2026-11-20", pending, due_at=NOW + PATIENCE_MS, version=3)
    assert not job.is_due(NOW + PATIENCE_MS - 1), "its message may still come"
    queued = job.queued(NOW + 7 + PATIENCE_MS)
    assert store.advance(queued)
    item = table.get(f"RUN#{run_id}", "JOB#000001")
    assert item is not None
    assert (item["dueAt"], item["dead"], item["version"]) == (NOW + 7, False, 4), "the version before reads it too"
    progress = queued.progress({}, giving_up=True, due_at=NOW + PATIENCE_MS)
    store.record(progress)
    assert store.get(run_id, "000001") == progress.job
    assert progress.counts == Counts(failed=2)
