"""The sweeper of runs, which enqueues jobs again whose messages were lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import islice

from purser.ports import Sender
from purser.snapshots.model import RUN_HORIZON_MS, Job, Run, StaleJob
from purser.snapshots.planner import SnapshotPlanner
from purser.snapshots.ports import RunStore, Telemetry
from purser.snapshots.run_completion import close_if_complete
from purser.work.model import RESEND_AFTER_MS
from purser.work.sweeper import Enqueuer, collecting, raise_collected

SWEEP_LIMIT = 1000
"""The number of jobs that one sweep enqueues at most."""


class SnapshotSweeper:
    """Looks after open runs. ``now`` gives Unix milliseconds."""

    def __init__(
        self, runs: RunStore, planner: SnapshotPlanner, queue: Sender, telemetry: Telemetry, now: Callable[[], int]
    ) -> None:
        self._runs = runs
        self._planner = planner
        self._enqueuer = Enqueuer(runs, queue, now, RESEND_AFTER_MS)
        self._telemetry = telemetry
        self._now = now

    def sweep(self, *, until: int, queue_is_empty: bool = False) -> int:
        """Enqueue the open jobs of stalled runs again, and close runs that are complete but still open (see ``Sweep``).

        A job whose last attempt was killed is marked dead instead. Runs whose planners are lost are planned to their
        end.

        While a run progresses, its other messages may still be waiting in the queue. They count as lost only when
        nothing has happened for ``RESEND_AFTER_MS``.
        """
        sent, failures = 0, list[Exception]()
        for run in self._runs.open_runs(self._now() - RUN_HORIZON_MS):
            if self._now() >= until:
                break
            with collecting(failures):
                sent += self._sweep(run, until, SWEEP_LIMIT - sent, queue_is_empty, failures)
        raise_collected("some snapshot jobs could not be swept", failures)
        return sent

    def _sweep(self, run: Run, until: int, limit: int, queue_is_empty: bool, failures: list[Exception]) -> int:
        sent, now = 0, self._now()
        if queue_is_empty or all(job.due_at <= now for job in self._runs.jobs(run.id)):
            # Another sweep may have enqueued some since the first query. These are due anew, and no longer lost.
            jobs = self._runs.jobs(run.id)
            due = (job for job in jobs if job.is_waiting and job.is_due(now, queue_is_empty=queue_is_empty))
            lost = list(islice(due, limit))
            for job in lost:
                if job.was_killed(now) and self._now() < until:
                    with collecting(failures):
                        self._end_killed(job)
            with collecting(failures):
                sent = self._enqueuer.send((job for job in lost if not job.was_killed(now)), until=until)
        if sent:
            self._telemetry.resent(run, sent)
        if queue_is_empty or run.has_lost_planner(now):
            with collecting(failures):
                self._planner.resume(run, until=until)
        close_if_complete(self._runs, self._telemetry, run.id, self._now())
        return sent

    def _end_killed(self, job: Job) -> None:
        """Mark a job dead whose last attempt was killed, since it may kill every worker."""
        now = self._now()
        progress = job.progress({}, exhausted=True, due_at=now)
        with suppress(StaleJob):
            self._runs.record(progress)
            self._telemetry.worked(progress.job, progress.counts, ())
            self._telemetry.dead(progress.job, now)
