"""BookingSweeper: enqueues strategies' trades that have ended, so that their books are closed."""

from __future__ import annotations

from typing import Any

from purser.bootstrap.books import ended_trade_sweeper
from purser.clock import now_ms

WORKING_SHARE = 0.8
"""The share of an invocation in which items are enqueued. The rest is for calls that have begun."""


def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Enqueue the trades that have ended or whose messages were lost, and return how many."""
    until = now_ms() + int(context.get_remaining_time_in_millis() * WORKING_SHARE)
    return {"queued": ended_trade_sweeper().sweep(until=until)}
