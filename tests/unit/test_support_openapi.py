"""The tests' check of answers against the OpenAPI document finds undocumented answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.openapi import check, conforming

KEY = "/v1/priv/account/exchange/key/63d3aa7c-0000-4000-8000-000000000000"
PROFILE = dict.fromkeys(("lastName", "firstName", "country", "language", "timezone")) | dict.fromkeys(
    ("createdAt", "updatedAt"), "2026-11-21T00:00:00.000Z"
)
JSON = {"Content-Type": ["application/json"]}


def answered(method: str, path: str, status: int, body: Any = None, headers: Any = JSON) -> None:
    text = "" if body is None else json.dumps(body)
    check({"httpMethod": method, "path": path}, {"statusCode": status, "body": text, "multiValueHeaders": headers})


def test_documented_answers_are_accepted() -> None:
    answered("DELETE", KEY, 204, headers={})
    answered("DELETE", KEY, 404, {"message": "route not found"})
    answered("PUT", KEY, 433, {"error": "exchange API authorization failed (1103)"})
    answered("GET", "/v1/priv/account/profile", 200, PROFILE)
    answered("GET", "/accounts/x", 404, headers={})
    answered("POST", "/accounts", 422, {"profile": {"individual": {"name": "must be object"}}})


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "fault"),
    [
        ("GET", "/v1/priv/account/profile", 404, {"message": "x"}, "not documented"),
        ("GET", "/v1/priv/account/profile", 200, PROFILE | {"country": 5}, "not documented"),
        ("PUT", KEY, 433, {"error": "exchange API key is invalid (9999)"}, "not documented"),
        ("PUT", KEY, 422, {"errors": []}, "not documented"),
        ("DELETE", KEY, 204, {}, "with a body"),
        ("GET", "/accounts/x", 404, {"error": "x"}, "with a body"),
        ("GET", "/api/v3/auth/user", 401, {"message": "Unauthorized"}, "not documented"),
        (
            "GET",
            "/api/v3/auth/user",
            401,
            {"data": None, "success": False, "errno": -190403, "error": "x"},
            "not documented",
        ),
        ("POST", "/accounts", 422, {"profile": {"name": 5}}, "not documented"),
    ],
)
def test_undocumented_answers_are_refused(method: str, path: str, status: int, body: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        answered(method, path, status, body)


def test_an_undocumented_content_type_is_refused() -> None:
    with pytest.raises(AssertionError, match="as text/html"):
        answered("GET", "/v1/priv/account/profile", 200, PROFILE, {"content-type": ["text/html"]})


def test_undocumented_routes_are_not_checked() -> None:
    answered("GET", "/v1/priv/thing", 299, {"anything": 1})


def test_a_conforming_handler_must_answer_as_documented() -> None:
    handler = conforming(lambda _event, _context: {"statusCode": 299, "body": ""})
    with pytest.raises(AssertionError, match="299"):
        handler({"httpMethod": "GET", "path": "/v1/priv/account/profile"}, None)
