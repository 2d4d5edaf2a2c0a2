"""OrderReconciler: settles manual orders that were cut or are unknown, and looks after entries that rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from purser.bootstrap.orders import order_reconciler

WORKING_SHARE = 0.7
"""Of the time there is: an intent that is begun is brought to its end."""


def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Runs. Answers how many intents are settled, rest still, and are unknown still."""
    return asdict(order_reconciler().run(int(context.get_remaining_time_in_millis() * WORKING_SHARE)))
