"""Real services for integration tests, one set for each pytest worker: DynamoDB Local, moto, the paper exchange.

Tables come from ``template.yaml``. Tests share them and keep apart by fresh ids.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local import dynamodb
from local.paper import PaperExchange
from tests.support.paper import Paper
from tests.support.template import resources

REGION = "us-east-1"
NO_LIMIT = 10**9
TABLE_PROPERTIES = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


@dataclass(frozen=True)
class Aws:
    """What the services are called. The environment points every boto3 client at them."""

    tables: dict[str, str]
    credential_key_id: str
    snapshot_queue_url: str
    cancellation_queue_url: str
    billing_queue_url: str
    backfill_queue_url: str


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """DynamoDB Local with the template's tables, and moto for the rest."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    moto_url = f"http://127.0.0.1:{moto.get_host_and_port()[1]}"
    with dynamodb.serve() as dynamodb_url, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": moto_url,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7LOCAL",
            "AWS_SECRET_ACCESS_KEY": "local",
        }.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        queues = map(_queue, ("snapshots", "cancellations", "billing", "backfills"))
        made = Aws(_tables(), _key(), *queues)
        for name, table in made.tables.items():
            patch.setenv(name, table)
        patch.setenv("CREDENTIAL_KEY_ID", made.credential_key_id)
        patch.setenv("SNAPSHOT_QUEUE_URL", made.snapshot_queue_url)
        patch.setenv("CANCELLATION_QUEUE_URL", made.cancellation_queue_url)
        patch.setenv("BILLING_QUEUE_URL", made.billing_queue_url)
        patch.setenv("BACKFILL_QUEUE_URL", made.backfill_queue_url)
        yield made
    moto.stop()


def _tables() -> dict[str, str]:
    client = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    names = {}
    for logical_id, properties in resources("AWS::DynamoDB::Table").items():
        given = {name: properties[name] for name in TABLE_PROPERTIES if name in properties}
        client.create_table(TableName=logical_id, **given)
        # KeysTable is what a function knows as KEYS_TABLE.
        names[logical_id.removesuffix("Table").upper() + "_TABLE"] = logical_id
    return names


def _key() -> str:
    key_id: str = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return key_id


def _queue(name: str) -> str:
    url: str = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url


@pytest.fixture(scope="session")
def _paper_server(aws: Aws) -> Iterator[Paper]:
    from purser.exchanges import ccxt_gateway

    exchange = PaperExchange()
    with exchange.serve() as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXCHANGE_ENDPOINT", served.url)
        for kind in ccxt_gateway.VENUE_WEIGHT_PER_MINUTE:  # tests don't wait for their turn
            patch.setitem(ccxt_gateway.VENUE_WEIGHT_PER_MINUTE, kind, NO_LIMIT)
        paper = Paper(served.url)
        paper.limits(spot=NO_LIMIT, futures=NO_LIMIT)
        yield paper
    exchange.close()


@pytest.fixture
def paper(_paper_server: Paper) -> Iterator[Paper]:
    """The worker's paper exchange; faults end with the test. ``EXCHANGE_ENDPOINT`` leads to it."""
    yield _paper_server
    _paper_server.clear_faults()
