"""Events about changes of the tables' items. ``docs/events.md`` lists them for subscribers.

An event is derived from one write to one item, so no event is lost or invented. Attributes get into events by name: a
new attribute is in no event until it is added. Secrets, personal data and users' own texts (except the names of trading
accounts) never are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SOURCE = "purser"
VERSION = 1
"""The version of ``data`` for all types. It advances when a field is removed or changes its meaning."""

Image = Mapping[str, Any]
Found = Iterator[tuple[str, dict[str, Any]]]
"""Types and data of events."""

Reading = Callable[[Image | None, Image | None], Found]
Readings = Mapping[tuple[str, str], Reading]
"""The functions that read items, by the prefixes of their keys. Other items make no events."""


@dataclass(frozen=True, slots=True)
class Change:
    """A write to an item, with its images before and after, None if it did not exist.

    ``id`` and ``sequence`` are the stream record's, the same in every delivery. A later change of an item has a greater
    ``sequence`` (a decimal number). ``time`` is Unix milliseconds.
    """

    id: str
    sequence: str
    time: int
    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of state of an ``item``, whose events are published in order."""

    type: str
    id: str
    sequence: str
    time: int
    item: str
    data: Mapping[str, Any]


def events_of(change: Change, readings: Readings) -> list[Event]:
    """Return the events of a change, possibly none."""
    image = change.after or change.before or {}
    item = f"{image['PK']} {image['SK']}"
    read = readings.get((image["PK"].partition("#")[0], image["SK"].partition("#")[0]))
    return [
        Event(kind, _event_id(change, kind), change.sequence, change.time, item, data)
        for kind, data in (read(change.before, change.after) if read else ())
    ]


def _event_id(change: Change, kind: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"purser:event:{change.id}:{kind}"))
