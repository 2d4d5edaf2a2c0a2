"""OrderReconciler: reconciles manual orders that were interrupted or are unknown, and watches resting entries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from purser.bootstrap.orders import order_reconciler


def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile the intents that are due, and return how many are finished, resting and still unknown."""
    return asdict(order_reconciler().run(context.get_remaining_time_in_millis()))
