"""BillingReconciler: compares all subscriptions with Stripe, and sweeps those that are due."""

from __future__ import annotations

from typing import Any

from purser.bootstrap.billing import reconciliation
from purser.clock import now_ms

WORKING_SHARE = 0.8
"""The share of the remaining time in which new steps begin. The rest lets the last step finish."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Compare all subscriptions with Stripe, or with ``detail.only`` "due" just sweep; return the number queued."""
    ends_at = now_ms() + int(context.get_remaining_time_in_millis() * WORKING_SHARE)
    detail = event.get("detail")
    only_due = isinstance(detail, dict) and detail.get("only") == "due"
    queued = reconciliation().look_after(ends_at) if only_due else reconciliation().compare_all(ends_at)
    return {"queued": queued}
