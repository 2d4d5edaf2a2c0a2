"""The version of a user's set of connected trading accounts, on DynamoDB."""

from __future__ import annotations

from typing import Any

from purser.aws.tables import Table
from purser.trading_accounts.store.items import user_pk


def next_version(table: Table, user_id: str, version: int | None) -> dict[str, Any]:
    """A part of a transaction that moves the version of a user's set on, from ``version`` where one is given."""
    values: dict[str, Any] = {":one": 1, ":zero": 0}
    condition = None
    if version is not None:
        values[":version"] = version
        condition = "version = :version" if version else "attribute_not_exists(version)"
        if not version:
            del values[":version"]
    expression = "SET version = if_not_exists(version, :zero) + :one"
    return table.updating(user_pk(user_id), "USER", expression, values, condition=condition)
