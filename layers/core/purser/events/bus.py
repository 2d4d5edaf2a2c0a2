"""The bus on EventBridge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from purser.aws.events import EventBus
from purser.events.model import SOURCE, VERSION, Event


def detail_of(event: Event) -> dict[str, Any]:
    """The ``detail`` that subscribers read (``docs/events.md``)."""
    return {
        "version": VERSION,
        "id": event.id,
        "sequence": event.sequence,
        "time": f"{_instant(event):%Y-%m-%dT%H:%M:%SZ}",
        "data": event.data,
    }


class EventBridge:
    """The bus on EventBridge."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def put(self, events: Sequence[Event]) -> Sequence[Event]:
        """One request. Returns those that were not taken, if any."""
        refused = self._bus.put([_entry(event) for event in events])
        return [events[i] for i in refused]


def _entry(event: Event) -> dict[str, Any]:
    return {
        "Source": SOURCE,
        "DetailType": event.type,
        "Time": _instant(event),
        "Detail": json.dumps(detail_of(event), separators=(",", ":")),
    }


def _instant(event: Event) -> datetime:
    return datetime.fromtimestamp(event.time // 1000, UTC)
