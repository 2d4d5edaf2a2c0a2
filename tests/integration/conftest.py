"""Each worker's account at the shared services: tables of ``template.yaml``, a key, queues, an exchange.

The tests of a worker share them, and keep apart by fresh ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from tests.support.paper import Paper
from tests.support.template import resources

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
def aws(dynamodb: str, moto: str) -> Iterator[Aws]:
    """The worker's account: the template's tables, a key and queues."""
    with pytest.MonkeyPatch.context() as patch:
        queues = map(_queue, ("snapshots", "cancellations", "billing", "backfills"))
        aws_stack = Aws(_tables(), _key(), *queues)
        for name, table in aws_stack.tables.items():
            patch.setenv(name, table)
        patch.setenv("CREDENTIAL_KEY_ID", aws_stack.credential_key_id)
        patch.setenv("SNAPSHOT_QUEUE_URL", aws_stack.snapshot_queue_url)
        patch.setenv("CANCELLATION_QUEUE_URL", aws_stack.cancellation_queue_url)
        patch.setenv("BILLING_QUEUE_URL", aws_stack.billing_queue_url)
        patch.setenv("BACKFILL_QUEUE_URL", aws_stack.backfill_queue_url)
        yield aws_stack


def _tables() -> dict[str, str]:
    client = boto3.client("dynamodb")
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
def _paper_server(aws: Aws, paper_world: str) -> Iterator[Paper]:
    from purser.exchanges import ccxt_gateway

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXCHANGE_ENDPOINT", paper_world)
        for kind in ccxt_gateway.VENUE_WEIGHT_PER_MINUTE:  # tests don't wait for their turn
            patch.setitem(ccxt_gateway.VENUE_WEIGHT_PER_MINUTE, kind, NO_LIMIT)
        paper = Paper(paper_world)
        paper.limits(spot=NO_LIMIT, futures=NO_LIMIT)
        yield paper


@pytest.fixture
def paper(_paper_server: Paper) -> Iterator[Paper]:
    """The worker's paper exchange; faults end with the test. ``EXCHANGE_ENDPOINT`` leads to it."""
    yield _paper_server
    _paper_server.clear_faults()
