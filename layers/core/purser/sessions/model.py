"""Sessions, and the challenges that may precede one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

ADMIN_GROUP = "admin"
"""The group of administrators."""


class Role(StrEnum):
    """The role of a user."""

    USER = "user"
    ADMIN = "admin"


class ChallengeName(StrEnum):
    """The challenges after the password that Purser supports, by Cognito's names."""

    SOFTWARE_TOKEN_MFA = "SOFTWARE_TOKEN_MFA"  # noqa: S105 - a name
    NEW_PASSWORD_REQUIRED = "NEW_PASSWORD_REQUIRED"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """The user of a session. ``id`` is the Cognito ``sub``; times are Unix milliseconds."""

    id: str
    email: str
    role: Role
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Cognito's tokens for a user who has signed in. ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    expires_in: int
    username: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Challenge:
    """A further proof that Cognito demands. ``session`` must be returned with the answer."""

    name: ChallengeName
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """The tokens of a user, and when the access token expires (Unix ms)."""

    tokens: Tokens
    expires_at: int
    user: SignedInUser
