"""Reconcile intents that were interrupted or are unknown, and look after entries that rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from purser.correlation import correlated
from purser.errors import PurserError, Unavailable
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import OrderLock, State
from purser.orders.ports import IntentStore, OrderLockLost, Telemetry
from purser.ports import Sender

RUN_INTERVAL_S = 30
"""The time from one run to the next. A schedule has a resolution of a minute, so a message brings every other run."""

LONGEST_UNWATCHED_MS = 100_000
"""The longest time that an intent that rests stays due while the exchange is asked for more important things.

An exit that its position has left behind could otherwise trade a later one.
"""

BEGINNING_SHARE = 0.55
"""The share of a run's time in which it begins with intents. The rest lets the last one finish."""

ENDING_MS = 2_000
"""The time that a run keeps to store the outcome of the last intent."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The number of intents that a run has finished, and of those that still rest or are unknown."""

    finished: int = 0
    resting: int = 0
    unknown: int = 0


Map = Callable[[Callable[[OrderLock], State | None], list[OrderLock]], Iterable[State | None]]


class Reconciler:
    """The reconciler of intents that are due. ``now`` gives Unix milliseconds.

    ``each`` reconciles many intents, at the same time or one by one; ``queue`` brings the next run. While ``may_watch``
    is False for their trading account, intents that rest stay due for ``LONGEST_UNWATCHED_MS``, because the exchange is
    asked for more important things.
    """

    def __init__(
        self,
        store: IntentStore,
        runner: IntentRunner,
        telemetry: Telemetry,
        now: Callable[[], int],
        queue: Sender,
        may_watch: Callable[[str], bool] = lambda _: True,
        sleep: Callable[[float], None] = time.sleep,
        each: Map = map,
    ) -> None:
        self._store = store
        self._queue = queue
        self._each = each
        self._runner = runner
        self._telemetry = telemetry
        self._now = now
        self._may_watch = may_watch
        self._sleep = sleep

    def call_next_run(self) -> None:
        """Have a run begin after the interval of runs. Without the queue, the schedule brings one in a minute."""
        with suppress(Unavailable):
            self._queue.send([{}], delay_s=RUN_INTERVAL_S)

    def run(self, milliseconds: int) -> Reconciled:
        """Reconcile the intents that are due, for a function that is ended after ``milliseconds``.

        Those that were interrupted or are unknown come before those that rest, which have their stops. If some of them
        come due while intents may still begin, the run waits for them: positions may be without their stops.

        Concurrent runs are harmless. A failed intent is tried again by a later run.
        """
        began_at = self._now()
        ends_at, deadline = began_at + int(milliseconds * BEGINNING_SHARE), began_at + milliseconds - ENDING_MS
        states: dict[tuple[str, ...], State] = {}

        def reconcile(lock: OrderLock) -> State | None:
            if self._now() >= ends_at or (lock.is_resting and not self._may_be_watched(lock)):
                return None
            with correlated(lock.correlation_id):
                return self._reconcile(lock, deadline)

        for locks in self._looks(ends_at):
            found = zip(locks, self._each(reconcile, locks), strict=True)
            states |= {lock.key: state for lock, state in found if state is not None}
        reconciled = _count(states)
        self._telemetry.reconciled(reconciled.finished, reconciled.resting, reconciled.unknown)
        return reconciled

    def _may_be_watched(self, lock: OrderLock) -> bool:
        return self._now() >= lock.due_at + LONGEST_UNWATCHED_MS or self._may_watch(lock.trading_account_id)

    def _looks(self, until: int) -> Iterator[list[OrderLock]]:
        """Yield the locks that are due, and then those that were interrupted, each time that some come due by then."""
        yield sorted(self._store.locks.due(self._now()), key=lambda lock: lock.is_resting)
        while (due_at := self._next_interrupted(until)) is not None:
            self._sleep(max(0, due_at - self._now()) / 1000)
            yield [lock for lock in self._store.locks.due(self._now()) if not lock.is_resting]

    def _next_interrupted(self, until: int) -> int | None:
        due = (lock.due_at for lock in self._store.locks.due(until) if not lock.is_resting)
        return min((due_at for due_at in due if self._now() < due_at < until), default=None)

    def _reconcile(self, lock: OrderLock, deadline: int) -> State | None:
        try:
            intent, _ = self._runner.reconcile(lock, deadline)
        except OrderLockLost:
            return None
        except PurserError:
            return State.UNKNOWN
        except Exception as error:
            # One bad intent must not keep the others unprotected.
            self._telemetry.failed(lock.intent_id, error)
            return State.UNKNOWN
        return State.RESTING if intent.state is State.RESTING else State.DONE


def _count(states: dict[tuple[str, ...], State]) -> Reconciled:
    """Return the number of intents in each state."""
    found = list(states.values())
    return Reconciled(found.count(State.DONE), found.count(State.RESTING), found.count(State.UNKNOWN))
