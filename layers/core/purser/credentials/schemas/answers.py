"""Answer models of credentials, by contract.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from purser.credentials.model import CredentialStatus, CredentialType
from purser.exchanges.model import Venue
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
