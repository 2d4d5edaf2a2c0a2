"""SQS queues."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from purser.aws.clients import client, translated
from purser.errors import Unavailable

SEND_LIMIT = 10
LONGEST_VISIBILITY_S = 43_200


class Queue:
    """One queue of JSON messages. Methods raise ``purser.errors.Unavailable`` in an outage."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, messages: Iterable[Mapping[str, Any]], *, delay_s: int = 0) -> int:
        """Send messages in requests of ten, streaming. Return how many were sent.

        Raises:
            Unavailable: the queue did not take all messages of a request. Earlier requests are sent.
        """
        sent = 0
        stream = iter(messages)
        while batch := list(islice(stream, SEND_LIMIT)):
            self._send_batch(batch, delay_s)
            sent += len(batch)
        return sent

    def _send_batch(self, batch: list[Mapping[str, Any]], delay_s: int) -> None:
        entries = [
            {"Id": str(i), "MessageBody": json.dumps(message), "DelaySeconds": delay_s}
            for i, message in enumerate(batch)
        ]
        with translated():
            answer = client("sqs").send_message_batch(QueueUrl=self._url, Entries=entries)
        if answer.get("Failed"):
            raise Unavailable

    def postpone(self, receipt_handles: Sequence[str], seconds: float) -> None:
        """Hide received messages, ten at most, for so many seconds before they are delivered again."""
        visibility = max(0, min(int(seconds) + 1, LONGEST_VISIBILITY_S))
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": visibility}
            for number, handle in enumerate(receipt_handles)
        ]
        with translated():
            answer = client("sqs").change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        if answer.get("Failed"):
            raise Unavailable
