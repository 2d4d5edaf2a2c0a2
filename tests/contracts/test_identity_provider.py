"""The contract of the identity provider, held against Cognito at moto and the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from purser.errors import Unauthorized
from purser.sessions.cognito import CognitoIdentityProvider
from purser.sessions.model import Challenge, ChallengeName, Role, Tokens
from purser.sessions.service import IdentityProvider
from tests.support import sessions, user_pool
from tests.support.functions import forget_process
from tests.support.sessions import FakeIdentityProvider
from tests.support.user_pool import UserPool


@dataclass
class World:
    """The provider, and a user."""

    provider: IdentityProvider
    email: str
    password: str
    disable: Callable[[], object]

    def sign_in(self) -> Tokens:
        tokens = self.provider.sign_in(self.email, self.password)
        assert isinstance(tokens, Tokens)
        return tokens


@pytest.fixture(scope="module")
def pool(request: pytest.FixtureRequest) -> UserPool:
    request.getfixturevalue("aws")
    forget_process()
    return UserPool()


def world_of(
    request: pytest.FixtureRequest, tables: dict[str, str] | None, *, admin: bool = False, code: bool = False
) -> World:
    if tables is None:
        challenge = Challenge(ChallengeName.SOFTWARE_TOKEN_MFA, "session") if code else None
        fake = FakeIdentityProvider(challenge, admin)
        return World(fake, sessions.EMAIL, sessions.PASSWORD, lambda: setattr(fake, "is_disabled", True))
    pool: UserPool = request.getfixturevalue("pool")
    user = pool.add(admin=admin)
    if code:
        pool.require_code(user["email"])
    provider = CognitoIdentityProvider(pool.id, pool.client_id)
    return World(provider, user["email"], user_pool.PASSWORD, lambda: pool.disable(user["email"]))


@pytest.fixture
def world(request: pytest.FixtureRequest, tables: dict[str, str] | None) -> World:
    return world_of(request, tables)


@pytest.fixture
def admin(request: pytest.FixtureRequest, tables: dict[str, str] | None) -> World:
    return world_of(request, tables, admin=True)


@pytest.fixture
def challenged(request: pytest.FixtureRequest, tables: dict[str, str] | None) -> World:
    return world_of(request, tables, code=True)


def test_the_right_password_gives_tokens_of_the_user(world: World) -> None:
    tokens = world.sign_in()
    assert (tokens.token_type, tokens.is_admin) == ("Bearer", False)
    assert tokens.expires_in > 0
    user = world.provider.user(tokens.username, Role.USER)
    assert (user.email, user.role) == (world.email, Role.USER)


def test_an_admin_is_known_by_the_token(admin: World) -> None:
    assert admin.sign_in().is_admin


def test_a_wrong_password_and_an_unknown_user_are_refused_alike(world: World) -> None:
    errors = []
    for email, password in ((world.email, "Wrong-Horse-9!"), (f"{uuid4().hex}@example.com", world.password)):
        with pytest.raises(Unauthorized) as refused:
            world.provider.sign_in(email, password)
        errors.append(repr(refused.value))
    assert errors[0] == errors[1]


def test_a_challenge_comes_before_the_tokens(challenged: World) -> None:
    challenge = challenged.provider.sign_in(challenged.email, challenged.password)
    assert isinstance(challenge, Challenge)
    assert challenge.name is ChallengeName.SOFTWARE_TOKEN_MFA
    with pytest.raises(Unauthorized):
        challenged.provider.answer(Challenge(challenge.name, "another"), sessions.CODE)
    assert isinstance(challenged.provider.answer(challenge, sessions.CODE), Tokens)


def test_tokens_are_refreshed_until_signing_out(world: World) -> None:
    tokens = world.sign_in()
    refreshed = world.provider.refresh(tokens.refresh_token)
    assert refreshed.username == tokens.username
    assert world.provider.refresh(refreshed.refresh_token).username == tokens.username
    world.provider.sign_out(tokens.access_token)
    with pytest.raises(Unauthorized):
        world.provider.refresh(tokens.refresh_token)
    with pytest.raises(Unauthorized):
        world.provider.sign_out(tokens.access_token)
    assert world.provider.refresh(world.sign_in().refresh_token).username == tokens.username


def test_a_refresh_token_is_replaced_and_can_be_sent_again_for_a_moment(world: World) -> None:
    tokens = world.sign_in()
    replacing = [world.provider.refresh(tokens.refresh_token).refresh_token for _ in range(2)]
    assert len({tokens.refresh_token, *replacing}) == 3
    for refresh_token in replacing:
        assert world.provider.refresh(refresh_token).username == tokens.username


def test_a_disabled_user_is_refused(world: World) -> None:
    tokens = world.sign_in()
    world.disable()
    with pytest.raises(Unauthorized):
        world.provider.user(tokens.username, Role.USER)


def test_signing_out_ends_every_session_of_the_user(world: World) -> None:
    here, there = world.sign_in(), world.sign_in()
    world.provider.sign_out(here.access_token)
    with pytest.raises(Unauthorized):
        world.provider.refresh(there.refresh_token)


def test_unknown_tokens_and_users_are_refused(world: World) -> None:
    for call in (world.provider.refresh, world.provider.sign_out):
        with pytest.raises(Unauthorized):
            call("unknown")
    with pytest.raises(Unauthorized):
        world.provider.user(str(uuid4()), Role.USER)
