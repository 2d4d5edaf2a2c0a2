"""Events: changes of the tables' items. ``docs/events.md`` is the list for those who subscribe.

An event tells what one write did to one item, and is made of that write alone: what was not written is never told,
what was written cannot be forgotten. Attributes get into events one by one, by name: a new attribute of an item is in
no event until somebody puts it there. What is secret, identifies a person or is a user's own text (but for a trading
account's name) has no place in one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

SOURCE = "purser"
VERSION = 1
"""Of what ``data`` holds, for all types: a field that is taken away or means something else makes the next one."""

Image = dict[str, Any]
Found = Iterator[tuple[str, dict[str, Any]]]
"""Events as their type and their data."""

Reading = Callable[[Image | None, Image | None], Found]
Readings = Mapping[tuple[str, str], Reading]
"""How items are read, by what their keys begin with. All others are bookkeeping."""

State = TypeVar("State")


def reading(decode: Callable[[Image], State], changed: Callable[[State | None, State | None], Found]) -> Reading:
    """Return how items are read that ``decode`` turns into what ``changed`` knows."""

    def read(before: Image | None, after: Image | None) -> Found:
        return changed(decode(before) if before else None, decode(after) if after else None)

    return read


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did to an item: its images before and after, None where it was not there.

    ``id`` and ``sequence`` are those of the stream's record: the same however often it is delivered; of one item's
    changes, the later has the greater ``sequence`` (a decimal number). ``time`` is Unix milliseconds.
    """

    id: str
    sequence: str
    time: int
    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of state. ``item`` is whose: events of one item are told in their order."""

    type: str
    id: str
    sequence: str
    time: int
    item: str
    data: Mapping[str, Any]


def events_of(change: Change, readings: Readings) -> list[Event]:
    """The events that a change is; none for bookkeeping."""
    image = change.after or change.before or {}
    item = f"{image['PK']} {image['SK']}"
    read = readings.get((image["PK"].partition("#")[0], image["SK"].partition("#")[0]))
    return [
        Event(kind, _event_id(change, kind), change.sequence, change.time, item, data)
        for kind, data in (read(change.before, change.after) if read else ())
    ]


def _event_id(change: Change, kind: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"purser:event:{change.id}:{kind}"))
