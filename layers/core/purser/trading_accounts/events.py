"""Events of trading accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from purser.exchanges.model import ACCOUNT_TYPES, TradeType
from purser.trading_accounts.model import AccountStatus, ApiKeyStatus, status_of

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


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a connected account's item. Its removal is the event ``trading_account.disconnected``."""
    if after is None:
        if before is not None:
            yield "trading_account.disconnected", _ids(before)
        return
    status = _status(after)
    data = {
        **_ids(after),
        "accountType": ACCOUNT_TYPES[TradeType(after["tradeType"])],
        "strategyType": after["strategyType"],
        "name": after["name"],
        "status": status,
        "createdAt": int(after["createdAt"]),
        "updatedAt": int(after["updatedAt"]),
    }
    if before is None:
        yield "trading_account.connected", data
        return
    if before["name"] != after["name"]:
        yield "trading_account.renamed", data
    if _status(before) is not status:
        yield f"trading_account.{STATUS_CHANGES[status]}", data


def _ids(item: Mapping[str, Any]) -> dict[str, Any]:
    user_id, account_id = (item[key].partition("#")[2] for key in ("PK", "SK"))
    ids = {"tradingAccountId": account_id, "userId": user_id}
    return ids | {name: item[name] for name in ("venue", "credentialId")}


def _status(item: Mapping[str, Any]) -> AccountStatus:
    return status_of("disconnectedAt" in item, ApiKeyStatus(item["apiKeyStatus"]), item["active"])
