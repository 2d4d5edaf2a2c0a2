"""Versions of a user's set of connected trading accounts, and of each account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from purser.aws.tables import Part, Table
from purser.keys_table import account_sk, user_pk

VALIDATED = "validations = if_not_exists(validations, :zero) + :one"
"""Counts a validation in an update of ``changing``; ``:zero`` is 0."""


def next_version(table: Table, user_id: str, version: int | None) -> Part:
    """Return the transaction part that advances the version of a user's set, from ``version`` if given."""
    return table.updating(user_pk(user_id), "USER", "ADD version :one", {":one": 1}, at_version=version)


def changing(
    table: Table,
    user_id: str,
    trading_account_id: str,
    expression: str,
    values: Mapping[str, Any],
    *,
    condition: str = "attribute_exists(PK)",
    names: Mapping[str, str] | None = None,
    at_version: int | None = None,
) -> Part:
    """Return an update of a connected trading account, to its next version."""
    return table.updating(
        user_pk(user_id),
        account_sk(trading_account_id),
        f"{expression} ADD version :one",
        {**values, ":one": 1},
        condition=condition,
        names=names,
        at_version=at_version,
    )
