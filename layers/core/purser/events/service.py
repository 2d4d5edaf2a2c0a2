"""Publishing: every change's events, in order, at least once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from purser.errors import Unavailable
from purser.events.model import Change, Event, Readings, events_of


class Bus(Protocol):
    """Where events go."""

    def put(self, events: Sequence[Event]) -> Sequence[Event]:
        """Takes at most ``BATCH`` events, in any order. Returns those that it did not take.

        Raises:
            Unavailable: it is not known to have taken any.
        """


class Telemetry(Protocol):
    """What operators see."""

    def unreadable(self, change: Change, error: Exception) -> None:
        """A change could not be read: a bug, and nothing after it is published."""

    def delayed(self, count: int) -> None:
        """So many events could not be published now."""


BATCH = 10
"""Events in one request, as EventBridge has it."""


class Publisher:
    """The use case."""

    def __init__(self, bus: Bus, telemetry: Telemetry, readings: Readings) -> None:
        self._bus = bus
        self._readings = readings
        self._telemetry = telemetry

    def publish(self, changes: Iterable[Change]) -> str | None:
        """Publishes what changes are, in their order, up to the first that can't be read or published.

        Returns:
            The ``sequence`` of the first change of which an event is left, None when none is. From there on, all are
            to come again: an event of a later change may then be published twice, under the same id.
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
            except Exception as error:  # whatever is wrong with it, those before it are to be published
                self._telemetry.unreadable(change, error)
                return events, change.sequence
        return events, None

    def _send(self, events: Sequence[Event]) -> Sequence[Event]:
        """Sends events; those from the first that was not taken on are left."""
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
    """Events in batches, of which none has two of one item: the second would be taken where the first is refused."""
    batch: list[Event] = []
    for event in events:
        if len(batch) == BATCH or any(event.item == other.item for other in batch):
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch
