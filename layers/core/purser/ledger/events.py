"""Events of wallets and transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from purser.ledger.model import WalletStatus, created_at

STATUS_CHANGES = {WalletStatus.ACTIVE: "unfrozen", WalletStatus.FROZEN: "frozen", WalletStatus.CLOSED: "closed"}
WALLET_TYPES = ("wallet.created", *(f"wallet.{change}" for change in STATUS_CHANGES.values()))
TRANSACTION_TYPES = ("transaction.recorded",)


def wallet_changed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the event of a wallet's change of state. The expiry of a closed wallet is no event."""
    if after is None or (before and before["status"] == after["status"]):
        return
    status = WalletStatus(after["status"])
    kind = f"wallet.{STATUS_CHANGES[status]}" if before else "wallet.created"
    yield (
        kind,
        {
            "walletId": after["PK"].partition("#")[2],
            "userId": after["ownerId"],
            "walletType": after["walletType"],
            "status": status,
            "allowNegative": after["allowNegative"],
            "accountID": after.get("accountId"),
            "createdAt": int(after["createdAt"]),
            "updatedAt": int(after["updatedAt"]),
        },
    )


def transaction_changed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the event of a new transaction. Transactions never change."""
    if before is not None or after is None:
        return
    postings = [
        {"walletId": p["walletId"], "asset": p["asset"], "amount": f"{Decimal(p['amount']):f}"}
        for p in after["postings"]
    ]
    yield (
        "transaction.recorded",
        {
            "transactionId": after["PK"].partition("#")[2],
            "type": after["transactionType"],
            "postings": postings,
            "reverses": after.get("reverses"),
            "createdAt": created_at(after["sequence"]),
        },
    )
