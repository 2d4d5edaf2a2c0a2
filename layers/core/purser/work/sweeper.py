"""Enqueue the items that are due: those never enqueued, lost by the queue, or failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby, islice
from typing import Generic, Protocol

from purser.ports import Sender
from purser.work.ports import ItemStore, T, WorkStore, WorkTelemetry

MAX_DELAY_S = 900
"""A queue delays a message for no longer."""

BATCH = 10
"""The number of messages in one request to a queue."""

SWEEP_INTERVAL_MS = 5 * 60 * 1000
"""The interval of the sweeps (template.yaml, JobSweeper)."""

SENDING_S = 5
"""The time in which the items of a batch are written again once their messages are sent. No worker has them before."""


class Sweep(Protocol):
    """The sweeper of one kind."""

    def sweep(self, *, until: int, queue_is_empty: bool = False) -> int:
        """Enqueue the items that are due, and end those past their deadline; return how many were enqueued.

        Args:
            until: when to begin with no further item (Unix ms). The next sweep continues.
            queue_is_empty: the queue is known to have lost everything, so nothing has to wait until it is due.

        Raises:
            ExceptionGroup: some items could not be ended or enqueued; all others were.
            Unavailable: the items cannot be read.
        """


@contextmanager
def collecting(failures: list[Exception]) -> Iterator[None]:
    """Add an error of the block to ``failures``, so that the next item or kind has its turn."""
    try:
        yield
    except Exception as error:
        failures.append(error)


def raise_collected(message: str, failures: list[Exception]) -> None:
    """Raise ``failures`` as one ``ExceptionGroup``, if there are any."""
    if failures:
        raise ExceptionGroup(message, failures)


class Enqueuer(Generic[T]):
    """Enqueues items of one kind, ``interval_ms`` apart. ``now`` gives Unix milliseconds.

    An item that is enqueued is due again after ``resend_after_ms``, in case its message is lost. One whose message was
    never sent, because the process was killed, is due in the next sweep.
    """

    def __init__(
        self,
        store: ItemStore[T],
        queue: Sender,
        now: Callable[[], int],
        resend_after_ms: int,
        *,
        interval_ms: int = 0,
    ) -> None:
        self._store = store
        self._queue = queue
        self._now = now
        self._resend_after_ms = resend_after_ms
        self._interval_ms = interval_ms

    def send(self, items: Iterable[T], *, until: int) -> int:
        """Enqueue items that have not changed since they were read, and none after ``until``; return their number.

        Raises:
            ExceptionGroup: some items could not be enqueued; the next sweep continues with them.
        """
        sent, failures = 0, list[Exception]()
        claimed = enumerate(self._claimed(items, until, failures))
        with collecting(failures):
            for delay_s, group in groupby(claimed, lambda place: place[0] * self._interval_ms // 1000):
                waiting = (item for _, item in group)
                while batch := list(islice(waiting, BATCH)):
                    self._send_batch(batch, min(delay_s, MAX_DELAY_S), failures)
                    sent += len(batch)
        raise_collected("some work items could not be enqueued", failures)
        return sent

    def _claimed(self, items: Iterable[T], until: int, failures: list[Exception]) -> Iterator[T]:
        # Claimed before its message is sent, so that no worker finds it changed.
        for item in items:
            now, claimed = self._now(), False
            if now >= until:
                return
            queued = item.queued(now + SWEEP_INTERVAL_MS)
            with collecting(failures):
                claimed = self._store.advance(queued)
            if claimed:
                yield queued

    def _send_batch(self, batch: list[T], delay_s: int, failures: list[Exception]) -> None:
        """Send the messages of claimed items, or leave the items to the next sweep."""
        try:
            self._queue.send((item.message for item in batch), delay_s=max(delay_s, SENDING_S))
        except Exception:
            self._set_due(batch, self._now(), failures)
            raise
        self._set_due(batch, self._now() + self._resend_after_ms, failures)

    def _set_due(self, batch: list[T], due_at: int, failures: list[Exception]) -> None:
        for item in batch:
            with collecting(failures):
                self._store.advance(item.queued(due_at))


class Sweeper(Generic[T]):
    """Enqueues the items of one kind that are due, at most ``limit`` a sweep, and ends those past their deadline.

    It needs no credentials and calls no exchange. The other parameters are those of ``Enqueuer``.
    """

    def __init__(
        self,
        store: WorkStore[T],
        queue: Sender,
        telemetry: WorkTelemetry,
        now: Callable[[], int],
        resend_after_ms: int,
        *,
        limit: int,
        interval_ms: int = 0,
    ) -> None:
        self._store = store
        self._enqueuer = Enqueuer(store, queue, now, resend_after_ms, interval_ms=interval_ms)
        self._telemetry = telemetry
        self._now = now
        self._limit = limit

    def sweep(self, *, until: int, queue_is_empty: bool = False) -> int:
        """Enqueue the items that are due, longest due first (see ``Sweep``)."""
        now = self._now()
        due = list(islice(self._store.due(now, queue_is_empty=queue_is_empty), self._limit))
        queued, failures = 0, list[Exception]()
        # These first: a queue that is down must not keep an item past its deadline.
        for item in due:
            if item.is_over(now) and self._now() < until:
                with collecting(failures):
                    if self._store.expire(item):
                        self._telemetry.failed(item, now)
        with collecting(failures):
            queued = self._enqueuer.send((item for item in due if not item.is_over(now)), until=until)
        raise_collected("some work items could not be swept", failures)
        return queued


def sweep_all(
    sweepers: Mapping[str, Callable[[], Sweep]],
    now: Callable[[], int],
    *,
    until: int,
    queue_is_empty: bool = False,
) -> dict[str, int]:
    """Sweep each kind, whatever happens to the others; return the number of enqueued items of each.

    The time until ``until`` (Unix ms) is shared: a kind has its part of what the kinds before it left. Each sweep
    begins with another kind, so none comes last every time.

    Raises:
        ExceptionGroup: sweeps failed; the others were made nevertheless.
    """
    queued, failures = dict[str, int](), list[Exception]()
    first = now() // SWEEP_INTERVAL_MS % len(sweepers)
    names = [*sweepers][first:] + [*sweepers][:first]
    for waiting, name in zip(range(len(names), 0, -1), names, strict=True):
        with collecting(failures):
            share = now() + (until - now()) // waiting
            queued[name] = sweepers[name]().sweep(until=share, queue_is_empty=queue_is_empty)
    raise_collected("sweeps failed", failures)
    return queued
