"""OrderReconciler: reconciles manual orders that were interrupted or are unknown, and watches resting entries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from purser.bootstrap.orders import order_reconciler


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile the intents that are due, and return how many are finished, resting and still unknown.

    A run of the schedule calls the next one, which begins half a minute later with a message of its queue.
    """
    reconciler = order_reconciler()
    if "Records" not in event:
        reconciler.call_next_run()
    return asdict(reconciler.run(context.get_remaining_time_in_millis()))
