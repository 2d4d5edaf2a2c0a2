"""Queue what is due: what was never queued, what the queue has lost, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Generic, Protocol

from purser.ports import Sender
from purser.work.ports import T, WorkStore

LONGEST_DELAY_S = 900
"""A queue delays a message for no longer."""


class Sweep(Protocol):
    """The sweeper of one kind."""

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Queue what is due; return how many."""


class Sweeper(Generic[T]):
    """Queues the items of one kind that are due. It needs no credentials and calls no exchange.

    ``now`` gives Unix milliseconds, ``patience_ms`` is for how long a message that was sent is trusted to arrive. A
    sweep queues at most ``most`` items, ``spacing_ms`` apart.
    """

    def __init__(
        self,
        store: WorkStore[T],
        queue: Sender,
        now: Callable[[], int],
        patience_ms: int,
        *,
        most: int | None = None,
        spacing_ms: int = 0,
    ) -> None:
        self._store = store
        self._queue = queue
        self._now = now
        self._patience_ms = patience_ms
        self._most = most
        self._spacing_ms = spacing_ms

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Queue each item that is due, longest due first, and end those whose time is over.

        Args:
            queue_is_empty: the queue is known to have lost everything, so nothing has to wait until it is due.

        Returns:
            How many were queued.

        Raises:
            ExceptionGroup: some could not be ended; all others were dealt with.
            Unavailable: something is down; the next sweep continues.
        """
        now = self._now()
        due = list(islice(self._store.due(now, hurry=queue_is_empty), self._most))
        # These first: a queue that is down must not lengthen the life of what is over.
        failures = self._end(item for item in due if item.is_over(now))
        queued = self.send(item for item in due if not item.is_over(now))
        if failures:
            raise ExceptionGroup("work whose time is over could not be ended", failures)
        return queued

    def send(self, items: Iterable[T]) -> int:
        """Queue items that have not changed since they were read; return how many."""
        places = groupby(enumerate(self._claimed(items)), lambda place: place[0] * self._spacing_ms // 1000)
        return sum(
            self._queue.send((item.message for _, item in batch), delay_s=min(delay_s, LONGEST_DELAY_S))
            for delay_s, batch in places
        )

    def _claimed(self, items: Iterable[T]) -> Iterator[T]:
        # Claimed before it is sent: a message that is not sent after all is made up for when it is due again.
        return (item for item in items if self._store.advance(item.queued(self._now() + self._patience_ms)))

    def _end(self, items: Iterable[T]) -> list[Exception]:
        failures: list[Exception] = []
        for item in items:
            try:
                self._store.expire(item)
            except Exception as error:
                failures.append(error)
        return failures


def sweep_all(sweepers: Mapping[str, Callable[[], Sweep]], *, queue_is_empty: bool = False) -> dict[str, int]:
    """Sweep each kind, whatever happens to the others; return how many of each were queued.

    Raises:
        ExceptionGroup: sweeps failed; the others were made nevertheless.
    """
    queued: dict[str, int] = {}
    failures: list[Exception] = []
    for name, sweeper in sweepers.items():
        try:
            queued[name] = sweeper().sweep(queue_is_empty=queue_is_empty)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("sweeps failed", failures)
    return queued
