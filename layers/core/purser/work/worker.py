"""Work on items: one worker at a time, and a bounded number of attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic

from purser.errors import Contended, Unfinished
from purser.retrying import delay_after
from purser.work.model import Delivery, Postponed
from purser.work.ports import T, WorkStore, WorkTelemetry


def lease(store: WorkStore[T], item: T, now: int, until: int) -> T:
    """Take an item for one attempt that is over by ``until``; return the item as it is then.

    Raises:
        Contended: another has it, or has changed it since it was read.
    """
    leased = item.leased(until)
    if item.leased_until > now or not store.advance(leased):
        raise Contended
    return leased


class StillInProgress(Exception):
    """An attempt failed with ``error``, but its requests may still take effect, so it keeps its lease until the end."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Worker(Generic[T]):
    """Works on items of one kind. ``now`` gives Unix milliseconds.

    ``process`` makes an attempt under a lease of ``lease_ms``, by whose end it must be over. It returns None when the
    item is done, and raises when the attempt failed. After ``max_attempts`` that fail, the item is dead. Without
    ``max_attempts``, it is tried until its deadline. Before an item is marked dead, ``give_up`` is called with the
    error of its last attempt, None if that was killed.
    """

    def __init__(
        self,
        store: WorkStore[T],
        process: Callable[[T], Postponed | None],
        telemetry: WorkTelemetry,
        now: Callable[[], int],
        *,
        lease_ms: int,
        max_attempts: int | None = None,
        give_up: Callable[[T, Exception | None], None] = lambda *_: None,
    ) -> None:
        self._store = store
        self._process = process
        self._telemetry = telemetry
        self._now = now
        self._lease_ms = lease_ms
        self._max_attempts = max_attempts
        self._give_up = give_up

    def work(self, *key: str, delivery: Delivery) -> None:
        """Make an attempt at an item, or end it if it is past its deadline. One that is done is not an error.

        Raises:
            Contended: another has it.
            Unfinished: the item is dead, and this message was sent before that.
            Exception: as ``process``; the message is to be delivered again.
        """
        item = self._store.get(*key)
        if item is None:
            return
        if item.dead and not item.is_revived_by(delivery):
            raise Unfinished("all attempts have failed", retry_after=0)  # on to the dead letters
        now = self._now()
        if item.is_over(now):
            if self._store.expire(item):
                self._telemetry.failed(item, now)
            return
        until = now + delivery.lease_ms(self._lease_ms)
        if item.is_over(until):
            return  # an attempt could outlast the deadline, so none is started, and the sweep ends the item
        if not item.dead and self._is_last(item.attempts):
            self._end_killed(item, now)
        self._attempt(lease(self._store, item, now, until), delivery)

    def _attempt(self, leased: T, delivery: Delivery) -> None:
        try:
            result = self._process(leased)
        except StillInProgress as still:
            self._fail(leased, delivery.attempt, still.error, leased_until=leased.leased_until)
            raise still.error from None
        except Exception as error:
            self._fail(leased, delivery.attempt, error)
            raise
        if result is None:
            if self._store.finish(leased):
                self._telemetry.done(leased, self._now())
        else:
            self._store.advance(leased.postponed(result))

    def _is_last(self, attempt: int) -> bool:
        return self._max_attempts is not None and attempt >= self._max_attempts

    def _fail(self, item: T, attempt: int, error: Exception, *, leased_until: int = 0) -> None:
        if self._is_last(max(item.attempts, attempt)):
            self._mark_dead(item, error, leased_until)
            return
        self._telemetry.retried(item, self._now())
        # A sweep must not send another message while this one waits: the attempts of both would count.
        back_at = self._now() + int(delay_after(error, attempt) * 1000)
        self._store.advance(replace(item.released(back_at + self._lease_ms), leased_until=leased_until))

    def _end_killed(self, item: T, now: int) -> None:
        """Mark an item dead whose last attempt was killed, since it may kill every worker."""
        if item.leased_until > now:
            raise Contended
        self._mark_dead(item, None, leased_until=0)
        raise Unfinished("all attempts have failed", retry_after=0)

    def _mark_dead(self, item: T, error: Exception | None, leased_until: int) -> None:
        self._give_up(item, error)
        # Reported before it is written: if the worker is killed in between, the next one reports it again.
        now = self._now()
        self._telemetry.dead(item, now)
        self._store.advance(replace(item.exhausted(now), leased_until=leased_until))
