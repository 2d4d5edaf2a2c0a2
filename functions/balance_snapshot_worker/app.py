"""BalanceSnapshotWorker: works on the snapshot jobs in the queue."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.snapshots import snapshot_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on each job, and return which messages failed."""
    worker = snapshot_worker()
    reader = worker.reader(context.get_remaining_time_in_millis() / 1000)

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        worker.work(message["runId"], message["jobId"], delivery, reader)

    return work_batch(event, context, queue("snapshot_queue_url"), work)
