"""Events for the functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol


class Queued(Protocol):
    """Work that goes through a queue."""

    @property
    def message(self) -> dict[str, str]:
        """The queue message."""


def batch(work: Sequence[Queued]) -> dict[str, Any]:
    """Return the SQS event that delivers work for the first time."""
    return bodies([item.message for item in work])


def bodies(messages: Sequence[Any]) -> dict[str, Any]:
    """Return the SQS event that delivers messages for the first time."""
    return {"Records": [_record(number, json.dumps(message)) for number, message in enumerate(messages)]}


def _record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"r{number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
        "awsRegion": "us-east-1",
    }
