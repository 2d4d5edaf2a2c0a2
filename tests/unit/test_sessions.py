"""Signing in, challenges, refreshing and signing out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from purser.errors import Unauthorized
from purser.sessions.model import Challenge, ChallengeName, Role, Session, SignedInUser, Tokens
from purser.sessions.service import Sessions
from tests.support.fakes import FakeClock

CODE = Challenge(ChallengeName.SOFTWARE_TOKEN_MFA, "s")


@dataclass
class FakeProvider:
    """An identity provider with one user and an optional challenge."""

    challenge: Challenge | None = None
    is_admin: bool = False
    signed_out: list[str] = field(default_factory=list)

    def _tokens(self, refresh_token: str = "refresh") -> Tokens:
        return Tokens("access", refresh_token, "Bearer", 900, "me", self.is_admin)

    def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        if (email, password) != ("me@example.com", "right"):
            raise Unauthorized
        return self.challenge or self._tokens()

    def answer(self, challenge: Challenge, answer: str) -> Tokens | Challenge:
        if (challenge, answer) != (self.challenge, "123456"):
            raise Unauthorized
        return self._tokens()

    def refresh(self, refresh_token: str) -> Tokens:
        if self.signed_out:
            raise Unauthorized
        return self._tokens(refresh_token)

    def sign_out(self, access_token: str) -> None:
        self.signed_out.append(access_token)

    def user(self, username: str, role: Role) -> SignedInUser:
        assert username == "me"
        return SignedInUser("sub", "me@example.com", role, 1, 2)


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def sessions(provider: FakeProvider) -> Sessions:
    return Sessions(provider, FakeClock(1_000_000))


def test_a_session_has_its_expiry_and_its_user(sessions: Sessions, provider: FakeProvider) -> None:
    session = sessions.sign_in("me@example.com", "right")
    assert session == Session(
        Tokens("access", "refresh", "Bearer", 900, "me", is_admin=False),
        1_900_000,
        SignedInUser("sub", "me@example.com", Role.USER, 1, 2),
    )


def test_the_role_comes_from_the_token(sessions: Sessions, provider: FakeProvider) -> None:
    provider.is_admin = True
    session = sessions.refresh("mine")
    assert session.user.role is Role.ADMIN
    assert session.tokens.refresh_token == "mine"
    assert sessions.user("me", is_admin=False).role is Role.USER


def test_a_challenge_must_be_answered_before_the_session(sessions: Sessions, provider: FakeProvider) -> None:
    provider.challenge = CODE
    assert sessions.sign_in("me@example.com", "right") == CODE
    with pytest.raises(Unauthorized):
        sessions.answer(CODE.name, CODE.session, "654321")
    assert isinstance(sessions.answer(CODE.name, CODE.session, "123456"), Session)


def test_signing_out_ends_the_session(sessions: Sessions, provider: FakeProvider) -> None:
    sessions.sign_out("access")
    assert provider.signed_out == ["access"]
    with pytest.raises(Unauthorized):
        sessions.refresh("refresh")


def test_the_representation_of_a_session_contains_no_secret() -> None:
    tokens = Tokens("secret-1", "secret-2", "Bearer", 1, "me", is_admin=False)
    shown = repr(
        (tokens, Challenge(CODE.name, "secret-3"), Session(tokens, 1, SignedInUser("a", "b", Role.USER, 1, 2)))
    )
    assert "secret" not in shown
