"""Test that the customer API gives every answer that its reference documents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from local.client import Running
from tests.e2e.contract import decided
from tests.e2e.contract.examples import EXAMPLES, documented, printed, shape
from tests.e2e.contract.rows import Row
from tests.e2e.contract.shapes import differences, faults, shape_of
from tests.e2e.contract.stage import PRICE, Person, Stage
from tests.e2e.contract.table import ROWS, exchange, public
from tests.support.template import resources

UNKNOWN = "6645920d-08cb-44f0-b8b3-a14dd918a7b0"
ENDPOINTS = sorted(EXAMPLES)


def routes() -> set[str]:
    """Return all routes of the template, written as in the table."""
    events = [event for each in resources("AWS::Serverless::Function").values() for event in each["Events"].values()]
    given = [event["Properties"] for event in events if event["Type"] == "Api"]
    return {f"{route['Method'].upper()} {route['Path']}" for route in given}


@pytest.fixture(scope="module")
def stage(system: Running, new_user: Callable[[str], str]) -> Stage:
    """Return the running system, with the price at which the order in the reference was placed."""
    stage = Stage(system, new_user)
    stage.paper.prices(BTC_USDT=PRICE)
    return stage


def test_the_table_has_each_documented_answer_once() -> None:
    rows = [(row.endpoint, row.kind) for row in ROWS]
    assert len(rows) == len(set(rows))
    assert set(rows) == documented()


def test_every_documented_endpoint_has_a_route() -> None:
    assert len(EXAMPLES) == 37
    assert EXAMPLES.keys() <= routes()


@pytest.mark.parametrize(
    "body",
    [
        {"id": "63d3aa7c-3fb0-4a4e-9249-4e1fee947de2", "at": "2022-09-09T01:57:36.304Z", "n": 1, "t": []},
        {"id": "63d3aa7c", "at": "2022-09-09T01:57:36.304Z", "n": 1},
        {"id": "63d3aa7c-3fb0-4a4e-9249-4e1fee947de2", "at": "2022-09-09T01:57:36Z", "n": 1},
        {"id": "63d3aa7c-3fb0-4a4e-9249-4e1fee947de2", "at": "2022-09-09T01:57:36.304Z", "n": "1"},
        {"id": "63d3aa7c-3fb0-4a4e-9249-4e1fee947de2", "at": "2022-09-09T01:57:36.304Z", "n": None},
        {"id": "63d3aa7c-3fb0-4a4e-9249-4e1fee947de2", "n": 1},
        [],
        None,
    ],
)
def test_the_comparison_detects_deviations(body: object) -> None:
    example = {"id": "46a19fb1-4e90-4736-b820-257c947fd694", "at": "2022-09-09T02:01:34.123Z", "n": 0.5}
    assert list(faults(shape_of([example], also={}), example)) == []
    assert list(faults(shape_of([example], also={}), body))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.endpoint} {row.kind}")
def test_an_answer_is_as_documented(stage: Stage, row: Row) -> None:
    answer = row.ask(stage)
    assert answer.status_code == row.status, answer.text
    assert answer.headers["x-request-id"]
    if row.kind == "204":
        assert answer.content == b""
        return
    assert list(faults(shape(row.endpoint, row.kind), answer.json())) == []
    if row.exact or row.kind != "200":
        body = answer.json()
        for name in decided.ADDED_FIELDS.get((row.endpoint, row.kind), ()):
            del body[name]
        assert list(differences(printed(row.endpoint, row.kind), body)) == []


def test_the_documented_risk_profiles_come_first(stage: Stage) -> None:
    # Other tests publish more risk profiles meanwhile.
    body = stage.stranger().got(public.PROFILES)
    expected = printed(public.PROFILES, "200")
    first = {"items": body["items"][: len(expected["items"])], "nextToken": None}
    assert list(differences(expected, first)) == []


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if "/priv/" in endpoint])
def test_without_a_token_a_private_endpoint_answers_401(stage: Stage, endpoint: str) -> None:
    answer = asked(stage.stranger(), endpoint, UNKNOWN)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if "request" in EXAMPLES[endpoint]])
@pytest.mark.parametrize("body", ["{", '{"symbol": NaN}', '[{"symbol": "BTC/USDT"}]', '"text"'])
def test_a_body_that_is_no_json_object_answers_400(stage: Stage, endpoint: str, body: str) -> None:
    # The unknown id shows that the body is checked first.
    answer = stage.demo().ask(endpoint, body, id=UNKNOWN)
    assert (answer.status_code, answer.json().keys()) == (400, {"message"})


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if "{id}" in endpoint])
def test_an_unknown_id_answers_404(stage: Stage, endpoint: str) -> None:
    answer = asked(stage.demo(), endpoint, UNKNOWN)
    assert (answer.status_code, answer.json()) == (404, {"message": "route not found"})


def asked(person: Person, endpoint: str, id: str) -> requests.Response:
    """Send the request example of an endpoint with an id."""
    query = {"symbol": "BTC/USDT"} if endpoint in exchange.READS else {}
    return person.ask(endpoint, EXAMPLES[endpoint].get("request"), id=id, **query)
