"""Planning of runs: every active trading account becomes part of a job, and every job is queued."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count, islice

from purser.clock import day_of
from purser.errors import FieldError, InvalidInput
from purser.ports import Sender
from purser.snapshots.model import ACCOUNTS_A_JOB, Job, Run
from purser.snapshots.ports import ActiveAccounts, RunStore, Telemetry
from purser.snapshots.run_completion import close_if_complete
from purser.work.model import RESEND_AFTER_MS

JOBS_AT_ONCE = 50
"""Fills two batch writes (25 items each) and five batches of messages (ten each)."""


class SnapshotPlanner:
    """Plans runs. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        accounts: ActiveAccounts,
        runs: RunStore,
        queue: Sender,
        telemetry: Telemetry,
        now: Callable[[], int],
    ) -> None:
        self._accounts = accounts
        self._runs = runs
        self._queue = queue
        self._telemetry = telemetry
        self._now = now

    def plan(self, day: date | None = None) -> Run:
        """Plan a run for a UTC day, today by default, in memory that does not grow with the number of accounts.

        Planning a day again is harmless, since accounts with a snapshot are skipped. A past day gets only the snapshots
        of valuations that are already stored.

        Raises:
            InvalidInput: the day is in the future.
            Unavailable: something is down. What was planned before is carried out; plan again for the rest.
        """
        run = self._begin(day)
        planned = 0
        jobs = self._jobs(run)
        while batch := list(islice(jobs, JOBS_AT_ONCE)):
            self._runs.add_jobs(batch)
            self._queue.send(job.message for job in batch)
            planned += sum(len(job.pending) for job in batch)
        self._runs.set_planned(run.id, planned)
        self._telemetry.planned(run, planned)
        close_if_complete(self._runs, self._telemetry, run.id, self._now())
        return Run(run.id, run.date, run.started_at, planned)

    def _begin(self, day: date | None) -> Run:
        now = self._now()
        today = day_of(now)
        date = day.isoformat() if day else today
        if date > today:
            field_error = FieldError(("detail", "date"), "must not be in the future", "body", date)
            raise InvalidInput([field_error], f"{date} is in the future")
        run = Run(f"{now:013d}-{secrets.token_hex(4)}", date, now)
        self._runs.begin(run)
        return run

    def _jobs(self, run: Run) -> Iterator[Job]:
        accounts = self._accounts.active()
        for number in count(1):
            refs = tuple(islice(accounts, ACCOUNTS_A_JOB))
            if not refs:
                return
            due_at = self._now() + RESEND_AFTER_MS
            yield Job(run.id, f"{number:06d}", run.date, refs, due_at=due_at, correlation_id=run.id)
