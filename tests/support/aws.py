"""A worker's account at the shared services: the tables of ``template.yaml``, a key, queues.

The tests of a worker share them, and use fresh ids to stay apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.support.template import resources

TABLE_PROPERTIES = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


@dataclass(frozen=True)
class Aws:
    """The names of the worker's AWS resources. The environment points every boto3 client at them."""

    tables: dict[str, str]
    credential_key_id: str
    snapshot_queue_url: str
    cancellation_queue_url: str
    billing_queue_url: str
    backfill_queue_url: str
    order_reconciler_queue_url: str
    signal_event_queue_url: str
    signal_queue_url: str
    execution_queue_url: str
    booking_queue_url: str


@contextmanager
def account() -> Iterator[Aws]:
    """Create the tables, the key and the queues, and name them in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        names = ("snapshots", "cancellations", "billing", "backfills", "orders", "signal-events", "signals")
        queues = map(_queue, (*names, "executions", "bookings"))
        aws_stack = Aws(_tables(), _key(), *queues)
        for name, table in aws_stack.tables.items():
            patch.setenv(name, table)
        patch.setenv("CREDENTIAL_KEY_ID", aws_stack.credential_key_id)
        patch.setenv("SNAPSHOT_QUEUE_URL", aws_stack.snapshot_queue_url)
        patch.setenv("CANCELLATION_QUEUE_URL", aws_stack.cancellation_queue_url)
        patch.setenv("BILLING_QUEUE_URL", aws_stack.billing_queue_url)
        patch.setenv("BACKFILL_QUEUE_URL", aws_stack.backfill_queue_url)
        patch.setenv("ORDER_RECONCILER_QUEUE_URL", aws_stack.order_reconciler_queue_url)
        patch.setenv("SIGNAL_EVENT_QUEUE_URL", aws_stack.signal_event_queue_url)
        patch.setenv("SIGNAL_QUEUE_URL", aws_stack.signal_queue_url)
        patch.setenv("EXECUTION_QUEUE_URL", aws_stack.execution_queue_url)
        patch.setenv("BOOKING_QUEUE_URL", aws_stack.booking_queue_url)
        yield aws_stack


def put_items(table: str, items: Iterable[dict[str, Any]]) -> None:
    """Write items in large batches."""
    with boto3.resource("dynamodb").Table(table).batch_writer() as writer:
        for item in items:
            writer.put_item(Item=item)


def _tables() -> dict[str, str]:
    client = boto3.client("dynamodb")
    names = {}
    for logical_id, properties in resources("AWS::DynamoDB::Table").items():
        given = {name: properties[name] for name in TABLE_PROPERTIES if name in properties}
        client.create_table(TableName=logical_id, **given)
        # A function knows KeysTable as KEYS_TABLE.
        names[logical_id.removesuffix("Table").upper() + "_TABLE"] = logical_id
    return names


def _key() -> str:
    key_id: str = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return key_id


def _queue(name: str) -> str:
    url: str = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url
