"""Credentials, with and without their encrypted secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from purser.exchanges.model import ApiCredential, Venue


class CredentialType(StrEnum):
    """The type of a credential. Both types are an API key with an HMAC secret."""

    API_KEY = "API_KEY"
    HMAC = "HMAC"


class CredentialStatus(StrEnum):
    """CREATED: no trading account uses it. EXPIRED: the exchange refuses it for every account that uses it."""

    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential without its secret. ``account_ids`` are the accounts that use it. ``version`` counts its changes."""

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
    """A credential with its encrypted secret.

    ``version`` counts changes from the time of creation (Unix ms), so that a credential that is created again under the
    same id repeats no version.
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
        """The KMS encryption context."""
        return sealing_context(self.user_id, self.id)


class StaleCredential(Exception):
    """The credential, or the accounts that use it, have changed since it was read."""


def sealing_context(user_id: str, key_id: str) -> dict[str, str]:
    """Return the KMS encryption context of a credential (contract.md, "Create key")."""
    return {"userId": user_id, "keyId": key_id}


def opened(credential: SealedCredential, secret: str, trading_account_id: str) -> ApiCredential:
    """Return a credential with its decrypted secret, for requests of a trading account, or of none (an empty id)."""
    return ApiCredential(credential.api_key, secret, credential.user_id, trading_account_id)
