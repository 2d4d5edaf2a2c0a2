"""Events about customers, which they call accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from purser.customers.model import Customer

TYPES = ("account.created", "account.updated", "account.disconnected")


def changed(before: Customer | None, after: Customer | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the events of a change."""
    if after is None:
        return
    data = {
        "accountID": after.id,
        "ownerId": after.owner_id,
        "accountType": after.account_type,
        "createdOn": after.created_at,
        "updatedOn": after.updated_at,
    }
    if before is None:
        yield "account.created", data
    elif after.disconnected_at is not None and before.disconnected_at is None:
        yield "account.disconnected", {**data, "disconnectedOn": after.disconnected_at}
    elif before.version != after.version:
        yield "account.updated", data
