"""Request and answer models of signing in and out."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AliasPath, BaseModel, Field, SecretStr
from pydantic_core import PydanticCustomError

from purser.http.desk import Envelope
from purser.http.wire import Instant, Shown, WireModel
from purser.sessions.model import Challenge, ChallengeName, Role, Session

TOKEN_LENGTH = 8192


def _email(value: str) -> str:
    name, at, domain = value.rpartition("@")
    if not (name and at and domain) or len(value) > 254 or not value.isprintable() or " " in value:
        raise PydanticCustomError("rule_email", "must be valid email")
    return value


def _seconds(milliseconds: int) -> int:
    return milliseconds // 1000


Password = Annotated[SecretStr, Field(min_length=1, max_length=256)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=TOKEN_LENGTH)]


class Login(BaseModel):
    """The body of login."""

    email: Annotated[str, AfterValidator(_email), Shown(lambda: {"format": "email", "maxLength": 254})]
    password: Password


class ChallengeAnswer(BaseModel):
    """The body of challenge: what login answered, with the code of the authenticator app, or the new password."""

    challengeName: ChallengeName
    session: Token
    answer: Password


class Refresh(BaseModel):
    """The body of refresh."""

    refreshToken: Token


class UserAnswer(WireModel):
    """The signed-in user. Unlike elsewhere on the desk API, published clients read times as ISO 8601."""

    id: str
    email: str
    role: Role
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class SessionAnswer(WireModel):
    """A session. ``expiresIn`` is in seconds, and published clients read ``expiresAt`` as Unix seconds."""

    accessToken: str = Field(validation_alias=AliasPath("tokens", "access_token"))
    refreshToken: str = Field(validation_alias=AliasPath("tokens", "refresh_token"))
    tokenType: str = Field(validation_alias=AliasPath("tokens", "token_type"))
    expiresIn: int = Field(validation_alias=AliasPath("tokens", "expires_in"))
    expiresAt: Annotated[int, AfterValidator(_seconds)] = Field(validation_alias="expires_at")
    expiresAtDateTime: Instant = Field(validation_alias="expires_at")
    user: UserAnswer


class ChallengeRequired(WireModel):
    """The proof that is needed before there is a session. ``session`` must be returned with the answer."""

    challengeName: ChallengeName = Field(validation_alias="name")
    session: str


def sign_in_answer(outcome: Session | Challenge) -> Envelope[SessionAnswer | ChallengeRequired]:
    """Return a session or a challenge on the wire."""
    answer = ChallengeRequired if isinstance(outcome, Challenge) else SessionAnswer
    return Envelope(data=answer.model_validate(outcome))
