"""Events of wallets and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from purser.ledger.model import Transaction, Wallet, WalletStatus

STATUS_CHANGES = {WalletStatus.ACTIVE: "unfrozen", WalletStatus.FROZEN: "frozen", WalletStatus.CLOSED: "closed"}
WALLET_TYPES = ("wallet.created", *(f"wallet.{change}" for change in STATUS_CHANGES.values()))
TRANSACTION_TYPES = ("transaction.recorded",)


def wallet_changed(before: Wallet | None, after: Wallet | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the event of a wallet's change of state. The expiry of a closed wallet is no event."""
    if after is None or (before and before.status is after.status):
        return
    kind = f"wallet.{STATUS_CHANGES[after.status]}" if before else "wallet.created"
    yield (
        kind,
        {
            "walletId": after.id,
            "userId": after.owner_id,
            "walletType": after.type,
            "status": after.status,
            "allowNegative": after.allow_negative,
            "accountID": after.account_id,
            "createdAt": after.created_at,
            "updatedAt": after.updated_at,
        },
    )


def transaction_changed(before: Transaction | None, after: Transaction | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the event of a new transaction. Transactions never change."""
    if before is not None or after is None:
        return
    postings = [{"walletId": p.wallet_id, "asset": p.asset, "amount": f"{p.amount:f}"} for p in after.postings]
    yield (
        "transaction.recorded",
        {
            "transactionId": after.id,
            "type": after.type,
            "postings": postings,
            "reverses": after.reverses,
            "createdAt": after.created_at,
        },
    )
