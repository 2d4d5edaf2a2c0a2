"""The whole table. Importing a module of rows adds its group of endpoints."""

from __future__ import annotations

from tests.e2e.contract import account, exchange, payment, public, strategy
from tests.e2e.contract.rows import ROWS

__all__ = ["ROWS", "account", "exchange", "payment", "public", "strategy"]
