"""Describe a function's routes in OpenAPI.

Powertools knows a route's parameters, body and answer. This module adds its errors in the words of its surface, its
headers, and who may call it. A route's errors follow from its signature and from its ``refuses``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, get_args

from purser import errors as e
from purser.http import accounts, caller, customer, recaptcha
from purser.http.app import Answer, App
from scripts.openapi.components import (
    HEADERS,
    MACHINE,
    RECAPTCHA,
    SCHEMAS,
    SECURITY_SCHEMES,
    SIGNED_IN,
    VERSION,
    Json,
)

EVERYWHERE = (e.PurserError, e.Unavailable, e.TooManyRequests)
HEALTH = "/api/v3/health"
SHARED = frozenset({"401", "413", "429", "500", "502", "504"})
"""Statuses that look the same in all operations of a surface."""

OF_THE_GATEWAY = {502: "Internal Server Error", 504: "Internal Server Error"}
"""The gateway's own answers: template.yaml, ``GatewayResponses``."""

ACCESS_TOKEN, ADMIN = (get_args(parameter)[1].dependency for parameter in (caller.AccessToken, caller.Admin))

HEADER_NAMES = {"idempotency-key": "Idempotency-Key"}
"""The documented spelling of headers that Powertools knows in lower case."""


def described(app: App, group: str) -> Json:
    """Return the OpenAPI document of one function's routes; ``group`` is the name of the endpoint group.

    Raises:
        ValueError: a model of the function has the name of a schema that all surfaces share.
    """
    schema = app.get_openapi_schema(title=group, security_schemes=SECURITY_SCHEMES)
    document: Json = _tidy(schema.model_dump(mode="json", by_alias=True, exclude_none=True))
    shared: Json = {}
    for route in app.routes:
        operation = document["paths"][route.openapi_path][route.method.lower()]
        _describe(operation, route, app, group)
        _share(operation, route, app, shared)
    if HEALTH in document["paths"]:
        _describe_health(document["paths"][HEALTH]["get"]["responses"])
    schemas = document["components"]["schemas"]
    for generated in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(generated, None)
    if taken := schemas.keys() & SCHEMAS.keys():
        raise ValueError(f"{group} has models of its own that are called {sorted(taken)}")
    document["components"] = {
        "schemas": schemas | SCHEMAS,
        "responses": shared,
        "headers": HEADERS,
        "securitySchemes": SECURITY_SCHEMES,
    }
    return document


@dataclass(frozen=True)
class _Surface:
    """A surface: its name, and a function that returns the schema of a body for a status and its answers."""

    name: str
    schema: Callable[[int, list[Answer]], Json | None]


def _customer_schema(status: int, answers: list[Answer]) -> Json | None:
    if status == 422:
        return {"$ref": "#/components/schemas/FieldErrors"}
    if status == customer.EXTERNAL_REFUSAL:
        texts = sorted({answer.body["error"] for answer in answers})
        detail = {"type": "string", "description": "What the exchange said, or what it would have refused."}
        return {"type": "object", "properties": {"error": {"enum": texts}, "detail": detail}, "required": ["error"]}
    return {"$ref": "#/components/schemas/Failure"}


def _desk_schema(_status: int, answers: list[Answer]) -> Json | None:
    numbers = sorted({answer.body["errno"] for answer in answers}, reverse=True)
    return {"allOf": [{"$ref": "#/components/schemas/Refusal"}, {"properties": {"errno": {"enum": numbers}}}]}


def _accounts_schema(status: int, _answers: list[Answer]) -> Json | None:
    if status == 422:
        return {"$ref": "#/components/schemas/FieldErrorTree"}
    return {"$ref": "#/components/schemas/ErrorText"} if status in accounts.WITH_TEXT.values() else None


_SURFACES = {
    "/v1/": _Surface("Customer", _customer_schema),
    "/api/v3": _Surface("Desk", _desk_schema),
    "/accounts": _Surface("Accounts", _accounts_schema),
}


def _surface(path: str) -> _Surface:
    return next(surface for prefix, surface in _SURFACES.items() if path.startswith(prefix))


def _describe(operation: Json, route: Any, app: App, group: str) -> None:
    summary, _, more = (inspect.getdoc(route.func) or "").partition("\n")
    operation |= {"tags": [group], "operationId": f"{group}_{route.func.__name__}", "summary": summary}
    if more.strip():
        operation["description"] = more.strip()
    operation["parameters"] = [*map(_parameter, operation.get("parameters", [])), *_own_headers(route)]
    operation.pop("security", None)  # set anew below, so that the order is the same in all operations
    operation["security"] = list(_security(route))
    if ADMIN in _dependencies(route):
        operation["x-required-role"] = "admin"
    operation["responses"] = _success(operation, route) | _refusals(operation, route, app)
    for response in operation["responses"].values():
        response.setdefault("headers", {})["x-request-id"] = {"$ref": "#/components/headers/RequestId"}


