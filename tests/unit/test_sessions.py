"""Signing in, challenges, refreshing and signing out."""

from __future__ import annotations

import pytest

from purser.errors import Unauthorized
from purser.sessions.model import Challenge, ChallengeName, Role, Session, SignedInUser, Tokens
from purser.sessions.service import Sessions
from tests.support.fakes import FakeClock
from tests.support.sessions import FakeIdentityProvider

CODE = Challenge(ChallengeName.SOFTWARE_TOKEN_MFA, "s")


@pytest.fixture
def provider() -> FakeIdentityProvider:
    return FakeIdentityProvider()


@pytest.fixture
def sessions(provider: FakeIdentityProvider) -> Sessions:
    return Sessions(provider, FakeClock(1_000_000))


def test_a_session_has_its_expiry_and_its_user(sessions: Sessions, provider: FakeIdentityProvider) -> None:
    session = sessions.sign_in("me@example.com", "right")
    assert session == Session(
        Tokens("access-1", "refresh-1", "Bearer", 900, "me", is_admin=False),
        1_900_000,
        SignedInUser("sub", "me@example.com", Role.USER, 1, 2),
    )


def test_the_role_comes_from_the_token(sessions: Sessions, provider: FakeIdentityProvider) -> None:
    provider.is_admin = True
    signed_in = sessions.sign_in("me@example.com", "right")
    assert isinstance(signed_in, Session)
    session = sessions.refresh(signed_in.tokens.refresh_token)
    assert session.user.role is Role.ADMIN
    assert session.tokens.refresh_token != signed_in.tokens.refresh_token
    assert sessions.user("me", is_admin=False).role is Role.USER


def test_a_challenge_must_be_answered_before_the_session(sessions: Sessions, provider: FakeIdentityProvider) -> None:
    provider.challenge = CODE
    assert sessions.sign_in("me@example.com", "right") == CODE
    with pytest.raises(Unauthorized):
        sessions.answer(CODE.name, CODE.session, "654321")
    assert isinstance(sessions.answer(CODE.name, CODE.session, "123456"), Session)


def test_signing_out_ends_the_session(sessions: Sessions, provider: FakeIdentityProvider) -> None:
    session = sessions.sign_in("me@example.com", "right")
    assert isinstance(session, Session)
    sessions.sign_out(session.tokens.access_token)
    with pytest.raises(Unauthorized):
        sessions.refresh(session.tokens.refresh_token)


def test_the_representation_of_a_session_contains_no_secret() -> None:
    tokens = Tokens("secret-1", "secret-2", "Bearer", 1, "me", is_admin=False)
    shown = repr(
        (tokens, Challenge(CODE.name, "secret-3"), Session(tokens, 1, SignedInUser("a", "b", Role.USER, 1, 2)))
    )
    assert "secret" not in shown
