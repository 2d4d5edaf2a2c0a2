"""Session: signing in and out, who is signed in, and whether the service is well."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from pydantic_core import PydanticCustomError

from purser import __version__
from purser.bootstrap.health import health_checks
from purser.bootstrap.people import sessions
from purser.health.model import Status
from purser.http.app import entry_point
from purser.http.caller import AccessToken, SignedIn
from purser.http.desk import INTERNAL, Envelope, desk_app
from purser.http.wire import Instant, Shown, WireModel
from purser.sessions.model import Challenge, ChallengeName, Role, Session

app = desk_app()

TOKEN_LENGTH = 8192


def _email(value: str) -> str:
    name, at, domain = value.rpartition("@")
    if not (name and at and domain) or len(value) > 254 or not value.isprintable() or " " in value:
        raise PydanticCustomError("rule_email", "must be valid email")
    return value


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
    """Who is signed in."""

    id: str
    email: str
    role: Role
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")
    updatedAt: int = Field(validation_alias="updated_at")
    updatedAtDateTime: Instant = Field(validation_alias="updated_at")


class SessionAnswer(WireModel):
    """A session. ``expiresIn`` is in seconds."""

    accessToken: str
    refreshToken: str
    tokenType: str
    expiresIn: int
    expiresAt: int
    expiresAtDateTime: Instant
    user: UserAnswer


class ChallengeRequired(WireModel):
    """What is to be proved before there is a session. ``session`` goes back with the answer."""

    challengeName: ChallengeName
    session: str


class About(WireModel):
    """What answers here."""

    name: str = "Purser"
    version: str = __version__


class CheckAnswer(WireModel):
    """How a dependency is."""

    status: Status


class HealthAnswer(WireModel):
    """How the service is."""

    status: Status
    checks: dict[str, CheckAnswer]


class HealthEnvelope(WireModel):
    """The envelope of health: it tells how the service is in a refusal too."""

    data: HealthAnswer
    success: bool
    errno: int
    error: str | None


@app.get("/api/v3")
def about() -> Envelope[About]:
    """Name and version."""
    return Envelope(data=About())


@app.get("/api/v3/health")
def health() -> Response[HealthEnvelope]:
    """How the service is: 503 when it is unhealthy."""
    found = health_checks().health()
    checks = {name: CheckAnswer(status=status) for name, status in found.checks.items()}
    works = found.status is not Status.UNHEALTHY
    told = HealthEnvelope(
        data=HealthAnswer(status=found.status, checks=checks),
        success=works,
        errno=0 if works else INTERNAL,
        error=None if works else "a vital dependency is down",
    )
    return Response(status_code=200 if works else 503, content_type="application/json", body=told)


@app.post("/api/v3/auth/login")
def login(body: Login) -> Envelope[SessionAnswer | ChallengeRequired]:
    """A session for an email and a password, or the challenge that stands before it."""
    return _answer(sessions().sign_in(body.email, body.password.get_secret_value()))


@app.post("/api/v3/auth/challenge")
def challenge(body: ChallengeAnswer) -> Envelope[SessionAnswer | ChallengeRequired]:
    """A session for a challenge's answer, or the next challenge."""
    session, answer = body.session.get_secret_value(), body.answer.get_secret_value()
    return _answer(sessions().answer(body.challengeName, session, answer))


@app.post("/api/v3/auth/token/refresh")
def refresh(body: Refresh) -> Envelope[SessionAnswer]:
    """The session with a new access token."""
    return Envelope(data=_session(sessions().refresh(body.refreshToken.get_secret_value())))


@app.post("/api/v3/auth/logout")
def logout(caller: SignedIn, access_token: AccessToken) -> Envelope[None]:
    """Signs the caller out everywhere."""
    sessions().sign_out(access_token)
    return Envelope(data=None)


@app.get("/api/v3/auth/user")
def user(caller: SignedIn) -> Envelope[UserAnswer]:
    """Who is signed in."""
    return Envelope(data=UserAnswer.model_validate(sessions().user(caller.username, is_admin=caller.is_admin)))


def _answer(outcome: Session | Challenge) -> Envelope[SessionAnswer | ChallengeRequired]:
    if isinstance(outcome, Challenge):
        return Envelope(data=ChallengeRequired(challengeName=outcome.name, session=outcome.session))
    return Envelope(data=_session(outcome))


def _session(session: Session) -> SessionAnswer:
    return SessionAnswer(
        accessToken=session.tokens.access_token,
        refreshToken=session.tokens.refresh_token,
        tokenType=session.tokens.token_type,
        expiresIn=session.tokens.expires_in,
        expiresAt=session.expires_at,
        expiresAtDateTime=session.expires_at,
        user=UserAnswer.model_validate(session.user),
    )


handler = entry_point(app)
