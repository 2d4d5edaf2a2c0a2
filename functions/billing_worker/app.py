"""BillingWorker: makes what a Stripe customer has here what it is at Stripe."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.billing import synchronization


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Takes over the state of each customer; answers which messages are to be delivered again."""

    def work(message: dict[str, Any], _attempt: int) -> None:
        synchronization().sync(message["customerId"], suspected=message["type"] == "reconciliation")

    return work_batch(event, queue("billing_queue_url"), work)
