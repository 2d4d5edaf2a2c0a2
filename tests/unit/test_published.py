"""Test that the published models refuse what the published clients refuse, and cover the operations that exist."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support import openapi, published

NOT_PUBLISHED = {
    "/api/v3/auth/challenge",
    *(
        f"/api/v3/fermata/wallet/{act}"
        for act in ("deposit", "withdraw", "transaction/reverse", "transaction/list", "entry/list")
    ),
}
USER = {"id": "5f1c1d0e-8d4f-4a55-9c79-6b6a3e4b1f5d", "createdAt": "2026-11-30T00:00:00.000Z"}


def test_every_operation_is_checked_or_is_purser_s_own() -> None:
    exist = {
        (method.upper(), path)
        for path, item in openapi.document()["paths"].items()
        if path.startswith("/api/v3")
        for method in item
    }
    assert {path for _, path in exist - published.ANSWERS.keys()} == NOT_PUBLISHED
    assert published.ANSWERS.keys() <= exist


@pytest.mark.parametrize("operation", published.PARAMETERS, ids=" ".join)
def test_purser_knows_every_published_parameter(operation: tuple[str, str]) -> None:
    """Purser ignores parameters that it does not know, so the ones that it refuses must be declared too."""
    assert set(published.PARAMETERS[operation]) <= known_parameters(*operation)


def known_parameters(method: str, path: str) -> set[str]:
    described = openapi.document()["paths"][path][method.lower()]
    if method == "GET":
        return {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"}
    body = described["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(openapi.document()["components"]["schemas"][body]["properties"])


@pytest.mark.parametrize(
    ("path", "body", "broken"),
    [
        ("health", {"status": "healthy", "timestamp": 1, "version": "1"}, {"timestamp": "2026-11-30T00:00:00.000Z"}),
        ("health", {"status": "healthy", "timestamp": 1, "version": "1"}, {"version": None}),
        ("auth/user", {"errno": 0, "data": USER}, {"data": USER | {"createdAt": 1}}),
        ("auth/user", {"errno": 0, "data": USER}, {"data": USER | {"id": "me"}}),
        ("auth/user", {"errno": 0, "data": USER}, {"errno": None}),
        ("auth/user", {"errno": 0, "data": USER}, {"data": USER | {"email": None}}),
        ("auth/user", {"errno": 0, "data": USER}, {"data": None}),
        ("tradingAccount/portfolio/list", {"errno": 0, "data": []}, {"data": [{}]}),
        ("tradingAccount/portfolio/list", {"errno": 0, "data": []}, {"pagination": None}),
    ],
)
def test_an_answer_that_a_published_client_refuses_is_refused(
    path: str, body: dict[str, Any], broken: dict[str, Any]
) -> None:
    published.check("GET", f"/api/v3/{path}", 200, json.dumps(body))
    with pytest.raises(ValidationError):
        published.check("GET", f"/api/v3/{path}", 200, json.dumps(body | broken))
