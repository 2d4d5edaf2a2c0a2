"""The event bus on EventBridge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from purser.aws.clients import client, translated
from purser.events.model import SOURCE, VERSION, Event
from purser.retrying import backoff

TRIES = 4


def detail_of(event: Event) -> dict[str, Any]:
    """Return the ``detail`` that subscribers read (``docs/events.md``)."""
    return {
        "version": VERSION,
        "id": event.id,
        "sequence": event.sequence,
        "time": f"{_instant(event):%Y-%m-%dT%H:%M:%SZ}",
        "data": event.data,
    }


class EventBridge:
    """The bus on EventBridge."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, events: Sequence[Event]) -> Sequence[Event]:
        """Publish events, and send refused ones a few times more."""
        left = events
        for attempt in range(TRIES):
            if attempt:
                backoff(attempt)
            left = self._put(left)
            if not left:
                break
        return left

    def _put(self, events: Sequence[Event]) -> Sequence[Event]:
        with translated():
            answer = client("events").put_events(Entries=[self._entry(event) for event in events])
        results = zip(events, answer["Entries"], strict=True)
        return [event for event, result in results if "ErrorCode" in result]

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": event.type,
            "Time": _instant(event),
            "Detail": json.dumps(detail_of(event), separators=(",", ":")),
        }


def _instant(event: Event) -> datetime:
    return datetime.fromtimestamp(event.time // 1000, UTC)
