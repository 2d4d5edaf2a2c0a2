"""What functions are given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol


class Queued(Protocol):
    """What goes through a queue."""

    @property
    def message(self) -> dict[str, str]:
        """What the queue carries."""


def batch(work: Sequence[Queued]) -> dict[str, Any]:
    """The SQS event that delivers some work for the first time."""
    return {"Records": [_record(number, json.dumps(item.message)) for number, item in enumerate(work)]}


def _record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"r{number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
        "awsRegion": "us-east-1",
    }
