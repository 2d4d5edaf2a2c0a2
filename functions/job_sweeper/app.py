"""JobSweeper: enqueues again the jobs whose queue messages were lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from purser.bootstrap.executions import closing_sweeper, execution_sweeper, fan_out_sweeper
from purser.bootstrap.snapshots import backfill_sweeper, snapshot_sweeper
from purser.bootstrap.trading_accounts import cancellation_sweeper
from purser.clock import now_ms
from purser.work.sweeper import Sweep, sweep_all

WORKING_SHARE = 0.8
"""The share of an invocation in which items are enqueued. The rest is for calls that have begun."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Enqueue lost jobs again. ``detail.queueIsEmpty`` says that all queues were lost, so nothing waits any longer.

    Raises:
        ExceptionGroup: some sweeps failed. The others were completed.
    """
    detail = event.get("detail")
    empty = isinstance(detail, dict) and detail.get("queueIsEmpty") is True
    sweepers: dict[str, Callable[[], Sweep]] = {
        "cancellations": cancellation_sweeper,
        "snapshotJobs": snapshot_sweeper,
        "backfills": backfill_sweeper,
        "fanOuts": fan_out_sweeper,
        "executionJobs": execution_sweeper,
        "tradeClosings": closing_sweeper,
    }
    until = now_ms() + int(context.get_remaining_time_in_millis() * WORKING_SHARE)
    return sweep_all(sweepers, now_ms, until=until, queue_is_empty=empty)
