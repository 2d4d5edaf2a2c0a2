"""How trading accounts lie in the Keys table.

    PK                         SK                what
    USER#<user>                USER              version of the user's set of connected accounts
    USER#<user>                KEY#<id>          a connected trading account
    USER#<user>                CREDENTIAL#<id>   its credential; the secret is a ciphertext
    USER#<user>                ENDED#<id>        a disconnected trading account: history, no credential
    USER#<user>                FOLLOW#<id>#…     what a connected trading account follows (purser.follows)
    CUSTOMER#<id>              TIES              the connected trading accounts that belong to a customer
    OPERATIONS#<of>            <ms>#<id>         an operation, under all that it is asked for by: a user, an account,
                                                 each of the two with its type; so every list is one query
    APIKEY#<venue>#<digest>    CLAIM             whose the API key is, and which account has it for each trade type
    APIKEY#<venue>#<digest>    CANCELLING#<type> the disconnected account whose open orders are still to be cancelled
    CANCELLATIONS              <account id>      that cancellation
    BACKFILLS                  <account id>      past days of a connected account are to be fetched (purser.snapshots)

A credential carries ``accountIds``, the connected accounts that use it; revoked it stays, without its ciphertext. An
account and a credential carry a ``version``, which counts their changes; those of before it was kept have none. An
active account carries ``activeShard``: the sparse index ``ActiveIndex`` holds nothing else. One that the plan took
away carries ``suspended``; whatever its user or the exchange makes of it afterwards ends that. While a cancellation is
attempted it carries ``heldUntil`` (Unix ms).
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

from purser.actor import Actor
from purser.aws.shards import shard_of
from purser.aws.tables import Item
from purser.exchanges.model import TradeType, Venue
from purser.trading_accounts.model import (
    AccountValuation,
    ApiKeyStatus,
    Credential,
    CredentialStatus,
    CredentialType,
    SealedCredential,
    StrategyType,
    TradingAccount,
)
from purser.trading_accounts.operations import Operation, OperationStatus, OperationType

LINKS = "TIES"
ACTIVE_SHARDS = 16
"""Over how many partitions the index of active trading accounts is spread."""

CANCELLATIONS = "CANCELLATIONS"
"""Partition key of all waiting cancellations."""

BACKFILLS = "BACKFILLS"
"""Partition key of all waiting backfills."""


def user_pk(user_id: str) -> str:
    """Partition key of everything of a user."""
    return f"USER#{user_id}"


def account_sk(trading_account_id: str) -> str:
    """Sort key of a connected trading account."""
    return f"KEY#{trading_account_id}"


def credential_sk(credential_id: str) -> str:
    """Sort key of a credential."""
    return f"CREDENTIAL#{credential_id}"


def follows_sk(trading_account_id: str) -> str:
    """What the sort keys of all follows of a trading account begin with."""
    return f"FOLLOW#{trading_account_id}#"


def claim_pk(venue: Venue, api_key: str) -> str:
    """Partition key of the claim on an API key."""
    return f"APIKEY#{venue.value}#{hashlib.sha256(api_key.encode()).hexdigest()}"


def cancelling_sk(trade_type: TradeType) -> str:
    """Sort key of what an API key waits for before it is connected anew for a trade type."""
    return f"CANCELLING#{trade_type.value}"


def disconnected_sk(trading_account_id: str) -> str:
    """Sort key of a disconnected trading account."""
    return f"ENDED#{trading_account_id}"


def customer_pk(customer_id: str) -> str:
    """Partition key of what belongs to a customer."""
    return f"CUSTOMER#{customer_id}"


def operations_pk(of: str, kind: OperationType | None = None) -> str:
    """Partition key of the operations of a user or a trading account; of one type where it is given."""
    return f"OPERATIONS#{of}#{kind.value}" if kind else f"OPERATIONS#{of}"


def operation_keys(operation: Operation) -> list[tuple[str, str]]:
    """The keys of every item of an operation."""
    sk = f"{operation.created_at:013d}#{operation.id}"
    return [
        (operations_pk(of, kind), sk)
        for of in (operation.user_id, operation.trading_account_id)
        for kind in (None, operation.type)
    ]


def version_of(item: Item) -> int:
    """Return an item's version; items that were written before they had one are at version 0."""
    return int(item.get("version", 0))


