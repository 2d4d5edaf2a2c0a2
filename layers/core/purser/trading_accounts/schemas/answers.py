"""What the desk API answers of trading accounts, credentials and operations: the names and types of contract.md.

Both generations of field names stand side by side. What does not apply to a thing is left out.
"""

from __future__ import annotations

from typing import Any, Literal

from purser.exchanges.model import TradeType, Venue
from purser.http.desk import Trouble, trouble
from purser.http.wire import UNKNOWN, Instant, WireModel
from purser.trading_accounts.credentials import Verified
from purser.trading_accounts.desk import DeskAccount
from purser.trading_accounts.model import AccountStatus, Credential, CredentialStatus, CredentialType
from purser.trading_accounts.operations import Operation, OperationStatus, OperationType

AccountType = Literal["SPOT", "MARGIN"]

ACCOUNT_TYPES: dict[TradeType, AccountType] = {TradeType.SPOT: "SPOT", TradeType.FUTURES: "MARGIN"}
"""What the desk calls what an account trades."""

TRADE_TYPES = {name: kind for kind, name in ACCOUNT_TYPES.items()}


class CredentialAnswer(WireModel):
    """A credential. It never has the secret."""

    credentialId: str
    userId: str
    venue: Venue
    credentialType: CredentialType
    nickname: str
    status: CredentialStatus
    createdAt: int
    createdAtDateTime: Instant
    updatedAt: int
    updatedAtDateTime: Instant
    revokedAt: int | None = UNKNOWN
    revokedAtDateTime: Instant | None = UNKNOWN


class VerifiedAnswer(CredentialAnswer):
    """A credential, and which accounts it reaches at the exchange."""

    accountTypes: list[AccountType]
    error: Trouble | None


class TradingAccountAnswer(WireModel):
    """A trading account. The venue has no id of its own that holds for all its account types: both ids are ours."""

    tradingAccountId: str
    externalTradingAccountId: str
    userId: str
    venue: Venue
    name: str
    nickname: str
    accountType: AccountType
    externalAccountType: TradeType
    status: AccountStatus
    credentials: list[CredentialAnswer]
    createdAt: int
    createdAtDateTime: Instant
    updatedAt: int
    updatedAtDateTime: Instant
    disconnectedAt: int | None = UNKNOWN
    disconnectedAtDateTime: Instant | None = UNKNOWN


class OperationAnswer(WireModel):
    """What was done to a trading account, by whom and in which request: a user's id, or ``system``."""

    operationId: str
    tradingAccountId: str
    userId: str
    operationType: OperationType
    status: OperationStatus
    actorId: str
    requestId: str | None
    createdAt: int
    createdAtDateTime: Instant


def credential_answer(credential: Credential) -> CredentialAnswer:
    """A credential on the wire."""
    return CredentialAnswer(**_credential(credential))


def verified_answer(verified: Verified) -> VerifiedAnswer:
    """What verifying a credential came to, on the wire."""
    reaches = [ACCOUNT_TYPES[kind] for kind in verified.reaches]
    error = trouble(verified.error) if verified.error else None
    return VerifiedAnswer(**_credential(verified.credential), accountTypes=reaches, error=error)


def _credential(credential: Credential) -> dict[str, Any]:
    return {
        "credentialId": credential.id,
        "userId": credential.user_id,
        "venue": credential.venue,
        "credentialType": credential.type,
        "nickname": credential.nickname,
        "status": credential.status,
        "createdAt": credential.created_at,
        "createdAtDateTime": credential.created_at,
        "updatedAt": credential.updated_at,
        "updatedAtDateTime": credential.updated_at,
        "revokedAt": credential.revoked_at,
        "revokedAtDateTime": credential.revoked_at,
    }


def trading_account_answer(shown: DeskAccount) -> TradingAccountAnswer:
    """A trading account on the wire."""
    account = shown.account
    return TradingAccountAnswer(
        tradingAccountId=account.id,
        externalTradingAccountId=account.id,
        userId=account.user_id,
        venue=account.venue,
        name=account.name,
        nickname=account.name,
        accountType=ACCOUNT_TYPES[account.trade_type],
        externalAccountType=account.trade_type,
        status=account.status,
        credentials=[credential_answer(credential) for credential in shown.credentials],
        createdAt=account.created_at,
        createdAtDateTime=account.created_at,
        updatedAt=account.updated_at,
        updatedAtDateTime=account.updated_at,
        disconnectedAt=account.disconnected_at,
        disconnectedAtDateTime=account.disconnected_at,
    )


def operation_answer(made: Operation) -> OperationAnswer:
    """An operation on the wire."""
    return OperationAnswer(
        operationId=made.id,
        tradingAccountId=made.trading_account_id,
        userId=made.user_id,
        operationType=made.type,
        status=made.status,
        actorId=made.author.id,
        requestId=made.author.request_id,
        createdAt=made.created_at,
        createdAtDateTime=made.created_at,
    )
