"""BookingWorker: closes the books of strategies' trades that have ended."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.books import booking_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Close the books of each ended trade, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        booking_worker().work(message["tradingAccountId"], message["intentId"], delivery=delivery)

    return work_batch(event, context, queue("booking_queue_url"), work)
