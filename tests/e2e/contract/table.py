"""The whole table. A group of endpoints joins by importing the module of its rows."""

from __future__ import annotations

from tests.e2e.contract import account, exchange, payment, public, strategy
from tests.e2e.contract.rows import ROWS

__all__ = ["ROWS", "account", "exchange", "payment", "public", "strategy"]
