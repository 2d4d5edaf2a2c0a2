"""Batches of DynamoDB stream records, as Lambda delivers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBStreamEvent, StreamRecord

from purser.events.model import Change

_decode = TypeDeserializer().deserialize


def follow(event: dict[str, Any], publish: Callable[[Iterable[Change]], str | None]) -> dict[str, Any]:
    """Publish the changes of an event. Return Lambda's partial batch response, with the first record to repeat."""
    left = publish(changes_in(event))
    return {"batchItemFailures": [{"itemIdentifier": left}] if left else []}


def changes_in(event: dict[str, Any]) -> Iterator[Change]:
    """Yield the changes in an event, in order."""
    for record in DynamoDBStreamEvent(event).records:
        written = StreamRecord(record["dynamodb"])
        yield Change(
            id=record["eventID"],
            sequence=written["SequenceNumber"],
            time=int(written["ApproximateCreationDateTime"]) * 1000,
            before=_image(written, "OldImage"),
            after=_image(written, "NewImage"),
        )


class StreamImage(Mapping[str, Any]):
    """An item in a stream record. An attribute is decoded when it is read, so a broken one harms only its readers."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._attributes = attributes

    def __getitem__(self, name: str) -> Any:
        return _decode(self._attributes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __contains__(self, name: object) -> bool:
        return name in self._attributes


def _image(written: StreamRecord, name: str) -> StreamImage | None:
    return StreamImage(written[name]) if written.get(name) else None
