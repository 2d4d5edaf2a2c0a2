"""Answers of the desk API with trading accounts and operations, in the names and types of contract.md.

Both generations of field names stand side by side. Fields that do not apply are left out.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasPath, Field

from purser.credentials.schemas.answers import CredentialAnswer
from purser.exchanges.model import AccountType, TradeType, Venue
from purser.http.wire import UNKNOWN, Instant, WireModel
from purser.operations.model import OperationStatus, OperationType
from purser.trading_accounts.model import AccountStatus


def _account(name: str) -> Any:
    return Field(validation_alias=AliasPath("account", name))


class TradingAccountAnswer(WireModel):
    """A trading account. Of a user's accounts at a venue, the external id names the one that a credential reaches."""

    tradingAccountId: str = _account("id")
    externalTradingAccountId: TradeType = _account("trade_type")
    userId: str = _account("user_id")
    venue: Venue = _account("venue")
    name: str = _account("name")
    nickname: str = _account("name")
    accountType: AccountType = _account("account_type")
    externalAccountType: TradeType = _account("trade_type")
    status: AccountStatus = _account("status")
    credentials: list[CredentialAnswer]
    createdAt: int = _account("created_at")
    createdAtDateTime: Instant = _account("created_at")
    updatedAt: int = _account("updated_at")
    updatedAtDateTime: Instant = _account("updated_at")
    disconnectedAt: Annotated[int | None, _account("disconnected_at")] = UNKNOWN
    disconnectedAtDateTime: Annotated[Instant | None, _account("disconnected_at")] = UNKNOWN


class OperationAnswer(WireModel):
    """An operation, with its actor (a user's id, or ``system``) and request."""

    operationId: str = Field(validation_alias="id")
    tradingAccountId: str = Field(validation_alias="trading_account_id")
    userId: str = Field(validation_alias="user_id")
    operationType: OperationType = Field(validation_alias="type")
    status: OperationStatus
    actorId: str = Field(validation_alias=AliasPath("actor", "user_id"))
    requestId: str | None = Field(validation_alias=AliasPath("actor", "request_id"))
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")
