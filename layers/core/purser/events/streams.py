"""Batches of DynamoDB stream records, as Lambda delivers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBStreamEvent, StreamRecord

from purser.events.model import Change


def follow(event: dict[str, Any], publish: Callable[[Iterable[Change]], str | None]) -> dict[str, Any]:
    """Publish the changes of an event. Return Lambda's partial batch response, with the first record to repeat."""
    left = publish(changes_in(event))
    return {"batchItemFailures": [{"itemIdentifier": left}] if left else []}


def changes_in(event: dict[str, Any]) -> Iterator[Change]:
    """Yield the changes in an event, in order. Each is decoded when it is taken."""
    for record in DynamoDBStreamEvent(event).records:
        written = StreamRecord(record["dynamodb"])
        yield Change(
            id=record["eventID"],
            sequence=written["SequenceNumber"],
            time=int(written["ApproximateCreationDateTime"]) * 1000,
            before=written.old_image or None,
            after=written.new_image or None,
        )
