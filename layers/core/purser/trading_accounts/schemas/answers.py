"""What the desk API answers of trading accounts, credentials and operations: the names and types of contract.md.

Both generations of field names stand side by side. What does not apply to a thing is left out.
"""

from __future__ import annotations

from pydantic import AliasPath, Field

from purser.credentials.schemas.answers import CredentialAnswer
from purser.exchanges.model import ACCOUNT_TYPES, AccountType, TradeType, Venue
from purser.http.wire import UNKNOWN, Instant, WireModel
from purser.operations.model import OperationStatus, OperationType
from purser.trading_accounts.desk import DeskAccount
from purser.trading_accounts.model import AccountStatus


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

    operationId: str = Field(validation_alias="id")
    tradingAccountId: str = Field(validation_alias="trading_account_id")
    userId: str = Field(validation_alias="user_id")
    operationType: OperationType = Field(validation_alias="type")
    status: OperationStatus
    actorId: str = Field(validation_alias=AliasPath("actor", "user_id"))
    requestId: str | None = Field(validation_alias=AliasPath("actor", "request_id"))
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")


def trading_account_answer(desk_account: DeskAccount) -> TradingAccountAnswer:
    """A trading account on the wire."""
    account = desk_account.account
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
        credentials=[CredentialAnswer.model_validate(credential) for credential in desk_account.credentials],
        createdAt=account.created_at,
        createdAtDateTime=account.created_at,
        updatedAt=account.updated_at,
        updatedAtDateTime=account.updated_at,
        disconnectedAt=account.disconnected_at,
        disconnectedAtDateTime=account.disconnected_at,
    )
