"""Test each function with its sample event, as ``make invoke`` and ``sam local invoke`` send it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.client import Running
from tests.support.template import ROOT, resources

FUNCTIONS = {name: ROOT / properties["CodeUri"] for name, properties in resources("AWS::Serverless::Function").items()}
# The sample caller has no plan and no key, so some requests find nothing. The secrets and
# signatures of the webhooks' samples are not valid.
STATUSES = {
    "Exchange": 404,
    "StrategyAutomated": 404,
    "RouteNotFound": 404,
    "SignalWebhook": 401,
    "StripeWebhook": 400,
    "WalletTransaction": 404,
}


def invoked(system: Running, name: str) -> Any:
    event = json.loads((ROOT / "events" / f"{FUNCTIONS[name].name}.json").read_text())
    result = system.invoke(name, event)
    assert not result.get("error"), result
    return json.loads(result["output"])


def triggers(name: str) -> set[str]:
    return {event["Type"] for event in resources("AWS::Serverless::Function")[name]["Events"].values()}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if triggers(name) == {"Api"}])
@pytest.mark.usefixtures("demo_data")
def test_a_sample_request_is_answered(system: Running, name: str) -> None:
    answer = invoked(system, name)
    assert answer["statusCode"] == STATUSES.get(name, 200), answer["body"]
    assert answer["multiValueHeaders"]["x-request-id"]


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if triggers(name) == {"SQS"} or triggers(name) == {"DynamoDB"}]
)
def test_sample_messages_are_acknowledged(system: Running, name: str) -> None:
    assert invoked(system, name) == {"batchItemFailures": []}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not triggers(name) & {"Api", "SQS", "DynamoDB"}])
def test_a_sample_schedule_runs(system: Running, name: str) -> None:
    assert isinstance(invoked(system, name), dict)
