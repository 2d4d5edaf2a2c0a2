"""The run store on DynamoDB."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from uuid import uuid4

from purser.aws.tables import ConditionFailed, Item, Table, TransactionRefused, batch_put, transact
from purser.snapshots.model import Counts, Job, Run, StaleJob
from purser.snapshots.store.items import expiry
from purser.trading_accounts.model import AccountRef

RUNS = "RUNS"
OUTCOMES = ("stored", "skipped", "unauthorized", "failed")
COUNTED = (*OUTCOMES, "done")
MOST_OPEN_RUNS = 50


class DynamoRunStore:
    """The run store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def begin(self, run: Run) -> None:
        """Keeps a new run."""
        item = {"PK": RUNS, "SK": run.id, "date": run.date, "startedAt": run.started_at, "expiresAt": expiry()}
        # Its id is random: what is there already is the run itself, from a first try whose answer was lost.
        with suppress(ConditionFailed):
            self._table.put(item | dict.fromkeys(COUNTED, 0), condition="attribute_not_exists(PK)")

    def add_jobs(self, jobs: Sequence[Job]) -> None:
        """Keeps new jobs, 25 a request."""
        batch_put(self._table.name, map(_job_item, jobs))

    def set_planned(self, run_id: str, planned: int) -> None:
        """Notes how many trading accounts a run has."""
        self._table.update(RUNS, run_id, "SET planned = :planned", {":planned": planned})

    def job(self, run_id: str, job_id: str) -> Job | None:
        """A job as it is now, or None when it is gone."""
        item = self._table.get(_run_pk(run_id), _job_sk(job_id))
        return _job_of(item) if item else None

    def advance(self, job: Job, counts: Counts) -> None:
        """One transaction: the job's next version, the run's counts.

        Raises:
            StaleJob: the job is no longer at the version before.
        """
        kept = self._table.putting(_job_item(job), condition="version = :before", values={":before": job.version - 1})
        counted = self._table.updating(
            RUNS,
            job.run_id,
            "ADD " + ", ".join(f"#{name} :{name}" for name in COUNTED),
            {f":{name}": getattr(counts, name) for name in COUNTED},
            names={f"#{name}": name for name in COUNTED},
        )
        try:
            transact([kept, counted] if counts != Counts() else [kept])
        except TransactionRefused:
            raise StaleJob from None

    def close(self, run_id: str, now: int) -> Run | None:
        """Closes a run whose trading accounts are all accounted for; the run, to the one caller who did."""
        try:
            item = self._table.update(
                RUNS,
                run_id,
                "SET closedAt = :now, closedBy = :me",
                {":now": now, ":me": secrets.token_hex(8)},
                # A second try, when the first one's answer was lost, finds it closed by itself.
                condition="planned = done AND (attribute_not_exists(closedAt) OR closedBy = :me)",
            )
        except ConditionFailed:
            return None
        return _run_of(item)

    def open_runs(self, since: int) -> Iterator[Run]:
        """The runs begun since then that are not closed, newest first; of the newest 50 runs at most."""
        items = self._table.query(
            "PK = :pk AND SK >= :since",
            {":pk": RUNS, ":since": f"{since:013d}"},
            newest_first=True,
            limit=MOST_OPEN_RUNS,
            consistent=True,
        )
        return (_run_of(item) for item in items if "closedAt" not in item)

    def jobs(self, run_id: str) -> Iterator[Job]:
        """A run's jobs, streamed."""
        return map(_job_of, self._table.query("PK = :pk", {":pk": _run_pk(run_id)}))

    def claim(self, job: Job, due_at: int) -> bool:
        """Notes a new due time; False when the job's has changed since it was read."""
        try:
            self._table.update(
                _run_pk(job.run_id),
                _job_sk(job.id),
                "SET dueAt = :due, claimedBy = :me",
                {":due": due_at, ":read": job.due_at, ":me": uuid4().hex},
                # A second try, when the first one's answer was lost, finds itself.
                condition="dueAt = :read OR claimedBy = :me",
            )
        except ConditionFailed:
            return False
        return True


def _run_pk(run_id: str) -> str:
    return f"RUN#{run_id}"


def _job_sk(job_id: str) -> str:
    return f"JOB#{job_id}"


def _run_of(item: Item) -> Run:
    return Run(
        id=item["SK"],
        date=item["date"],
        started_at=int(item["startedAt"]),
        planned=int(item["planned"]) if "planned" in item else None,
        counts=Counts(**{name: int(item[name]) for name in OUTCOMES}),
    )


def _job_item(job: Job) -> Item:
    return {
        "PK": _run_pk(job.run_id),
        "SK": _job_sk(job.id),
        "date": job.date,
        "pending": [[ref.user_id, ref.id] for ref in job.pending],
        "dueAt": job.due_at,
        "dead": job.dead,
        "version": job.version,
        "expiresAt": expiry(),
    }


def _job_of(item: Item) -> Job:
    return Job(
        run_id=item["PK"].removeprefix(_run_pk("")),
        id=item["SK"].removeprefix(_job_sk("")),
        date=item["date"],
        pending=tuple(AccountRef(*ref) for ref in item["pending"]),
        due_at=int(item["dueAt"]),
        dead=item["dead"],
        version=int(item["version"]),
    )
