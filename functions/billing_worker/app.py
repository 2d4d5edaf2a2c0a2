"""BillingWorker: brings the record of a customer's subscription in line with Stripe."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.billing import synchronization
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile each customer, and return which messages failed."""

    def work(message: dict[str, Any], _delivery: Delivery) -> None:
        synchronization().sync(message["customerId"], suspected=message["type"] == "reconciliation")

    return work_batch(event, context, queue("billing_queue_url"), work)
