"""The ports of orders. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from typing import Protocol

from purser.errors import ExchangeError
from purser.orders.intents import HistoryEntry, Intent, OrderLock
from purser.work.ports import WorkStore


class OrderLockTaken(Exception):
    """Another intent of the same trading account and symbol is under way."""

    def __init__(self, lock: OrderLock) -> None:
        super().__init__(lock.intent_id)
        self.lock = lock


class OrderLockLost(Exception):
    """The lock has changed since it was read."""


class IntentStore(Protocol):
    """The store of intents and their order locks."""

    @property
    def locks(self) -> WorkStore[OrderLock]:
        """Return the store of order locks. They change together with their intents, unless they are merely leased."""

    def begin(self, intent: Intent, lock: OrderLock, replaced: Intent | None = None) -> None:
        """Store a new intent and take its order lock, both or neither.

        The intent replaces one of the generation before, which has failed. A lock with a version above 1 replaces the
        version before, whose intent is stored as ``replaced``.

        Raises:
            OrderLockTaken: the lock is taken, or no longer at the version before.
            purser.errors.Contended: another request began the intent at this moment.
        """

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        """Return an intent as it is now."""

    def keep(self, intent: Intent, lock: OrderLock, failed: Intent | None = None) -> None:
        """Store an intent that stays under way, its history, and the next version of its lock.

        ``failed`` is an intent that hands the lock back, and is stored too.

        Raises:
            OrderLockLost: the lock is no longer at the version before.
        """

    def finish(self, intent: Intent, lock: OrderLock) -> None:
        """Store a final intent and its history, and release its lock.

        Raises:
            OrderLockLost: the lock is no longer at its version.
        """


class TradeHistoryStore(Protocol):
    """The trading history of users."""

    def page(
        self, user_id: str, kind: str, since: int, before: str | None, limit: int
    ) -> list[tuple[str, HistoryEntry]]:
        """Return at most ``limit`` entries since ``since`` (Unix ms), newest first, each with its position.

        ``before`` is the position after which they begin.
        """


class Telemetry(Protocol):
    """Telemetry for operators: log lines and metrics."""

    def troubled(self, intent: Intent, error: ExchangeError) -> None:
        """Report an intent that met an error: nothing of it is left (FAILED), or it will be reconciled later."""

    def abandoned(self, intent: Intent) -> None:
        """Report an intent whose state could not be determined. A position may be without its stop."""

    def unprotected(self, intent: Intent) -> None:
        """Report an intent whose stop is lost and refused, while it cannot be told whose position there is."""

    def failed(self, intent_id: str, error: Exception) -> None:
        """Report an unexpected failure to reconcile an intent. It will be tried again, unless its lifetime is over."""

    def reconciled(self, finished: int, resting: int, unknown: int) -> None:
        """Report the end of a run of the reconciler, with the number of intents in each state."""
