"""ExecutionWorker: executes the signals of strategies for followers, and closes trades whose follow has stopped."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.executions import closing_worker, execution_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on each job or closing, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        if "tradeId" in message:
            closing_worker().work(message["tradingAccountId"], message["tradeId"], delivery=delivery)
            return
        execution_worker().work(message["signalId"], message["jobId"], delivery=delivery)

    return work_batch(event, context, queue("execution_queue_url"), work)
