"""The books of strategies' trades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, queue, table
from purser.bootstrap.exchanges import egress_lanes, order_desk
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.books.store import DynamoResultStore
    from purser.orders.ended import EndedTrade
    from purser.work.store import DynamoWorkStore
    from purser.work.sweeper import Sweeper
    from purser.work.telemetry import PowertoolsWorkTelemetry
    from purser.work.worker import Worker

SWEEP_LIMIT = 2000
"""The ended trades that one sweep enqueues at most."""

INTERVAL_MS = 350
"""The time between two books in one lane, whose weight for work that can wait pays for three a second."""


@kept
def results() -> DynamoResultStore:
    """The results of trades."""
    from purser.books.store import DynamoResultStore

    return DynamoResultStore(table("orders_table"))


@kept
def booking_worker() -> Worker[EndedTrade]:
    """The worker that closes the books of ended trades."""
    from purser.books.service import LEASE_MS, Books
    from purser.orders.store import DynamoIntentStore
    from purser.work.worker import Worker

    books = Books(DynamoIntentStore(table("orders_table")), results(), account_access(), order_desk(), now_ms)
    return Worker(
        _ended_trades(),
        books.close,
        _telemetry(),
        now_ms,
        lease_ms=LEASE_MS,
        max_attempts=settings().booking_max_receives,
    )


@kept
def ended_trade_sweeper() -> Sweeper[EndedTrade]:
    """The sweeper that queues ended trades, for the first time and again."""
    from purser.books.service import RESEND_AFTER_MS
    from purser.work.sweeper import Sweeper

    return Sweeper(
        _ended_trades(),
        queue("booking_queue_url"),
        _telemetry(),
        now_ms,
        resend_after_ms=RESEND_AFTER_MS,
        limit=SWEEP_LIMIT,
        interval_ms=INTERVAL_MS // len(egress_lanes()),
    )


@kept
def _ended_trades() -> DynamoWorkStore[EndedTrade]:
    from purser.orders.store import ENDED_TRADES
    from purser.work.store import DynamoWorkStore

    return DynamoWorkStore(table("orders_table"), ENDED_TRADES)


@kept
def _telemetry() -> PowertoolsWorkTelemetry:
    from purser.work.telemetry import PowertoolsWorkTelemetry

    return PowertoolsWorkTelemetry(settings().powertools_metrics_namespace)
