"""A function that answers at once. It shows what the gateway and the runtime cost by themselves."""

from __future__ import annotations

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return an empty object."""
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}
