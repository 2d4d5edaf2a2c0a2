"""Planning of runs: every active trading account becomes part of a job, and every job is queued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice

from purser.clock import day_of
from purser.errors import FieldError, InvalidInput, Unavailable
from purser.ports import Sender
from purser.snapshots.model import ACCOUNTS_A_JOB, RUN_HORIZON_MS, Job, Run, StaleRun
from purser.snapshots.ports import ActiveAccounts, RunStore, Telemetry
from purser.snapshots.run_completion import close_if_complete
from purser.trading_accounts.model import AccountRef
from purser.work.model import RESEND_AFTER_MS

JOBS_AT_ONCE = 10
"""The jobs of one transaction: as many as one batch of messages takes."""


class SnapshotPlanner:
    """Plans runs. ``now`` gives Unix milliseconds.

    A batch of jobs is stored together with the progress of its run. So planners that were killed, or are at work on a
    run at the same time, plan no account twice.
    """

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

    def plan(self, day: date | None = None, due_at: int | None = None) -> Run:
        """Plan a run for a UTC day, today by default, in memory that does not grow with the number of accounts.

        A run of the day that is not planned to its end is resumed, and planning what was due at ``due_at`` (Unix ms)
        again finds its run. Another run of a day is harmless, since accounts with a snapshot are skipped. A past day
        gets only the snapshots of valuations that are already stored.

        Raises:
            InvalidInput: the day is in the future.
            Unavailable: something is down. What was planned before is carried out; plan again for the rest.
        """
        return self.resume(self._begin(day, due_at))

    def resume(self, run: Run, *, until: int | None = None) -> Run:
        """Plan the rest of a run, if there is any, and store no further jobs after ``until`` (Unix ms).

        Raises:
            Unavailable: something is down.
        """
        most, in_doubt = JOBS_AT_ONCE, True
        accounts = self._accounts.active(run.last_account)
        while run.planned is None and (until is None or self._now() < until):
            try:
                if in_doubt:
                    self._send_last(run)
                run, in_doubt = self._extend(run, list(islice(accounts, most * ACCOUNTS_A_JOB))), False
                most = min(2 * most, JOBS_AT_ONCE)
            except StaleRun:
                # Whoever was faster may be killed before its messages are sent.
                run, in_doubt = self._runs.begin(run), True
                accounts = self._accounts.active(run.last_account)
            except Unavailable:
                # A slow store may take fewer jobs in time. It may also have taken these, but not have answered.
                before, run, in_doubt = run, self._runs.begin(run), True
                if most == 1 and run.planned is None and run.jobs == before.jobs:
                    raise
                most = max(1, most // 2)
                accounts = self._accounts.active(run.last_account)
        return run

    def _begin(self, day: date | None, due_at: int | None) -> Run:
        now = self._now()
        today = day_of(now)
        date = day.isoformat() if day else today
        if date > today:
            field_error = FieldError(("detail", "date"), "must not be in the future", "body", date)
            raise InvalidInput([field_error], f"{date} is in the future")
        of_day = (run for run in self._runs.open_runs(now - RUN_HORIZON_MS) if run.date == date)
        unplanned = next((run for run in of_day if run.planned is None), None)
        return unplanned or self._runs.begin(Run(f"{due_at or now:013d}-{date}", date, now))

    def _extend(self, run: Run, refs: Sequence[AccountRef]) -> Run:
        """Store and queue the jobs of further accounts. Without any, all are planned and all messages are sent."""
        portions = [refs[start : start + ACCOUNTS_A_JOB] for start in range(0, len(refs), ACCOUNTS_A_JOB)]
        jobs = [self._job(run, number, portion) for number, portion in enumerate(portions, run.jobs + 1)]
        after = run.extended(jobs, self._now())
        self._runs.extend(after, jobs)
        self._queue.send(job.message for job in jobs)
        if after.planned is not None:
            self._telemetry.planned(after, after.planned)
            close_if_complete(self._runs, self._telemetry, run.id, self._now())
        return after

    def _send_last(self, run: Run) -> None:
        """Send the last messages again, since the planner that stored their jobs may not have sent them."""
        numbers = range(max(1, run.jobs - JOBS_AT_ONCE + 1), run.jobs + 1)
        self._queue.send(self._job(run, number, ()).message for number in numbers)

    def _job(self, run: Run, number: int, refs: Sequence[AccountRef]) -> Job:
        due_at = self._now() + RESEND_AFTER_MS
        return Job(run.id, f"{number:06d}", run.date, tuple(refs), due_at=due_at, correlation_id=run.id)
