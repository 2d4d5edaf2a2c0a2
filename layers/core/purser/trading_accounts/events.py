"""Events of trading accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from purser.trading_accounts.model import AccountStatus, TradingAccount

STATUS_CHANGES = {
    AccountStatus.ACTIVE: "enabled",
    AccountStatus.INACTIVE: "disabled",
    AccountStatus.UNAVAILABLE: "unavailable",
}
TYPES = (
    "trading_account.connected",
    "trading_account.renamed",
    *(f"trading_account.{change}" for change in STATUS_CHANGES.values()),
    "trading_account.disconnected",
)


def changed(before: TradingAccount | None, after: TradingAccount | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a connected account's change. Its removal is the event ``trading_account.disconnected``."""
    if after is None:
        if before is not None:
            yield "trading_account.disconnected", _ids(before)
        return
    data = {
        **_ids(after),
        "accountType": after.account_type,
        "strategyType": after.strategy_type,
        "name": after.name,
        "status": after.status,
        "createdAt": after.created_at,
        "updatedAt": after.updated_at,
    }
    if before is None:
        yield "trading_account.connected", data
        return
    if before.name != after.name:
        yield "trading_account.renamed", data
    if before.status is not after.status:
        yield f"trading_account.{STATUS_CHANGES[after.status]}", data


def _ids(account: TradingAccount) -> dict[str, Any]:
    return {
        "tradingAccountId": account.id,
        "userId": account.user_id,
        "venue": account.venue,
        "credentialId": account.credential_id,
    }