def _describe_health(responses: Json) -> None:
    """Describe that a 503 of the health check has the checks in its body too."""
    healthy, unhealthy = (responses[status]["content"]["application/json"] for status in ("200", "503"))
    unhealthy["schema"] = {"anyOf": [healthy["schema"], unhealthy["schema"]]}


def _success(operation: Json, route: Any) -> Json:
    response = operation["responses"][str(route.status_code)]
    response["description"] = HTTPStatus(route.status_code).phrase
    if route.status_code == HTTPStatus.NO_CONTENT:
        del response["content"]
    return {str(route.status_code): response}


def _share(operation: Json, route: Any, app: App, shared: Json) -> None:
    """Move responses that a surface shares to ``components``, unless the route words the status itself."""
    surface = _surface(route.openapi_path)
    own = {app.errors(kind()).status for kind in app.refusals[route.func]} - {HTTPStatus.UNAUTHORIZED}
    for status in sorted(SHARED & operation["responses"].keys() - set(map(str, map(int, own)))):
        name = f"{surface.name}{status}"
        shared[name] = operation["responses"][status]
        operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _parameter(parameter: Json) -> Json:
    """Return a parameter as it is in a URL, which has no null."""
    schema = dict(parameter["schema"])
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema = choices[0] | schema
    elif choices:
        schema["anyOf"] = choices
    name = HEADER_NAMES.get(parameter["name"], parameter["name"])
    return parameter | {"name": name, "schema": schema}


def _own_headers(route: Any) -> Iterator[Json]:
    if _needs_person(route):
        yield RECAPTCHA
    if route.openapi_path.startswith("/accounts"):
        yield VERSION


def _needs_person(route: Any) -> bool:
    return route.method in recaptcha.METHODS and route.openapi_path.startswith(recaptcha.PREFIX)


def _security(route: Any) -> Iterator[Json]:
    """Yield the ways to authenticate: those that the route names, or else those of its dependencies."""
    yield from route.security or ()
    for dependency in () if route.security else _dependencies(route):
        if dependency is not ACCESS_TOKEN:
            yield {SIGNED_IN: []}
        if scope := _scope(dependency):
            yield {MACHINE: [scope]}


def _dependencies(route: Any) -> list[Any]:
    return [each.depends.dependency for each in route.dependant.dependencies]


def _scope(dependency: Any) -> str | None:
    """Return the scope that ``caller.scoped`` was given."""
    return inspect.getclosurevars(dependency).nonlocals.get("scope")


def _errors(operation: Json, route: Any, app: App) -> Iterator[type[e.PurserError]]:
    yield from EVERYWHERE
    dependencies = _dependencies(route)
    if dependencies:
        yield e.Unauthorized
    if ADMIN in dependencies or any(map(_scope, dependencies)) or _needs_person(route):
        yield e.Forbidden
    if "requestBody" in operation or route.openapi_path.startswith("/accounts"):
        yield e.MalformedRequest
    if "requestBody" in operation:
        yield e.PayloadTooLarge
    places = {parameter["in"] for parameter in operation["parameters"]} - {"header"}
    names = {parameter["name"] for parameter in operation["parameters"]}
    if "requestBody" in operation or places or "Idempotency-Key" in names:
        yield e.InvalidInput
    if "path" in places:
        yield e.NotFound
    if "Idempotency-Key" in names:
        yield from (e.IdempotencyKeyReused, e.RequestInFlight)
    yield from app.refusals[route.func]


def _refusals(operation: Json, route: Any, app: App) -> Json:
    answers: dict[int, list[Answer]] = {}
    texts: dict[int, list[str]] = {}
    for kind in dict.fromkeys(_errors(operation, route, app)):
        error = e.InvalidInput([e.FieldError(("field",), "is invalid")]) if kind is e.InvalidInput else kind()
        answer = app.errors(error)
        answers.setdefault(answer.status, []).append(answer)
        texts.setdefault(answer.status, []).append(_sentence(kind))
    for status, text in OF_THE_GATEWAY.items():
        answers.setdefault(status, []).append(app.errors(e.PurserError()))
        texts.setdefault(status, []).append(text)
    surface = _surface(route.openapi_path)
    return {str(status): _response(status, answers[status], texts[status], surface) for status in sorted(answers)}


def _sentence(kind: type[e.PurserError]) -> str:
    return kind.default[0].upper() + kind.default[1:]


def _response(status: int, answers: list[Answer], texts: list[str], surface: _Surface) -> Json:
    response: Json = {"description": "; ".join(dict.fromkeys(texts)) + "."}
    schema = surface.schema(status, answers)
    if schema:
        response["content"] = {"application/json": {"schema": schema}}
    if any(answer.headers for answer in answers):
        response["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return response


def _tidy(value: Any, *, names: bool = False) -> Any:
    """Return a document without the titles that repeat names, and with whole numbers as integers.

    ``names``: the keys of this object are names of fields or schemas, not keywords.
    """
    if isinstance(value, dict):
        return {
            key: _tidy(each, names=not names and key in ("properties", "schemas"))
            for key, each in value.items()
            if names or key != "title" or "version" in value
        }
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
