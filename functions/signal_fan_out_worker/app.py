"""SignalFanOutWorker: carries the signals of strategies to their followers."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.executions import fan_out_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Plan the jobs of each signal, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        fan_out_worker().work(message["strategyId"], message["signalId"], delivery=delivery)

    return work_batch(event, context, queue("signal_queue_url"), work)
