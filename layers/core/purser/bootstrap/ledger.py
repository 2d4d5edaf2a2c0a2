"""Wallets and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import has_account, table
from purser.clock import now_ms
from purser.process import kept

if TYPE_CHECKING:
    from purser.ledger.service import Ledger
    from purser.ledger.wallets import Wallets


@kept
def wallets() -> Wallets:
    """The use cases of wallets."""
    from purser.ledger.store.wallet_store import DynamoWalletStore
    from purser.ledger.wallets import Wallets

    return Wallets(DynamoWalletStore(table("wallets_table")), now_ms, has_account)


@kept
def ledger() -> Ledger:
    """The use cases of the ledger."""
    from purser.ledger.service import Ledger
    from purser.ledger.store.books import DynamoBooks
    from purser.ledger.store.wallet_store import DynamoWalletStore

    wallets_table = table("wallets_table")
    return Ledger(wallets(), DynamoWalletStore(wallets_table), DynamoBooks(wallets_table), now_ms)
