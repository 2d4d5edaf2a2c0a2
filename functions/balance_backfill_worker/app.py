"""BalanceBackfillWorker: fetches the past balances that the exchange still has."""

from __future__ import annotations

from typing import Any

from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.snapshots import backfill_worker
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on each backfill, and return which messages failed."""

    def work(message: dict[str, Any], delivery: Delivery) -> None:
        backfill_worker().work(message["tradingAccountId"], delivery)

    return work_batch(event, context, queue("backfill_queue_url"), work)
