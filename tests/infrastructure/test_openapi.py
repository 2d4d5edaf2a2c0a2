"""Test that the OpenAPI document in git is up to date, valid, complete, and agrees with the gateway."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from scripts.openapi import merge as merging
from tests.infrastructure.test_apis import APIS, FUNCTIONS, NOWHERE, route, triggers
from tests.support.functions import new_process
from tests.support.openapi import document

TRIGGERS = {route(trigger): trigger for name in FUNCTIONS for trigger in triggers(name)}
ROUTES = {(method, path): TRIGGERS[api, method, path] for api, method, path in TRIGGERS.keys() - NOWHERE}
OPERATIONS = {
    (method.upper(), path): operation
    for path, item in document()["paths"].items()
    for method, operation in item.items()
}

each_operation = pytest.mark.parametrize(("method", "path"), sorted(OPERATIONS))


def response(operation: dict[str, Any], status: str) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][status]
    name = found.get("$ref", "").rpartition("/")[2]
    return document()["components"]["responses"][name] if name else found


def test_the_document_in_git_is_what_the_functions_generate() -> None:
    with new_process() as patch:
        patch.delenv("RECAPTCHA_SECRET_ID", raising=False)
        generated = merging.text()
    assert generated == merging.DOCUMENT.read_text(encoding="utf-8"), "out of date: make openapi"


def test_the_document_is_valid_openapi() -> None:
    assert document()["openapi"] == "3.1.0"
    validate(document())


def test_the_document_describes_exactly_the_routes_of_the_gateway() -> None:
    assert OPERATIONS.keys() == ROUTES.keys()


def test_every_schema_is_referred_to() -> None:
    text = merging.DOCUMENT.read_text(encoding="utf-8")
    used = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', text))
    assert used == document()["components"]["schemas"].keys()


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in OPERATIONS.values())


@each_operation
def test_an_operation_needs_no_token_exactly_where_the_gateway_needs_none(method: str, path: str) -> None:
    ways = {name for way in OPERATIONS[method, path]["security"] for name in way}
    is_open = ROUTES[method, path].get("Auth") == {"Authorizer": "NONE"}
    # The function checks the header that Telegram sends.
    assert ("signedIn" in ways) == (not is_open)
    assert ways <= ({"telegram"} if is_open else {"signedIn", "machine"})


def test_machines_have_the_scopes_of_the_accounts_api() -> None:
    scopes = {scope for each in OPERATIONS.values() for way in each["security"] for scope in way.get("machine", [])}
    assert scopes < set(APIS["AccountsApi"]["Auth"]["Authorizers"]["Cognito"]["AuthorizationScopes"])
    assert (
        scopes == document()["components"]["securitySchemes"]["machine"]["flows"]["clientCredentials"]["scopes"].keys()
    )


@each_operation
def test_every_response_has_the_request_id(method: str, path: str) -> None:
    operation = OPERATIONS[method, path]
    for status in operation["responses"]:
        assert "x-request-id" in response(operation, status)["headers"], status


@each_operation
def test_an_error_response_has_the_schema_of_its_api(method: str, path: str) -> None:
    operation = OPERATIONS[method, path]
    for status in operation["responses"].keys() - {"200", "204"}:
        schemas = [media["schema"] for media in response(operation, status).get("content", {}).values()]
        if path.startswith("/v1/"):
            names = {"422": "FieldErrors", "433": None}.get(status, "Failure")
            assert names is None or schemas == [{"$ref": f"#/components/schemas/{names}"}], status
        elif path.startswith("/api/v3"):
            assert "Refusal" in str(schemas), status
            assert status != "422"
        else:
            names = {"400": "ErrorText", "409": "ErrorText", "422": "FieldErrorTree"}.get(status)
            assert schemas == ([{"$ref": f"#/components/schemas/{names}"}] if names else []), status


@each_operation
def test_an_operation_documents_the_errors_that_it_can_answer(method: str, path: str) -> None:
    operation = OPERATIONS[method, path]
    statuses = operation["responses"].keys()
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"429", "500", "502", "504"} <= statuses
    assert "401" in statuses or not operation["security"]
    if "requestBody" in operation:
        assert {"400", "413"} <= statuses
    if "{" in path:
        assert "404" in statuses
    if "Idempotency-Key" in names:
        assert "409" in statuses
    if path.startswith("/v1/priv/") and method != "GET":
        assert "recaptcha-token-v3" in names
        assert "403" in statuses
    assert ("X-Moov-Version" in names) == path.startswith("/accounts")


def test_every_declared_error_has_a_response_of_its_api() -> None:
    unanswered = {
        (group, error.__name__)
        for group, app in merging.apps()
        for declared in app.refusals.values()
        for error in declared
        if app.errors(error()).status == 500
    }
    assert not unanswered
