"""Events about customers, which they call accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TYPES = ("account.created", "account.updated", "account.disconnected")


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a customer's item."""
    if after is None:
        return
    data = {
        "accountID": after["PK"].partition("#")[2],
        "ownerId": after["ownerId"],
        "accountType": after["accountType"],
        "createdOn": int(after["createdAt"]),
        "updatedOn": int(after["updatedAt"]),
    }
    if before is None:
        yield "account.created", data
    elif "disconnectedAt" in after and "disconnectedAt" not in before:
        yield "account.disconnected", {**data, "disconnectedOn": int(after["disconnectedAt"])}
    elif before["version"] != after["version"]:
        yield "account.updated", data
