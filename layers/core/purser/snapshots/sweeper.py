"""Sends again what a lost queue forgot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from purser.ports import Sender
from purser.snapshots.model import PATIENCE_MS, Run
from purser.snapshots.ports import RunStore, Telemetry
from purser.snapshots.run_completion import close_if_complete

HORIZON_MS = 3 * 24 * 3600 * 1000
"""Older runs are left alone: a valuation for a day can only be taken on that day."""


class SnapshotSweeper:
    """Looks after open runs. ``now`` gives Unix milliseconds."""

    def __init__(self, runs: RunStore, queue: Sender, telemetry: Telemetry, now: Callable[[], int]) -> None:
        self._runs = runs
        self._queue = queue
        self._telemetry = telemetry
        self._now = now

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Sends the open jobs of stalled runs again, and closes runs that were left complete but open.

        While anything of a run moves, its other messages may still be waiting for their turn: only when nothing has
        moved for ``PATIENCE_MS`` are they taken for lost.

        Args:
            queue_is_empty: the queue is known to have lost everything: nobody need wait.

        Returns:
            How many jobs were sent again.

        Raises:
            Unavailable: something is down; the next sweep goes on.
        """
        lost_since = math.inf if queue_is_empty else self._now() - PATIENCE_MS
        return sum(self._sweep(run, lost_since) for run in self._runs.open_runs(self._now() - HORIZON_MS))

    def _sweep(self, run: Run, lost_since: float) -> int:
        sent = 0
        if all(job.due_at <= lost_since for job in self._runs.jobs(run.id)):
            sent = self._queue.send(self._claimed(run, lost_since))
        if sent:
            self._telemetry.resent(run, sent)
        close_if_complete(self._runs, self._telemetry, run.id, self._now())
        return sent

    def _claimed(self, run: Run, lost_since: float) -> Iterator[dict[str, str]]:
        for job in self._runs.jobs(run.id):
            # Another sweep may have claimed it since the first look: then it is due anew, and no longer lost.
            if job.is_waiting and job.due_at <= lost_since and self._runs.claim(job, self._now()):
                yield job.message
