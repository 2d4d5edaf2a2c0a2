"""OrderCancellationWorker: cancels open orders of disconnected accounts that could not be cancelled at once."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.trading_accounts import cancellations
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resume each cancellation, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        cancellations().resume(message["tradingAccountId"], delivery)

    return work_batch(event, context, queue("cancellation_queue_url"), work)
