"""Wallets and the books on DynamoDB; ``items`` shows the table."""

from purser.ledger.store.books import DynamoBooks
from purser.ledger.store.wallet_store import DynamoWalletStore

__all__ = ["DynamoBooks", "DynamoWalletStore"]
