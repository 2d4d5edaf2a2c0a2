"""Items of trading accounts in the Keys table, which ``purser.keys_table`` shows."""

from __future__ import annotations

from decimal import Decimal

from purser.aws.integrity import identity
from purser.aws.tables import Item
from purser.correlation import KEY, correlation_id
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import BACKFILLS, account_sk, active_shard, disconnected_sk, user_pk, version_of
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus, StrategyType, TradingAccount, TradingLimits
from purser.work.model import FIRST_MESSAGE_MS

LIMITS = {"max_daily_loss_percent": "maxDailyLossPercent", "max_open_trades": "maxOpenTrades"}
"""The attributes of limits, by field. One that is not set is missing."""


def account_of(item: Item) -> TradingAccount:
    return TradingAccount(
        id=identity(item, "SK", "tradingAccountId"),
        user_id=identity(item, "PK", "userId"),
        venue=Venue(item["venue"]),
        trade_type=TradeType(item["tradeType"]),
        strategy_type=StrategyType(item["strategyType"]),
        name=item["name"],
        active=item["active"],
        api_key_status=ApiKeyStatus(item["apiKeyStatus"]),
        api_key=item["apiKey"],
        credential_id=item["credentialId"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        valuation=_valuation_of(item),
        suspended=item.get("suspended", False),
        customer_id=item.get("customerId"),
        disconnected_at=int(item["disconnectedAt"]) if "disconnectedAt" in item else None,
        version=version_of(item),
        validations=int(item.get("validations", 0)),
        refused_at=int(item["refusedAt"]) if "refusedAt" in item else None,
        resumes=item.get("resumes", False),
        limits=_limits_of(item),
    )


def _limits_of(item: Item) -> TradingLimits:
    return TradingLimits(
        max_daily_loss_percent=Decimal(item["maxDailyLossPercent"]) if "maxDailyLossPercent" in item else None,
        max_open_trades=int(item["maxOpenTrades"]) if "maxOpenTrades" in item else None,
    )


def _valuation_of(item: Item) -> AccountValuation | None:
    if "readingUsd" not in item:
        return None
    return AccountValuation(Decimal(item["readingUsd"]), int(item["readingAt"]))


def account_item(account: TradingAccount) -> Item:
    return {
        "PK": user_pk(account.user_id),
        "SK": account_sk(account.id),
        "tradingAccountId": account.id,
        "userId": account.user_id,
        "venue": account.venue.value,
        "tradeType": account.trade_type.value,
        "strategyType": account.strategy_type.value,
        "name": account.name,
        "active": account.active,
        "activeShard": active_shard(account.id) if account.active else None,
        "apiKeyStatus": account.api_key_status.value,
        "apiKey": account.api_key,
        "credentialId": account.credential_id,
        "createdAt": account.created_at,
        "updatedAt": account.updated_at,
        "readingUsd": account.valuation.total_usd if account.valuation else None,
        "readingAt": account.valuation.taken_at if account.valuation else None,
        "suspended": account.suspended or None,
        "customerId": account.customer_id,
        "version": account.version,
        "refusedAt": account.refused_at,
        "resumes": account.resumes or None,
        **{attribute: getattr(account.limits, name) for name, attribute in LIMITS.items()},
    }


def disconnected_item(item: Item, now: int) -> Item:
    """Return a trading account's item as history, with all that other packages have put there."""
    return item | {
        "SK": disconnected_sk(item["tradingAccountId"]),
        "active": False,
        "activeShard": None,
        "suspended": None,
        "refusedAt": None,
        "resumes": None,
        "disconnectedAt": now,
        "updatedAt": now,
    }


def backfill_item(user_id: str, trading_account_id: str, requested_at: int) -> Item:
    """Return a backfill as an item, requested at this time (Unix ms). It is due when its first message may be lost."""
    return {
        "PK": BACKFILLS,
        "SK": trading_account_id,
        "userId": user_id,
        "requestedAt": requested_at,
        "dueAt": requested_at + FIRST_MESSAGE_MS,
        "version": requested_at,
        KEY: correlation_id(),
    }
