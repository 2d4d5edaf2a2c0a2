"""ExecutionWorker: executes the signals of strategies for their followers."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.executions import execution_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Execute each job, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        execution_worker().work(message["signalId"], message["jobId"], delivery=delivery)

    return work_batch(event, context, queue("execution_queue_url"), work)
