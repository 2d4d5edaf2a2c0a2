"""JobSweeper: sends again the jobs that a lost queue forgot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from purser.bootstrap.snapshots import backfill_sweeper, snapshot_sweeper
from purser.bootstrap.trading_accounts import cancellation_sweeper
from purser.work.sweeper import Sweep, sweep_all


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Sweeps. ``detail.queueIsEmpty``, set by whoever knows that the queues were lost, lets nothing wait any longer.

    Raises:
        ExceptionGroup: sweeps failed; the others were made all the same.
    """
    detail = event.get("detail")
    empty = isinstance(detail, dict) and detail.get("queueIsEmpty") is True
    # Cancellations first: they end the life of credentials.
    sweepers: dict[str, Callable[[], Sweep]] = {
        "cancellations": cancellation_sweeper,
        "snapshotJobs": snapshot_sweeper,
        "backfills": backfill_sweeper,
    }
    return sweep_all(sweepers, queue_is_empty=empty)
