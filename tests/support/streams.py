"""Tables with streams, and the delivery of their records as Lambda does it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from local.functions.stream_records import as_lambda_has_it
from purser.aws import clients
from purser.aws.tables import Table
from tests.support.crashes import Killed
from tests.support.template import resources

SHAPE = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def new_table(logical_id: str) -> Table:
    """Create a table and stream as in the template, under a new name."""
    properties = resources("AWS::DynamoDB::Table")[logical_id]
    given = {name: properties[name] for name in SHAPE if name in properties}
    stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
    name = f"{logical_id}-{uuid.uuid4()}"
    clients.client("dynamodb").create_table(TableName=name, StreamSpecification=stream, **given)
    return Table(name)


def records(table: Table) -> list[dict[str, Any]]:
    """Return all records of the stream of a table, oldest first, in Lambda's format."""
    arn = clients.client("dynamodb").describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    streams = _client()
    found: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            if not page["Records"]:
                break
            found += [as_lambda_has_it(record, arn) for record in page["Records"]]
            iterator = page.get("NextShardIterator")
    return found


def _client() -> Any:
    """Return a client of streams, which DynamoDB Local serves at the endpoint of its tables."""
    import boto3

    endpoint = clients.client("dynamodb").meta.endpoint_url
    return boto3.client("dynamodbstreams", endpoint_url=endpoint)


def as_lambda_does(
    handler: Callable[[dict[str, Any], Any], dict[str, Any]], stream: list[dict[str, Any]], size: int = 100
) -> int:
    """Deliver the records of a stream until all are done, each time from the first failed one.

    A call that raises counts as killed, with nothing done. Returns the number of calls.
    """
    calls = 0
    while stream:
        calls += 1
        assert calls < 1000, "it never comes to an end"
        batch = stream[:size]
        try:
            failures = handler({"Records": batch}, None)["batchItemFailures"]
        except Killed:
            continue
        sequences = [record["dynamodb"]["SequenceNumber"] for record in batch]
        done = min((sequences.index(each["itemIdentifier"]) for each in failures), default=len(batch))
        stream = stream[done:]
    return calls
