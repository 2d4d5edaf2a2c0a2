"""The whole table. A group of endpoints joins by importing the module of its rows."""

from __future__ import annotations

from tests.e2e.contract import account, exchange, public, strategy
from tests.e2e.contract.rows import ROWS

__all__ = ["AWAITED", "ROWS", "account", "exchange", "public", "strategy"]

AWAITED = frozenset(
    {
        "GET /v1/priv/account/subscription/stripe",
        "POST /v1/priv/account/subscription/stripe/checkout",
        "PUT /v1/priv/account/subscription/stripe",
        "GET /v1/priv/account/subscription/stripe/billing/history",
    }
)
"""Endpoints of the reference that are not there yet. One that is in the template may not be among them."""
