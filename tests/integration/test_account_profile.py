"""Test AccountProfile with its handler and DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from purser.bootstrap.people import profiles
from tests.support.aws import Aws
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function

PROFILE = "/v1/priv/account/profile"
DOCUMENTED = {"lastName", "firstName", "country", "language", "timezone", "createdAt", "updatedAt"}
JOHN = {"lastName": "John", "firstName": "Doe", "country": "CA", "language": "EN", "timezone": "America/Toronto"}

Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def handler(aws: Aws) -> Iterator[Any]:
    forget_process()
    yield load_function("account_profile").handler
    forget_process()


@pytest.fixture
def user_id() -> str:
    return str(uuid4())


@pytest.fixture
def ask(handler: Any, user_id: str) -> Ask:
    return lambda method, body=None, **more: call(handler, method, PROFILE, body, caller=claims(user_id), **more)


def errors_in(answer: Answered) -> list[tuple[Any, str, str, str]]:
    assert answer.status == 422, answer.text
    return [(e["value"], e["msg"], e["param"], e["location"]) for e in answer.body["errors"]]


def test_a_profile_is_null_at_first_and_changes_are_merged(ask: Ask) -> None:
    nothing = ask("GET")
    assert (nothing.status, nothing.text) == (200, "null")
    answer = ask("PUT", JOHN)
    assert answer.status == 200
    assert set(answer.body) == DOCUMENTED
    assert answer.body | JOHN == answer.body
    assert ask("GET").body == answer.body
    changed = ask("PUT", {"language": "AR"})
    assert changed.body == answer.body | {"language": "AR", "updatedAt": changed.body["updatedAt"]}


def test_invalid_fields_get_the_documented_errors(ask: Ask) -> None:
    body = {"lastName": "Doe123", "country": "CAX", "language": "ENX", "timezone": "America/Torontox"}
    assert errors_in(ask("PUT", body)) == [
        ("Doe123", "must be alpha character", "lastName", "body"),
        ("CAX", "must be valid country", "country", "body"),
        ("ENX", "must be a valid language", "language", "body"),
        ("America/Torontox", "must be a valid timezone", "timezone", "body"),
    ]
    assert ask("GET").body is None


@pytest.mark.parametrize(
    ("field", "value", "msg"),
    [
        ("lastName", "", "must not be empty"),
        ("lastName", "   ", "must not be empty"),
        ("lastName", "x" * 65, "length must be less than 65"),
        ("firstName", "Doe\u0000", "must be alpha character"),
        ("firstName", 5, "must be string"),
        ("country", "ca", "must be valid country"),
        ("country", "UK", "must be valid country"),
        ("country", "", "must be valid country"),
        ("language", "en", "must be a valid language"),
        ("language", ["EN"], "must be string"),
        ("timezone", "Factory", "must be a valid timezone"),
        ("timezone", "x" * 5000, "must be a valid timezone"),
    ],
)
def test_invalid_values_are_refused(ask: Ask, field: str, value: Any, msg: str) -> None:
    [(_, text, param, location)] = errors_in(ask("PUT", {field: value}))
    assert (text, param, location) == (msg, field, "body")


@pytest.mark.parametrize(
    ("field", "value", "kept_as"),
    [
        ("lastName", "  O'Neil-Smith ", "O'Neil-Smith"),
        ("firstName", "محمد", "محمد"),
        ("firstName", "Jose\u0301", "Jos\u00e9"),
        ("timezone", "US/Eastern", "US/Eastern"),
        ("country", "AX", "AX"),
        ("country", None, None),
    ],
)
def test_valid_values_are_normalized_and_stored(ask: Ask, field: str, value: Any, kept_as: Any) -> None:
    ask("PUT", JOHN)
    assert ask("PUT", {field: value}).body[field] == kept_as
    assert ask("GET").body[field] == kept_as


def test_a_put_without_known_fields_creates_an_empty_profile(ask: Ask) -> None:
    answer = ask("PUT", {"unknown": 1})
    assert answer.status == 200
    assert {answer.body[field] for field in JOHN} == {None}


@pytest.mark.parametrize(("body", "status"), [("{", 400), ("[]", 400), ('"x"', 400), (b"\xff", 400)])
def test_a_malformed_body_is_refused(ask: Ask, body: Any, status: int) -> None:
    assert ask("PUT", body).status == status


def test_only_the_user_sees_the_profile(ask: Ask, handler: Any) -> None:
    ask("PUT", JOHN)
    assert call(handler, "GET", PROFILE, caller=claims(str(uuid4()))).body is None
    assert call(handler, "GET", PROFILE).status == 401


def test_concurrent_puts_lose_no_field(ask: Ask, user_id: str) -> None:
    fields = {"last_name": "John", "first_name": "Doe", "country": "CA", "language": "AR", "timezone": "UTC"}
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda item: profiles().change(user_id, dict([item])), fields.items()))
    assert ask("GET").body | JOHN | {"language": "AR", "timezone": "UTC"} == ask("GET").body
