"""Session: signing in and out, the caller's identity, and the health of the service."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from purser.bootstrap.health import health_checks
from purser.bootstrap.people import sessions
from purser.clock import now_ms
from purser.errors import Forbidden, Unauthorized
from purser.health.schemas import About, HealthEnvelope, health_answer
from purser.http.app import entry_point
from purser.http.caller import AccessToken, SignedIn
from purser.http.desk import Envelope, desk_app
from purser.sessions.schemas import (
    ChallengeAnswer,
    ChallengeRequired,
    Login,
    Refresh,
    SessionAnswer,
    UserAnswer,
    sign_in_answer,
)

app = desk_app()


@app.get("/api/v3")
def about() -> Envelope[About]:
    """Return name and version."""
    return Envelope(data=About())


@app.get("/api/v3/health")
def health() -> Response[HealthEnvelope]:
    """Return the health of the service: 503 if it is unhealthy."""
    health = health_answer(health_checks().health(), now_ms())
    return Response(status_code=200 if health.success else 503, content_type="application/json", body=health)


@app.post("/api/v3/auth/login", refuses=(Unauthorized, Forbidden))
def login(body: Login) -> Envelope[SessionAnswer | ChallengeRequired]:
    """Sign in with email and password. Return a session, or the challenge that must be answered first."""
    return sign_in_answer(sessions().sign_in(body.email, body.password.get_secret_value()))


@app.post("/api/v3/auth/challenge", refuses=(Unauthorized, Forbidden))
def challenge(body: ChallengeAnswer) -> Envelope[SessionAnswer | ChallengeRequired]:
    """Answer a challenge. Return a session, or the next challenge."""
    session, answer = body.session.get_secret_value(), body.answer.get_secret_value()
    return sign_in_answer(sessions().answer(body.challengeName, session, answer))


@app.post("/api/v3/auth/token/refresh", refuses=(Unauthorized,))
def refresh(body: Refresh) -> Envelope[SessionAnswer]:
    """Renew the tokens of a session. The refresh token before is valid for 30 more seconds."""
    return Envelope(data=SessionAnswer.model_validate(sessions().refresh(body.refreshToken.get_secret_value())))


@app.post("/api/v3/auth/logout")
def logout(caller: SignedIn, access_token: AccessToken) -> Envelope[str]:
    """Sign the caller out everywhere."""
    sessions().sign_out(access_token)
    return Envelope(data="ok")


@app.get("/api/v3/auth/user")
def user(caller: SignedIn) -> Envelope[UserAnswer]:
    """Return the caller's identity."""
    return Envelope(data=UserAnswer.model_validate(sessions().user(caller.username, is_admin=caller.is_admin)))


handler = entry_point(app)
