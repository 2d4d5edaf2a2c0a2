"""JobSweeper: queues again the jobs whose queue messages were lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from purser.bootstrap.snapshots import backfill_sweeper, snapshot_sweeper
from purser.bootstrap.trading_accounts import cancellation_sweeper
from purser.work.sweeper import Sweep, sweep_all


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Queue lost jobs again. ``detail.queueIsEmpty`` says that all queues were lost, so nothing waits any longer.

    Raises:
        ExceptionGroup: some sweeps failed. The others were completed.
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
