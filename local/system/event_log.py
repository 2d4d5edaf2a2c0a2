"""Write the events on the bus into a file as they come, from a queue that is subscribed to all of them."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.aws import Signal, has_messages
from local.cloud.provision import EVENTS_QUEUE
from local.doubles.kit import files

RECEIVE_MAX = 10
IDLE_SECONDS = 1.0


class EventLog:
    """Moves the messages of the events queue into a file, one event a line, newest last."""

    def __init__(self, sqs: Any, sent: Signal, file: Path) -> None:
        self._sqs = sqs
        self._sent = sent
        self._file = file
        self._url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to write, in a thread."""
        files.set_aside(self._file)
        self._file.touch(mode=0o600)
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def stop(self) -> None:
        """Stop writing."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            seen = self._sent.count
            try:
                if not self._move():
                    self._sent.wait(seen, IDLE_SECONDS)
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(IDLE_SECONDS):
                    print(f"events cannot be shown: {error}", file=sys.stderr, flush=True)

    def _move(self) -> int:
        if not has_messages(self._url):
            return 0
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=RECEIVE_MAX)
        messages = answer.get("Messages", [])
        if messages:
            with self._file.open("a") as file:
                file.writelines(f"{json.dumps(_shown(json.loads(message['Body'])))}\n" for message in messages)
            entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return len(messages)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an event that a subscriber reads."""
    return {name: event[name] for name in ("source", "detail-type", "time", "detail")}
