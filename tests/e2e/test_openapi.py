"""Test every operation of the OpenAPI document with requests that schemathesis generates.

Nothing may break, and every answer must be documented. The local system has no Telegram secret, so Telegram's webhook
refuses every request. ``make test`` tries 4 examples of each operation, ``make test-long`` 200.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.client import Running
from tests.support.effort import examples
from tests.support.fuzzing import World, make_real
from tests.support.openapi import document

KEY_REFUSED = -120005
"""The desk answers 502 for a key that the exchange refuses, which is not a failure."""


def nothing_breaks(ctx: Any, response: Any, case: Any) -> bool | None:
    """Refuse every 5xx but a documented 502."""
    if response.status_code == 502 and response.json().get("errno") == KEY_REFUSED:
        return None
    return not_a_server_error(ctx, response, case)


CHECKS = [
    nothing_breaks,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(method.upper(), path) for path, item in document()["paths"].items() for method in item]
SIGNS_OUT = "/api/v3/auth/logout"
PAUSES_S = {"/v1/pub/exchange/ticker": 0.4}
"""A throttle counts all callers together. At half its rate, other tests still get through."""
PATIENCE_S = 60
MODES = [*[GenerationMode.POSITIVE] * 3, GenerationMode.NEGATIVE]


@pytest.fixture(scope="session")
def described() -> Any:
    """Return the document as schemathesis reads it."""
    return schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="session")
def read_only(system: Running) -> World:
    """Return a world that all reading operations share, since making one takes longer than a request."""
    return World(system)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_every_answer_to_generated_requests_is_documented(
    system: Running, described: Any, read_only: World, method: str, path: str
) -> None:
    operation = described[path][method]
    world = read_only if method == "GET" else read_only.anew()
    cases = st.one_of(*[operation.as_strategy(generation_mode=mode) for mode in MODES])

    @examples(14, long=200, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, data=st.data())
    def fuzz(case: Any, data: st.DataObject) -> None:
        make_real(case, world, data)
        headers = world.headers(operation.definition.raw, as_new=path == SIGNS_OUT)
        time.sleep(PAUSES_S.get(path, 0))
        answer = case.call(base_url=system.stack["url"], headers=headers, timeout=PATIENCE_S)
        case.validate_response(answer, checks=CHECKS)

    fuzz()
