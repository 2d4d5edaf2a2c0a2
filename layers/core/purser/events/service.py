"""Publishing of events, in order and at least once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from purser.errors import Unavailable
from purser.events.model import Change, Event, Readings, events_of


class Bus(Protocol):
    """The event bus."""

    def put(self, events: Sequence[Event]) -> Sequence[Event]:
        """Send at most ``BATCH`` events. Return the refused ones. Raises ``Unavailable`` if it is unknown which."""


class Telemetry(Protocol):
    """Logs and metrics."""

    def unreadable(self, change: Change, error: Exception) -> None:
        """A change cannot be read, which is a bug. Nothing after it is published."""

    def delayed(self, count: int) -> None:
        """Events could not be published now."""


BATCH = 10
"""The events of one request (EventBridge's limit)."""


class Publisher:
    """The use case."""

    def __init__(self, bus: Bus, telemetry: Telemetry, readings: Readings) -> None:
        self._bus = bus
        self._readings = readings
        self._telemetry = telemetry

    def publish(self, changes: Iterable[Change]) -> str | None:
        """Publish the events of changes, in order, up to the first that cannot be read or published.

        Returns:
            The ``sequence`` of the first change with an unpublished event, or None. All changes from there on must be
            published again. Some of their events may then be published twice, under the same id.
        """
        events, unreadable = self._read(changes)
        left = self._send(events)
        if left:
            self._telemetry.delayed(len(left))
            return left[0].sequence
        return unreadable

    def _read(self, changes: Iterable[Change]) -> tuple[list[Event], str | None]:
        events: list[Event] = []
        for change in changes:
            try:
                events += events_of(change, self._readings)
            except Exception as error:  # whatever it is, earlier changes must be published
                self._telemetry.unreadable(change, error)
                return events, change.sequence
        return events, None

    def _send(self, events: Sequence[Event]) -> Sequence[Event]:
        """Send events. Return the rest from the first refused one on."""
        sent = 0
        for batch in batches(events):
            try:
                refused = self._bus.put(batch)
            except Unavailable:
                return events[sent:]
            if refused:
                return events[sent + min(map(batch.index, refused)) :]
            sent += len(batch)
        return []


def batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Split events into batches without two of one item, because only the first of them might be refused."""
    batch: list[Event] = []
    for event in events:
        if len(batch) == BATCH or any(event.item == other.item for other in batch):
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch
