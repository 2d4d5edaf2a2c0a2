"""Answer models of credentials, by contract.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from purser.credentials.model import CredentialStatus, CredentialType
from purser.credentials.service import Verified
from purser.exchanges.model import ACCOUNT_TYPES, AccountType, Venue
from purser.http.desk import Trouble, trouble
from purser.http.wire import UNKNOWN, Instant, WireModel


class CredentialAnswer(WireModel):
    """A credential, never with its secret."""

    credentialId: str = Field(validation_alias="id")
    userId: str = Field(validation_alias="user_id")
    venue: Venue
    credentialType: CredentialType = Field(validation_alias="type")
    nickname: str
    status: CredentialStatus
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")
    updatedAt: int = Field(validation_alias="updated_at")
    updatedAtDateTime: Instant = Field(validation_alias="updated_at")
    revokedAt: Annotated[int | None, Field(validation_alias="revoked_at")] = UNKNOWN
    revokedAtDateTime: Annotated[Instant | None, Field(validation_alias="revoked_at")] = UNKNOWN


class VerifiedAnswer(CredentialAnswer):
    """A credential, and the account types that it can access at the exchange."""

    accountTypes: list[AccountType]
    error: Trouble | None


def verified_answer(verified: Verified) -> VerifiedAnswer:
    """Return a verified credential on the wire."""
    reaches = [ACCOUNT_TYPES[kind] for kind in verified.reaches]
    error = trouble(verified.error) if verified.error else None
    return VerifiedAnswer(
        **dict(CredentialAnswer.model_validate(verified.credential)), accountTypes=reaches, error=error
    )
