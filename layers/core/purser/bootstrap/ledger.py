"""Wallets and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import audit, has_user, recording, table, while_active
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

    return Wallets(DynamoWalletStore(table("wallets_table"), recording, while_active), audit(), now_ms, has_user)


@kept
def ledger() -> Ledger:
    """The use cases of the ledger."""
    from purser.ledger.service import Ledger
    from purser.ledger.store.books import DynamoBooks
    from purser.ledger.store.wallet_store import DynamoWalletStore

    wallets_table = table("wallets_table")
    books = DynamoBooks(wallets_table, recording, while_active)
    return Ledger(wallets(), DynamoWalletStore(wallets_table, recording), books, now_ms)
