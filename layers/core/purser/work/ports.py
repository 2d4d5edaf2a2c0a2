"""The ports of work. Stores and queues may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from purser.work.model import WorkItem

T = TypeVar("T", bound=WorkItem)


class WorkTelemetry(Protocol):
    """Telemetry of work items, for operators: log lines and metrics by kind. ``now`` is in Unix ms."""

    def done(self, item: WorkItem, now: int) -> None:
        """Report an item that is done."""

    def retried(self, item: WorkItem, now: int) -> None:
        """Report a failed attempt at an item that will be repeated."""

    def dead(self, item: WorkItem, now: int) -> None:
        """Report an item whose last attempt has failed. It waits for an operator."""

    def failed(self, item: WorkItem, now: int) -> None:
        """Report an item that has ended undone: it is past its deadline, or cannot succeed any more."""


class ItemStore(Protocol[T]):
    """The items of one kind, by their keys."""

    def get(self, *key: str) -> T | None:
        """Return an item as it is now, or None when it is done."""

    def advance(self, after: T) -> bool:
        """Write the next version of an item; return False when the item is no longer at the version before."""


class WorkStore(ItemStore[T], Protocol):
    """The store of the items of one kind. The write that makes the work necessary also stores its item."""

    def due(self, now: int, *, queue_is_empty: bool = False) -> Iterator[T]:
        """Yield the items for which ``is_due`` holds, longest due first."""

    def finish(self, item: T) -> bool:
        """Delete an item that is done; return False when it has changed since it was read."""

    def expire(self, item: T) -> bool:
        """End an item that is past its deadline; return False when it was not ended, or not by this call."""
