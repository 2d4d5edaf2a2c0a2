"""Time-outs of AWS clients, and which AWS errors count as an outage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from purser.aws import health
from purser.aws.clients import client, translated
from purser.aws.cognito import cognito
from purser.bootstrap.exchanges import budget_table
from purser.errors import Unavailable
from purser.exchanges.budget import DROPPED_MS
from purser.process import forget
from purser.settings import settings
from tests.support.template import functions

TIME_OUTS = [function["Timeout"] for function in functions().values()]


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("VENUES_TABLE", "Venues")
    for endpoint in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(endpoint, raising=False)
    forget(client, settings)
    yield
    forget(client, settings)


def longest_wait(client: Any) -> float:
    """Return the seconds until a client gives up on a service that never answers."""
    config = client.meta.config
    tries = config.retries["total_max_attempts"]
    # Before each retry the SDK waits at most 1 s, 2 s, 4 s
    # (https://docs.aws.amazon.com/boto3/latest/guide/retries.html).
    return float(tries * config.read_timeout + sum(2**retry for retry in range(tries - 1)))


@pytest.mark.parametrize("service", ["dynamodb", "kms", "secretsmanager", "sqs"])
def test_a_service_that_hangs_times_out_before_any_function(service: str) -> None:
    assert longest_wait(client(service)) < min(TIME_OUTS)
    assert client(service).meta.config.retries["total_max_attempts"] > 1


def test_cognito_times_out_before_any_function() -> None:
    assert longest_wait(cognito()) < min(TIME_OUTS)


def test_a_table_of_the_weight_budget_that_hangs_delays_a_closing_by_less_than_a_second() -> None:
    config = budget_table()._client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert DROPPED_MS / 1000 + config.connect_timeout + config.read_timeout < 1, "a second request included"


@pytest.mark.parametrize(
    "code",
    [
        "DependencyTimeoutException",
        "InternalServerError",
        "InternalServiceError",
        "KeyUnavailableException",
        "RequestThrottled",
        "ThrottlingException",
    ],
)
def test_transient_aws_errors_are_an_outage(code: str) -> None:
    with pytest.raises(Unavailable), translated():
        raise ClientError({"Error": {"Code": code}}, "Anything")


def test_a_read_timeout_is_an_outage() -> None:
    with pytest.raises(Unavailable), translated():
        raise ReadTimeoutError(endpoint_url="https://example.com")


@pytest.mark.parametrize("code", ["AccessDeniedException", "DisabledException", "ValidationException"])
def test_permanent_aws_errors_are_not_an_outage(code: str) -> None:
    with pytest.raises(ClientError), translated():
        raise ClientError({"Error": {"Code": code}}, "Anything")


class Together:
    """A service that answers only when this many requests arrive at the same time."""

    def __init__(self, number: int) -> None:
        self.met = threading.Barrier(number, timeout=60)
        self.down: set[str] = set()

    def describe_table(self, **table: str) -> dict[str, Any]:
        self.met.wait()
        return {"Table": {"TableStatus": "DELETING" if table["TableName"] in self.down else "ACTIVE"}}

    def get_queue_attributes(self, **_: Any) -> None:
        self.met.wait()


def test_tables_and_queues_are_checked_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Together(4)
    monkeypatch.setattr(health, "client", lambda *_, **__: service)
    names = ["accounts", "keys", "snapshots", "idempotency"]
    health.queues_check(names)()
    check = health.tables_check(names)
    check()
    service.down = {"snapshots"}
    with pytest.raises(health.NotReady, match="DELETING"):
        check()
