"""Sessions, and the challenges that may stand before one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


class ChallengeName(StrEnum):
    """What Purser can ask for after the password, by Cognito's names."""

    SOFTWARE_TOKEN_MFA = "SOFTWARE_TOKEN_MFA"  # noqa: S105 - a name
    NEW_PASSWORD_REQUIRED = "NEW_PASSWORD_REQUIRED"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """Who is signed in. ``id`` is the Cognito ``sub``; times are Unix milliseconds."""

    id: str
    email: str
    role: Role
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """What Cognito gives to somebody who proved who they are. ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    expires_in: int
    username: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Challenge:
    """Something else to prove first. ``session`` must come back with the answer."""

    name: ChallengeName
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the user pool knows of a user. Times are Unix milliseconds."""

    id: str
    email: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its tokens, when the access token expires (Unix ms), and whose it is."""

    tokens: Tokens
    expires_at: int
    user: SignedInUser
