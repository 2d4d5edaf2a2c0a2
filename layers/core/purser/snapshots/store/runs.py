"""The run store on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from purser.aws.tables import ConditionFailed, Item, Table, Transaction, setting
from purser.snapshots.model import Counts, Job, Progress, Run, Snapshot, SnapshotsExist, StaleJob, StaleRun
from purser.snapshots.store.items import BACKFILLED, UNLESS_LIVE, expiry, snapshot_item
from purser.trading_accounts.model import AccountRef
from purser.work.model import RESEND_AFTER_MS
from purser.work.store import Attributes, DynamoItemStore, Layout

RUNS = "RUNS"
OUTCOMES = ("stored", "skipped", "unauthorized", "failed")
COUNTED = (*OUTCOMES, "done")
MOST_OPEN_RUNS = 50


NAMES = Attributes(after_ms=RESEND_AFTER_MS)
"""A job stores as its due time when its message was sent, or is to be delivered again."""


def _run_pk(run_id: str) -> str:
    return f"RUN#{run_id}"


def _job_sk(job_id: str) -> str:
    return f"JOB#{job_id}"


def _job_of(item: Item) -> Job:
    return Job(
        run_id=item["PK"].removeprefix(_run_pk("")),
        id=item["SK"].removeprefix(_job_sk("")),
        date=item["date"],
        pending=tuple(AccountRef(*ref) for ref in item["pending"]),
        **NAMES.read(item),
    )


LAYOUT = Layout(lambda run_id, job_id: (_run_pk(run_id), _job_sk(job_id)), _job_of, (), NAMES, expire=True)
"""Jobs have no shards of their own, because whether one is due depends on its run."""


class DynamoRunStore(DynamoItemStore[Job]):
    """The run store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, LAYOUT)

    def begin(self, run: Run) -> Run:
        item = {"PK": RUNS, "SK": run.id, "date": run.date, "startedAt": run.started_at, "expiresAt": expiry()}
        item |= dict.fromkeys((*COUNTED, "jobs", "accounts"), 0)
        try:
            self._table.put(item, condition="attribute_not_exists(PK)")
        except ConditionFailed:
            item = self._table.get(RUNS, run.id) or item
        return _run_of(item)

    def extend(self, run: Run, jobs: Sequence[Job]) -> None:
        progress = {
            "planned": run.planned,
            "jobs": run.jobs,
            "accounts": run.accounts,
            "lastAccount": run.last_account,
            "extendedAt": run.extended_at,
        }
        expression, values, names = setting(progress)
        extended = self._table.updating(
            RUNS,
            run.id,
            expression,
            values | {":before": run.jobs - len(jobs)},
            condition="attribute_not_exists(#planned) AND #jobs = :before",
            names=names,
        )
        with Transaction() as write:
            write.add(extended, refused=StaleRun)
            write.add(*(self._table.putting(_job_item(job)) for job in jobs))

    def record(self, progress: Progress) -> None:
        job, counts = progress.job, progress.counts
        kept = self._table.putting(_job_item(job), at_version=job.version - 1)
        counted = self._table.updating(
            RUNS,
            job.run_id,
            "ADD " + ", ".join(f"#{name} :{name}" for name in COUNTED),
            {f":{name}": getattr(counts, name) for name in COUNTED},
            names={f"#{name}": name for name in COUNTED},
        )
        existing = set[str]()
        with Transaction() as write:
            write.add(kept, refused=StaleJob)
            for snapshot in progress.snapshots:
                stored = self._table.putting(snapshot_item(snapshot), values=BACKFILLED, **UNLESS_LIVE)
                write.add(stored, refused=partial(_exists, snapshot, existing))
            if counts != Counts():
                write.add(counted)

    def close(self, run_id: str, now: int) -> Run | None:
        condition = "planned = done AND attribute_not_exists(closedAt)"
        item = self._table.claim(RUNS, run_id, {"closedAt": now}, condition=condition)
        return _run_of(item) if item else None

    def open_runs(self, since: int) -> Iterator[Run]:
        """Yield at most the newest 50 runs."""
        items = self._table.query(
            "PK = :pk AND SK >= :since",
            {":pk": RUNS, ":since": f"{since:013d}"},
            newest_first=True,
            limit=MOST_OPEN_RUNS,
            consistent=True,
        )
        return (_run_of(item) for item in items if "closedAt" not in item)

    def jobs(self, run_id: str) -> Iterator[Job]:
        return map(_job_of, self._table.query("PK = :pk", {":pk": _run_pk(run_id)}))


def _exists(snapshot: Snapshot, existing: set[str], _: Item) -> SnapshotsExist:
    existing.add(snapshot.trading_account_id)
    return SnapshotsExist(existing)


def _run_of(item: Item) -> Run:
    # The planning of runs without ``jobs``, the oldest ones, cannot be resumed.
    planned = item.get("planned", None if "jobs" in item else 0)
    return Run(
        id=item["SK"],
        date=item["date"],
        started_at=int(item["startedAt"]),
        planned=None if planned is None else int(planned),
        counts=Counts(**{name: int(item[name]) for name in OUTCOMES}),
        jobs=int(item.get("jobs", 0)),
        accounts=int(item.get("accounts", 0)),
        last_account=item.get("lastAccount"),
        extended_at=int(item["extendedAt"]) if "extendedAt" in item else None,
    )


def _job_item(job: Job) -> Item:
    return {
        "PK": _run_pk(job.run_id),
        "SK": _job_sk(job.id),
        "date": job.date,
        "pending": [[ref.user_id, ref.id] for ref in job.pending],
        **NAMES.write(job),
        "version": job.version,
        "expiresAt": expiry(),
    }
