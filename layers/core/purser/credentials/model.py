"""Credentials, open and sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from purser.exchanges.model import ApiCredential, Venue


class CredentialType(StrEnum):
    """What a credential signs with: both are an API key with an HMAC secret."""

    API_KEY = "API_KEY"
    HMAC = "HMAC"


class CredentialStatus(StrEnum):
    """CREATED: no trading account uses it. EXPIRED: the exchange refused it, for every account that uses it."""

    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential without its secret; ``account_ids`` are the accounts that use it, ``version`` counts its changes."""

    id: str
    user_id: str
    venue: Venue
    type: CredentialType
    nickname: str
    status: CredentialStatus
    api_key: str
    account_ids: frozenset[str]
    created_at: int
    updated_at: int
    revoked_at: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A credential at rest: the secret is a ciphertext that only its own context opens.

    Each change makes a new ``version``. Versions start at the time of creation, so that one that is created anew under
    the id of one that is gone repeats none of its versions.
    """

    id: str
    user_id: str
    venue: Venue
    api_key: str
    ciphertext: bytes = field(repr=False)
    created_at: int
    version: int = 1

    @property
    def context(self) -> dict[str, str]:
        """KMS encryption context: whose credential it is, and which."""
        return sealing_context(self.user_id, self.id)


class StaleCredential(Exception):
    """The credential, or who uses it, has changed since it was read."""


def sealing_context(user_id: str, key_id: str) -> dict[str, str]:
    """The KMS encryption context of a credential: the user and key ids (contract.md, "Create key")."""
    return {"userId": user_id, "keyId": key_id}


def opened(credential: SealedCredential, secret: str) -> ApiCredential:
    """The credential as the exchange gateway takes it."""
    return ApiCredential(credential.api_key, secret)
