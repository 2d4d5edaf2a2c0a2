"""Test TokenGroups with its handler and Cognito (moto), and that the local user pool asks a function for the groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from moto.cognitoidp.models import CognitoIdpGroup, CognitoIdpUserPoolClient

from local.cloud.users import UserPool as LocalUserPool
from local.functions.token_trigger import TokenTrigger
from purser.errors import TooManyRequests, Unavailable
from tests.support.aws import Aws
from tests.support.functions import forget_process, load_function
from tests.support.template import ROOT
from tests.support.user_pool import UserPool

EVENT = json.loads((ROOT / "events/token_groups.json").read_text())
ALL = {"groupsToOverride": ["admin", "other"], "iamRolesToOverride": [], "preferredRole": None}

Ask = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture
def ask(pool: UserPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Return a function that asks for the groups of a user who is in two, as Cognito does."""
    monkeypatch.setenv("USER_POOL_ID", pool.id)  # for the check of permissions only
    forget_process()
    handler = load_function("token_groups").handler
    asked = {**EVENT, "userPoolId": pool.id, "request": {**EVENT["request"], "groupConfiguration": ALL}}
    yield lambda user_id: handler({**asked, "userName": user_id}, None)
    forget_process()


def test_the_tokens_of_an_admin_without_a_second_factor_do_not_name_the_group(pool: UserPool, ask: Ask) -> None:
    answer = ask(pool.add(admin=True)["id"])
    overridden = {**ALL, "groupsToOverride": ["other"]}
    assert answer["response"] == {"claimsAndScopeOverrideDetails": {"groupOverrideDetails": overridden}}


def test_the_tokens_of_an_admin_with_a_second_factor_name_the_group(pool: UserPool, ask: Ask) -> None:
    user = pool.add(admin=True)
    pool.require_code(user["email"])
    assert ask(user["id"])["response"] == EVENT["response"]


def test_no_call_is_made_for_a_user_in_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("purser.sessions.cognito.cognito", lambda: pytest.fail("Cognito was asked"))
    forget_process()
    assert load_function("token_groups").handler(EVENT, None) == EVENT


def test_without_cognito_there_is_no_token(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:9")
    forget_process()
    with pytest.raises((Unavailable, TooManyRequests)):
        ask("anybody")


Answer = Callable[[dict[str, Any]], dict[str, Any]]


def local_token(answer: Answer, error: str = "") -> dict[str, Any]:
    """Return the claims of an access token of an admin in a local user pool whose function answers so."""
    pool = LocalUserPool("us-east-1_test", "test", {"UsernameAttributes": ["email"]})
    client = CognitoIdpUserPoolClient(pool.id, False, {})
    pool.clients[client.id] = client
    pool.groups["admin"] = CognitoIdpGroup(pool.id, "admin", "", "", 1)
    pool.ensure_user("admin@example.com", "Correct-Horse-9!", "admin")
    functions: Any = SimpleNamespace(
        invoke=lambda _, event: SimpleNamespace(output=json.dumps(answer(event)), error=error)
    )
    pool.groups_in_token = TokenTrigger(functions, "TokenGroups", pool.id).groups
    claims: dict[str, Any] = jwt.decode(
        pool.access_token(client.id, "admin@example.com"), options={"verify_signature": False}
    )
    return claims


def test_the_local_user_pool_names_the_groups_that_the_function_leaves() -> None:
    def overriding(groups: list[str]) -> Answer:
        details = {"groupOverrideDetails": {"groupsToOverride": groups}}
        return lambda event: {**event, "response": {"claimsAndScopeOverrideDetails": details}}

    assert "cognito:groups" not in local_token(overriding([]))
    assert local_token(overriding(["other"]))["cognito:groups"] == ["other"]
    assert local_token(lambda event: event)["cognito:groups"] == ["admin"]


def test_the_local_user_pool_makes_no_token_when_the_function_fails() -> None:
    with pytest.raises(Exception, match="PreTokenGeneration failed"):
        local_token(lambda event: event, "Runtime.ExitError")
