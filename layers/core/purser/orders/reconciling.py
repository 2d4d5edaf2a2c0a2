"""Reconcile intents that were interrupted or are unknown, and look after entries that rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from purser.correlation import correlated
from purser.errors import PurserError
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import WATCH_INTERVAL_MS, OrderLock, State
from purser.orders.ports import IntentStore, OrderLockLost, Telemetry

LONGEST_UNWATCHED_MS = 2 * WATCH_INTERVAL_MS
"""The longest time that an intent that rests stays due while the exchange is asked for more important things.

An exit that its position has left behind could otherwise trade a later one.
"""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The number of intents that a run has finished, and of those that still rest or are unknown."""

    finished: int = 0
    resting: int = 0
    unknown: int = 0


class Reconciler:
    """The reconciler of intents that are due. ``now`` gives Unix milliseconds.

    While ``may_watch`` is False, those that rest stay due for ``LONGEST_UNWATCHED_MS``, because the exchange is asked
    for more important things.
    """

    def __init__(
        self,
        store: IntentStore,
        runner: IntentRunner,
        telemetry: Telemetry,
        now: Callable[[], int],
        may_watch: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._runner = runner
        self._telemetry = telemetry
        self._now = now
        self._may_watch = may_watch

    def run(self, milliseconds: int) -> Reconciled:
        """Reconcile the intents that are due, and begin none after ``milliseconds``.

        Those that were interrupted or are unknown come before those that rest, which have their stops.

        Concurrent runs are harmless. A failed intent is tried again by a later run.
        """
        ends_at = self._now() + milliseconds
        counts = {State.DONE: 0, State.RESTING: 0, State.UNKNOWN: 0}
        for lock in sorted(self._store.locks.due(self._now()), key=_is_resting):
            if self._now() >= ends_at or (self._can_wait(lock) and not self._may_watch()):
                break
            with correlated(lock.correlation_id):
                state = self._reconcile(lock)
            if state is not None:
                counts[state] += 1
        reconciled = Reconciled(counts[State.DONE], counts[State.RESTING], counts[State.UNKNOWN])
        self._telemetry.reconciled(reconciled.finished, reconciled.resting, reconciled.unknown)
        return reconciled

    def _can_wait(self, lock: OrderLock) -> bool:
        return _is_resting(lock) and self._now() < lock.due_at + LONGEST_UNWATCHED_MS

    def _reconcile(self, lock: OrderLock) -> State | None:
        try:
            intent, _ = self._runner.reconcile(lock)
        except OrderLockLost:
            return None
        except PurserError:
            return State.UNKNOWN
        except Exception as error:
            # One bad intent must not keep the others unprotected.
            self._telemetry.failed(lock.intent_id, error)
            return State.UNKNOWN
        return State.RESTING if intent.state is State.RESTING else State.DONE


def _is_resting(lock: OrderLock) -> bool:
    """Return whether an intent was left RESTING. The lock of one that met an error, or was interrupted, has a lease."""
    return not lock.leased_until
