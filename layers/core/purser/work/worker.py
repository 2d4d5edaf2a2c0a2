"""Doing what is due: by one worker at a time, and a bounded number of times."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic

from purser.errors import Contended, Unfinished
from purser.work.ports import T, WorkStore

logger = logging.getLogger(__name__)


def lease(store: WorkStore[T], item: T, now: int, until: int) -> T:
    """Take an item for one attempt that is over by ``until``; return the item as it is then.

    Raises:
        Contended: another has it, or has changed it since it was read.
    """
    leased = item.leased(until)
    if item.leased_until > now or not store.advance(leased):
        raise Contended
    return leased


class Worker(Generic[T]):
    """Works on items of one kind. ``now`` gives Unix milliseconds.

    ``act`` does the work under a lease of ``lease_ms``, by whose end it must be over. It returns None when the item is
    done, or the time at which it is due again, which counts as no attempt. After ``most_attempts`` that fail, the item
    is dead and ``given_up`` is told.
    """

    def __init__(
        self,
        store: WorkStore[T],
        act: Callable[[T], int | None],
        now: Callable[[], int],
        *,
        lease_ms: int,
        most_attempts: int,
        given_up: Callable[[T], None],
    ) -> None:
        self._store = store
        self._act = act
        self._now = now
        self._lease_ms = lease_ms
        self._most_attempts = most_attempts
        self._given_up = given_up

    def work(self, *key: str, attempt: int) -> None:
        """Make an attempt at an item. One that is done is not an error.

        Args:
            key: the item's.
            attempt: which delivery of its message this is, from 1.

        Raises:
            Contended: another has it.
            Unfinished: it is dead, and this is no redriven message.
            Exception: as ``act``; the message is to be delivered again.
        """
        item = self._store.get(*key)
        if item is None:
            return
        if item.dead and attempt > 1:
            raise Unfinished("it was given up", retry_after=0)  # on to the dead letters
        now = self._now()
        if item.is_over(now + self._lease_ms):
            return  # the sweeper ends it, and must not have to fear that somebody is still at work on it
        leased = lease(self._store, item, now, now + self._lease_ms)
        try:
            due_at = self._act(leased)
        except Exception:
            self._fail(leased, attempt)
            raise
        if due_at is None:
            self._store.finish(leased)
        else:
            self._store.advance(leased.postponed(due_at))

    def _fail(self, item: T, attempt: int) -> None:
        if max(item.attempts, attempt) < self._most_attempts:
            self._store.advance(item.released())
            return
        if self._store.advance(item.given_up()):
            extra = {"work": type(item).__name__, "key": item.key, "correlation_id": item.correlation_id}
            logger.error("work was given up", extra=extra | {"attempts": item.attempts})
            self._given_up(item)
