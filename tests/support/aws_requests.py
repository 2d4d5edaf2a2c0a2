"""Watch and disturb what this process sends to AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from purser.aws.clients import client


@contextmanager
def aws_requests(*services: str) -> Iterator[list[str]]:
    """Record the requests to AWS services, each as service and operation: ``dynamodb.GetItem``."""
    sent: list[str] = []

    def note(event_name: str, **_: Any) -> None:
        sent.append(event_name.removeprefix("before-send."))

    events = [client(service).meta.events for service in services]
    for each in events:
        each.register("before-send", note)
    try:
        yield sent
    finally:
        for each in events:
            each.unregister("before-send", note)


@contextmanager
def first_answers_lost(operation: str) -> Iterator[list[int]]:
    """Lose the first answer to each call of a DynamoDB operation, so that the SDK sends it again.

    Yields the number of the attempt of each request.
    """
    attempts_made: list[int] = []

    def lose(attempts: int, **_: Any) -> int | None:
        attempts_made.append(attempts)
        return 0 if attempts == 1 else None

    events = client("dynamodb").meta.events
    events.register_first(f"needs-retry.dynamodb.{operation}", lose)
    try:
        yield attempts_made
    finally:
        events.unregister(f"needs-retry.dynamodb.{operation}", lose)
