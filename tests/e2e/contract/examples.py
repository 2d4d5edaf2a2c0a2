"""The examples that the reference prints for the customer API, transcribed to ``reference/``.

An endpoint is written as in the template, ``PUT /v1/priv/strategy/follow/{id}``. It has examples for ``request`` and
for each status; 433 has a list of them. An example that goes on with ``…`` ends there.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e.contract import decided
from tests.e2e.contract.shapes import Shape, shape_of, with_any_names

REFERENCE = Path(__file__).parent / "reference"


def _corrected(text: str) -> str:
    for slip, right in decided.SLIPS.items():
        text = text.replace(slip, right)
    return text


EXAMPLES: dict[str, dict[str, Any]] = {
    endpoint: examples
    for path in sorted(REFERENCE.glob("*.json"))
    for endpoint, examples in json.loads(_corrected(path.read_text())).items()
}

NULL = "200 null"
NULL_ANSWERS = frozenset(
    {
        "GET /v1/priv/account/profile",
        "GET /v1/priv/account/notification",
        "GET /v1/priv/account/subscription/stripe",
        "GET /v1/priv/exchange/position/{id}",
    }
)
"""The endpoints for which the reference says: "Response data can be NULL"."""


def documented() -> set[tuple[str, str]]:
    """Return every documented answer: ``(endpoint, "200")``, ``(endpoint, "433 1103")``…"""
    answers = {(endpoint, kind) for endpoint, examples in EXAMPLES.items() for kind in _kinds(examples)}
    return answers | {(endpoint, NULL) for endpoint in NULL_ANSWERS} | decided.ADDED


def _kinds(examples: dict[str, Any]) -> set[str]:
    plain = examples.keys() - {"request", "433"}
    return plain | {f"433 {code_of(printed)}" for printed in examples.get("433", ())}


def code_of(refusal: dict[str, str]) -> str:
    """Return the code in the body of a 433."""
    found = re.search(r"\((\w+)\)$", refusal["error"])
    assert found, refusal
    return found[1]


def printed(endpoint: str, kind: str) -> Any:
    """Return the body that the reference shows for an answer."""
    if kind in (NULL, "204"):
        return None
    if kind.startswith("433 "):
        return next(body for body in EXAMPLES[endpoint]["433"] if code_of(body) == kind[4:])
    return EXAMPLES[endpoint][kind]


def request(endpoint: str) -> dict[str, Any]:
    """Return the body of the request example of an endpoint."""
    body: dict[str, Any] = EXAMPLES[endpoint]["request"]
    return body


def shape(endpoint: str, kind: str) -> Shape:
    """Return the shape that the body of an answer must have."""
    alike = decided.ONE_ORDER if endpoint in decided.ONE_ORDER and kind == "200" else (endpoint,)
    bodies = [printed(each, kind) for each in alike]
    if (endpoint, kind) in decided.ADDED_FIELDS:
        bodies = [body | decided.ADDED_FIELDS[endpoint, kind] for body in bodies]
    shape = shape_of(bodies, also=decided.ALSO)
    if (endpoint, kind) == (decided.BY_ASSET, "200"):
        return replace(shape, fields={name: with_any_names(each) for name, each in shape.fields.items()})
    return shape
