"""JobSweeper: sends again the jobs that a lost queue forgot."""

from __future__ import annotations

from typing import Any

from purser.bootstrap import cancellation_sweep, snapshot_sweeper


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Sweeps. ``detail.queueIsEmpty``, set by whoever knows that the queues were lost, lets nothing wait any longer."""
    detail = event.get("detail")
    empty = isinstance(detail, dict) and detail.get("queueIsEmpty") is True
    return {
        "snapshotJobs": snapshot_sweeper().sweep(queue_is_empty=empty),
        "cancellations": cancellation_sweep().sweep(queue_is_empty=empty),
    }