def active_shard(trading_account_id: str) -> str:
    """Return the partition of the active index that a trading account belongs to."""
    return str(shard_of(trading_account_id, ACTIVE_SHARDS))


def account_of(item: Item) -> TradingAccount:
    """The trading account in an item."""
    return TradingAccount(
        id=item["tradingAccountId"],
        user_id=item["userId"],
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
    )


def _valuation_of(item: Item) -> AccountValuation | None:
    if "readingUsd" not in item:
        return None
    return AccountValuation(Decimal(item["readingUsd"]), int(item["readingAt"]))


def credential_of(item: Item | None) -> SealedCredential | None:
    """The credential in an item with its secret; None without an item, or without a secret, when it was revoked."""
    return sealed_of(item) if item and "ciphertext" in item else None


def sealed_of(item: Item) -> SealedCredential:
    """The secret of a credential that is not revoked."""
    return SealedCredential(
        id=item["credentialId"],
        user_id=item["userId"],
        venue=Venue(item["venue"]),
        api_key=item["apiKey"],
        ciphertext=item["ciphertext"],
        created_at=int(item["createdAt"]),
        version=version_of(item),
    )


def described(item: Item) -> Credential:
    """What is told of the credential in an item."""
    created_at = int(item["createdAt"])
    return Credential(
        id=item["credentialId"],
        user_id=item["userId"],
        venue=Venue(item["venue"]),
        type=CredentialType(item.get("credentialType", CredentialType.API_KEY)),
        nickname=item.get("nickname", ""),
        status=CredentialStatus(item.get("status", CredentialStatus.ACTIVE)),
        api_key=item["apiKey"],
        account_ids=frozenset(item.get("accountIds", ())),
        created_at=created_at,
        updated_at=int(item.get("updatedAt", created_at)),
        revoked_at=int(item["revokedAt"]) if "revokedAt" in item else None,
        version=version_of(item),
    )


def credential_item(credential: Credential, sealed: SealedCredential) -> Item:
    """A credential as an item."""
    return {
        "PK": user_pk(credential.user_id),
        "SK": credential_sk(credential.id),
        **credential_attributes(sealed),
        "credentialType": credential.type.value,
        "nickname": credential.nickname,
        "status": credential.status.value,
        "accountIds": set(credential.account_ids) or None,
        "updatedAt": credential.updated_at,
    }


def account_item(account: TradingAccount) -> Item:
    """A connected trading account as an item."""
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
    }


def disconnected_item(item: Item, now: int) -> Item:
    """A trading account's item as history, with all that other packages have put there."""
    return item | {
        "SK": disconnected_sk(item["tradingAccountId"]),
        "active": False,
        "activeShard": None,
        "suspended": None,
        "disconnectedAt": now,
        "updatedAt": now,
    }


def credential_attributes(credential: SealedCredential) -> Item:
    """A credential as attributes of an item."""
    return {
        "credentialId": credential.id,
        "userId": credential.user_id,
        "venue": credential.venue.value,
        "apiKey": credential.api_key,
        "ciphertext": credential.ciphertext,
        "createdAt": credential.created_at,
        "version": credential.version,
    }


def operation_attributes(operation: Operation) -> Item:
    """An operation as attributes of an item. Not ``tradingAccountId``: an index finds accounts by that."""
    attributes = {
        "operationId": operation.id,
        "userId": operation.user_id,
        "accountId": operation.trading_account_id,
        "operationType": operation.type.value,
        "status": operation.status.value,
        "actorId": operation.actor.user_id,
        "requestId": operation.actor.request_id,
        "createdAt": operation.created_at,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def operation_of(item: Item) -> Operation:
    """The operation in an item."""
    return Operation(
        id=item["operationId"],
        user_id=item["userId"],
        trading_account_id=item["accountId"],
        type=OperationType(item["operationType"]),
        status=OperationStatus(item["status"]),
        actor=Actor(item["actorId"], request_id=item.get("requestId")),
        created_at=int(item["createdAt"]),
    )


def backfill_item(user_id: str, trading_account_id: str, requested_at: int, due_at: int) -> Item:
    """A waiting backfill as an item. Times are Unix ms."""
    return {
        "PK": BACKFILLS,
        "SK": trading_account_id,
        "userId": user_id,
        "requestedAt": requested_at,
        "dueAt": due_at,
        "version": requested_at,
    }
