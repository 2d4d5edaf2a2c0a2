"""The OpenAPI document in git, and a check of answers against it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

import jsonschema_rs

from tests.support import published
from tests.support.template import ROOT

DOCUMENT = ROOT / "functions" / "documentation" / "openapi.json"


@cache
def document() -> dict[str, Any]:
    """Return the stored document."""
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def conforming(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that fails after an answer that is not documented, or that a published client cannot read."""

    @wraps(handler)
    def invoke(event: Any, context: Any) -> Any:
        answer = handler(event, context)
        check(event, answer)
        if event["httpMethod"] != "HEAD":
            published.check(event["httpMethod"], event["path"], answer["statusCode"], answer.get("body") or "")
        return answer

    return invoke


def check(event: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Check the answer to a request of a documented route; other routes are not checked.

    Raises:
        AssertionError: the status is not documented, or the body is not as documented; the text says what to do.
    """
    method, path = event["httpMethod"].lower(), event["path"]
    template = _template(path, method)
    if template is None:
        return
    status = str(answer["statusCode"])
    place = f"{method.upper()} {template} answered {status}"
    responses = document()["paths"][template][method]["responses"]
    assert status in responses, (
        f"{place}, which is not documented: add the error to the route's refuses, then make openapi"
    )
    media = _resolved(responses[status]).get("content", {})
    body = answer.get("body") or ""
    if not media:
        assert not body, f"{place} with a body: {body[:500]}"
        return
    (kind,) = _content_types(answer)
    assert kind in media, f"{place} as {kind}"
    if kind == "application/json":
        faults = [fault.message for fault in _validator(template, method, status).iter_errors(json.loads(body))]
        assert not faults, f"{place} with {body[:500]}, which is not documented ({faults}): make openapi?"


@cache
def _template(path: str, method: str) -> str | None:
    """Return the documented path that matches a path, preferring one without variables."""
    paths = [template for template, item in document()["paths"].items() if method in item]
    fitting = [template for template in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)]
    return min(fitting, key=lambda template: template.count("{"), default=None)


def _resolved(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in response:
        shared: dict[str, Any] = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
        return shared
    return response


def _content_types(answer: Mapping[str, Any]) -> list[str]:
    headers = {**(answer.get("headers") or {}), **(answer.get("multiValueHeaders") or {})}
    found = [value for name, value in headers.items() if name.lower() == "content-type"]
    return [str(value[0] if isinstance(value, list) else value).partition(";")[0] for value in found]


@cache
def _validator(template: str, method: str, status: str) -> jsonschema_rs.Draft202012Validator:
    response = _resolved(document()["paths"][template][method]["responses"][status])
    schema = {"components": document()["components"], "allOf": [response["content"]["application/json"]["schema"]]}
    return jsonschema_rs.Draft202012Validator(schema)
