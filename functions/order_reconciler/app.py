"""OrderReconciler: reconciles manual orders that were interrupted or are unknown, and watches resting entries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from purser.bootstrap.orders import order_reconciler

WORKING_SHARE = 0.7
"""The share of the remaining time in which new intents begin. The rest lets the last one finish."""


def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile the intents that are due, and return how many are finished, resting and still unknown."""
    return asdict(order_reconciler().run(int(context.get_remaining_time_in_millis() * WORKING_SHARE)))
