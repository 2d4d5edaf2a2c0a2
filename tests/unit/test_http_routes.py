"""Functions without dependencies: unknown routes and the list of plans."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.support.events import LambdaContext, answered, call, claims, proxy_event
from tests.support.functions import forget_process, load_function

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CUSTOMER = {"message": "route not found"}
DESK = {"data": None, "success": False, "errno": -190404, "error": "route not found"}


@pytest.fixture(scope="module")
def route_not_found() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOWED_ORIGINS", "https://app.example.com, https://desk.example.com")
        forget_process()
        yield load_function("route_not_found")
    forget_process()


@pytest.fixture(scope="module")
def public_subscription() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOWED_ORIGINS", "*")
        forget_process()
        yield load_function("public_subscription")
    forget_process()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", CUSTOMER),
        ("/v1", CUSTOMER),
        ("/v1/priv/nothing", CUSTOMER),
        ("/nothing", CUSTOMER),
        ("/accountsx", CUSTOMER),
        ("/api/v33", CUSTOMER),
        ("/api/v3/nothing", DESK),
        ("/api/v3", DESK),
        ("/accounts", None),
        ("/accounts/x/y", None),
    ],
)
def test_each_api_answers_unknown_routes_in_its_own_format(
    route_not_found: ModuleType, method: str, path: str, body: Any
) -> None:
    sent = {"a": 1} if method not in ("GET", "DELETE") else None
    answer = call(route_not_found.handler, method, path, sent)
    assert (answer.status, answer.body) == (404, body)
    assert ("content-type" in answer.headers) == (body is not None)


@pytest.mark.parametrize(
    "body", ["{not json", b"\xff\xfe", "a=1", "[" * 100_000], ids=["no json", "no text", "a form", "deep"]
)
def test_unknown_routes_are_not_found_whatever_the_body(route_not_found: ModuleType, body: Any) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Moov-Version": "v2024.01.00"}
    for path in ("/v1/x", "/api/v3/x", "/accounts/x"):
        assert call(route_not_found.handler, "POST", path, body, headers=headers).status == 404


@pytest.mark.parametrize("path", ["/v1/x", "/api/v3/x", "/accounts/x"])
def test_answers_of_unknown_routes_do_not_echo_the_request(route_not_found: ModuleType, path: str) -> None:
    headers = {
        "Authorization": "Bearer SENT-1",
        "X-Request-Id": "SENT-2",
        "Cookie": "SENT-3",
        "Origin": "https://SENT-4",
    }
    answer = route_not_found.handler(proxy_event("GET", path, headers=headers), LambdaContext())
    assert "SENT-" not in str(answer)


@pytest.mark.parametrize("path", ["/v1/x", "/api/v3/x", "/accounts/x"])
def test_head_is_answered_without_a_body(route_not_found: ModuleType, path: str) -> None:
    answer = call(route_not_found.handler, "HEAD", path)
    assert (answer.status, answer.text) == (404, "")


@pytest.mark.parametrize("path", ["/v1/x", "/api/v3/x", "/accounts/x"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_allowed_origins_may_read_the_answer(route_not_found: ModuleType, method: str, path: str) -> None:
    for origin in ("https://app.example.com", "https://desk.example.com"):
        answer = call(route_not_found.handler, method, path, headers={"Origin": origin})
        assert answer.status == (204 if method == "OPTIONS" else 404)
        assert answer.headers["access-control-allow-origin"] == origin
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
    stranger = call(route_not_found.handler, method, path, headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in stranger.headers


def test_the_plans_are_those_of_the_reference(public_subscription: ModuleType) -> None:
    answer = call(public_subscription.handler, "GET", "/v1/pub/subscription/list", headers={"Origin": "https://x.org"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.body == {
        "items": [
            {
                "id": "336e0577-784d-4482-8a37-46649118aa51",
                "name": "BASIC",
                "monthlyPriceUSD": 20,
                "maxBalanceUSD": 2500,
                "maxApiKey": 2,
                "strategyAutomated": True,
            },
            {
                "id": "eedb6709-40be-4425-bc8c-3f27b0f16606",
                "name": "ADVANCED",
                "monthlyPriceUSD": 40,
                "maxBalanceUSD": 5000,
                "maxApiKey": 3,
                "strategyAutomated": True,
            },
            {
                "id": "d6e3155b-caed-449c-b95b-857f1b765040",
                "name": "PROFESSIONAL",
                "monthlyPriceUSD": 60,
                "maxBalanceUSD": 10000,
                "maxApiKey": 5,
                "strategyAutomated": True,
            },
        ]
    }


def test_the_plans_are_public(public_subscription: ModuleType) -> None:
    for caller in (None, claims()):
        event = proxy_event("GET", "/v1/pub/subscription/list", caller=caller)
        assert answered(public_subscription.handler(event, LambdaContext())).status == 200
