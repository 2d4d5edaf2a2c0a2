"""The sweeper of runs, which queues jobs again whose messages were lost."""

from __future__ import annotations

from collections.abc import Callable

from purser.ports import Sender
from purser.snapshots.model import PATIENCE_MS, Run
from purser.snapshots.ports import RunStore, Telemetry
from purser.snapshots.run_completion import close_if_complete
from purser.work.sweeper import Sweeper

HORIZON_MS = 3 * 24 * 3600 * 1000
"""Older runs are left alone, since a valuation can only be taken on its own day."""


class SnapshotSweeper:
    """Looks after open runs. ``now`` gives Unix milliseconds."""

    def __init__(self, runs: RunStore, queue: Sender, telemetry: Telemetry, now: Callable[[], int]) -> None:
        self._runs = runs
        self._sweeper = Sweeper(runs, queue, now, PATIENCE_MS)
        self._telemetry = telemetry
        self._now = now

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Queue the open jobs of stalled runs again, and close runs that are complete but still open.

        While a run progresses, its other messages may still be waiting in the queue. They count as lost only when
        nothing has happened for ``PATIENCE_MS``.

        Args:
            queue_is_empty: the queue is known to have lost everything, so nothing has to wait.

        Returns:
            How many jobs were queued again.

        Raises:
            Unavailable: something is down; the next sweep continues.
        """
        return sum(self._sweep(run, queue_is_empty) for run in self._runs.open_runs(self._now() - HORIZON_MS))

    def _sweep(self, run: Run, hurry: bool) -> int:
        sent, now = 0, self._now()
        if hurry or all(job.due_at <= now for job in self._runs.jobs(run.id)):
            # Another sweep may have queued some since the first query. These are due anew, and no longer lost.
            jobs = self._runs.jobs(run.id)
            sent = self._sweeper.send(job for job in jobs if job.is_waiting and job.is_due(now, hurry=hurry))
        if sent:
            self._telemetry.resent(run, sent)
        close_if_complete(self._runs, self._telemetry, run.id, self._now())
        return sent
