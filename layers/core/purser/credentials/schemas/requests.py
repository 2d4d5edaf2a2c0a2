"""Request models of credentials."""

from __future__ import annotations

from pydantic import BaseModel, Field

from purser.credentials.model import CredentialType
from purser.credentials.schemas.fields import ApiKey, Nickname, Secret
from purser.exchanges.model import Venue
from purser.http.wire import Uuid


class KeyBody(BaseModel):
    """An API key with its secret. No supported venue has passphrases, so one is validated but not kept."""

    apiKey: ApiKey
    apiSecret: Secret
    apiPassphrase: Secret | None = None


AT_ONCE = 10
"""The number of credentials that a request may verify. Each takes several calls to its exchange."""


class CredentialBody(KeyBody):
    """The body of create."""

    venue: Venue
    credentialType: CredentialType
    nickname: Nickname | None = None


class Named(BaseModel):
    """The body of verify."""

    credentialIds: list[Uuid] = Field(min_length=1, max_length=AT_ONCE)


class Rotation(KeyBody):
    """The body of rotate."""

    credentialId: Uuid


class CredentialName(BaseModel):
    """The body of revoke."""

    credentialId: Uuid
