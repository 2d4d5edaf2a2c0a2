"""JobSweeper: sends again the jobs that a lost queue forgot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from purser.bootstrap.snapshots import backfill_sweeper, snapshot_sweeper
from purser.bootstrap.trading_accounts import cancellation_sweep


class Sweeper(Protocol):
    """Sends due jobs to their queue."""

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Send them, and return how many there were."""


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Sweeps. ``detail.queueIsEmpty``, set by whoever knows that the queues were lost, lets nothing wait any longer.

    Raises:
        ExceptionGroup: sweeps failed; the others were made all the same.
    """
    detail = event.get("detail")
    empty = isinstance(detail, dict) and detail.get("queueIsEmpty") is True
    swept: dict[str, int] = {}
    failures: list[Exception] = []
    # Cancellations first: they end the life of credentials.
    sweepers: dict[str, Callable[[], Sweeper]] = {
        "cancellations": cancellation_sweep,
        "snapshotJobs": snapshot_sweeper,
        "backfills": backfill_sweeper,
    }
    for name, sweeper in sweepers.items():
        try:
            swept[name] = sweeper().sweep(queue_is_empty=empty)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("sweeps failed", failures)
    return swept
