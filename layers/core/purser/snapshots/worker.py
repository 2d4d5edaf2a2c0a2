"""Work on jobs: each pending trading account gets an outcome, which its run counts once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from purser.errors import Unfinished
from purser.ports import Sender
from purser.retrying import retry_delay, until_fresh_from
from purser.snapshots.model import LEASE_MS, Job, NoSnapshot, Outcome, Pending, SnapshotsExist, StaleJob
from purser.snapshots.ports import RunStore, Telemetry
from purser.snapshots.reader import Reader, ReaderPorts
from purser.snapshots.run_completion import close_if_complete
from purser.work.model import RESEND_AFTER_MS, Delivery

WORKING_SHARE = 0.7
"""The share of an invocation in which new reads start. In the rest, reads that have started wait for the pacer."""


class SnapshotWorker:
    """Works on jobs. ``now`` gives Unix ms. After ``max_attempts`` deliveries a message goes to the dead letters."""

    def __init__(
        self,
        runs: RunStore,
        queue: Sender,
        telemetry: Telemetry,
        reader_ports: ReaderPorts,
        now: Callable[[], int],
        max_attempts: int,
    ) -> None:
        self._runs = runs
        self._queue = queue
        self._telemetry = telemetry
        self._reader_ports = reader_ports
        self._now = now
        self._max_attempts = max_attempts

    def reader(self, seconds: float) -> Reader:
        """Return the reader for all jobs of an invocation that has ``seconds`` left."""
        return Reader(self._reader_ports, self._now() + int(seconds * 1000 * WORKING_SHARE))

    def work(self, run_id: str, job_id: str, delivery: Delivery, reader: Reader) -> None:
        """Work on a job as far as possible, and record the progress.

        A repeated or concurrent attempt changes no recorded outcome. Accounts for which no time was left go back to
        the end of the queue. After the last delivery, what is left counts as failed. A job that is done or gone is not
        an error.

        Raises:
            Unfinished: some trading accounts are still to be read.
            Unavailable: a part of Purser is down.
        """
        job, attempt = self._runs.get(run_id, job_id), delivery.attempt
        if job is None or not job.pending:
            return
        if attempt >= self._max_attempts:
            job = self._begin_last(job, delivery)
        results = reader.read(job)
        outcomes = {account: result for account, result in results.items() if isinstance(result, Outcome)}
        troubles = {result for result in results.values() if isinstance(result, Pending)} - {Pending.OUT_OF_TIME}
        exhausted = bool(troubles) and attempt >= self._max_attempts
        delay = self._delay(troubles, attempt, reader) if troubles and not exhausted else 0.0
        job = self._advance(job, outcomes, exhausted, delay, reader.unpriced)
        if job is None:
            return
        self._report(job, failed=bool(troubles), exhausted=exhausted)
        if not job.is_waiting:
            close_if_complete(self._runs, self._telemetry, run_id, self._now())
        if job.pending and troubles:
            raise Unfinished(retry_after=delay)
        if job.pending:
            # As a new message, because another delivery of this one would count as an attempt though nothing failed.
            self._queue.send([job.message])

    def _begin_last(self, job: Job, delivery: Delivery) -> Job:
        """Record the last attempt before it is made. If it is killed, a sweep marks the job dead."""
        last = job.in_last_attempt(self._now() + delivery.lease_ms(LEASE_MS))
        return last if self._runs.advance(last) else self._runs.get(*job.key) or job

    def _report(self, job: Job, *, failed: bool, exhausted: bool) -> None:
        if not job.pending:
            self._telemetry.done(job, self._now())
        elif exhausted:
            self._telemetry.dead(job, self._now())
        elif failed:
            self._telemetry.retried(job, self._now())

    def _delay(self, troubles: set[Pending], attempt: int, reader: Reader) -> float:
        cooldown = max(0, reader.cooldown_until - self._now()) / 1000
        return cooldown if Pending.COOLDOWN in troubles else retry_delay(attempt)

    def _advance(
        self, job: Job, outcomes: Mapping[str, Outcome], exhausted: bool, delay: float, unpriced: list[str]
    ) -> Job | None:
        """Record the outcomes, except those that another worker on the same job has recorded first.

        Return the job, or None if another worker has completed it.
        """
        existing: set[str] = set()

        def attempt(current: Job | None) -> Job | None:
            if current is None or not current.pending:
                return None
            due_at = self._now() + int(delay * 1000) + RESEND_AFTER_MS
            new = {**outcomes, **dict.fromkeys(existing, NoSnapshot.SKIPPED)}
            progress = current.progress(new, exhausted=exhausted, due_at=due_at)
            try:
                self._runs.record(progress)
            except SnapshotsExist as error:
                existing.update(error.trading_account_ids)
                raise
            self._telemetry.worked(progress.job, progress.counts, unpriced)
            return progress.job

        known: Job | None = job
        read = partial(self._runs.get, *job.key)
        return until_fresh_from(known, attempt, read, stale=(StaleJob, SnapshotsExist))
