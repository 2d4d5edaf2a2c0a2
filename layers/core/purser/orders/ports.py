"""What the use cases of orders need from outside. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from purser.errors import ExchangeError
from purser.exchanges.model import ApiCredential
from purser.orders.intents import HistoryEntry, Intent, OrderLock
from purser.trading_accounts.model import TradingAccount
from purser.work.ports import WorkStore


class OrderLockTaken(Exception):
    """Another intent of the same trading account and symbol is under way."""

    def __init__(self, lock: OrderLock) -> None:
        super().__init__(lock.intent_id)
        self.lock = lock


class OrderLockLost(Exception):
    """The lock has changed since it was read."""


class IntentStore(Protocol):
    """Where intents are kept, and which of them are under way."""

    @property
    def locks(self) -> WorkStore[OrderLock]:
        """The order locks. They change together with their intents, unless they are merely leased."""

    def begin(self, intent: Intent, lock: OrderLock, replaced: Intent | None = None) -> None:
        """Keeps a new intent and takes its order lock, both or neither.

        An intent of the generation before, which has failed, gives way. A lock of a version above 1 takes the place
        of the version before, whose intent is left as ``replaced``.

        Raises:
            OrderLockTaken: the lock is taken, or no longer at the version before.
            purser.errors.Contended: the intent was begun by another at this moment.
        """

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        """An intent as it is now."""

    def keep(self, intent: Intent, lock: OrderLock) -> None:
        """Keeps an intent that stays under way, its history, and when its lock may be leased and is due next.

        Raises:
            OrderLockLost: the lock is no longer at the version before.
        """

    def finish(self, intent: Intent, lock: OrderLock) -> None:
        """Keeps an intent for which nothing is left to do, and its history, and releases its lock.

        Raises:
            OrderLockLost: the lock is no longer at its version.
        """


class TradeHistoryStore(Protocol):
    """The trading history of users."""

    def page(
        self, user_id: str, kind: str, since: int, before: str | None, limit: int
    ) -> list[tuple[str, HistoryEntry]]:
        """At most ``limit`` entries not older than ``since`` (Unix ms), newest first, each with its position.

        Those after the position ``before``, where one is given.
        """


class AccountAccess(Protocol):
    """Trading accounts, opened to be traded with."""

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        """One of the user's trading accounts with its credential.

        Raises:
            purser.errors.NotFound: no such account of this user.
        """

    def recording_key_status(self, account: TradingAccount) -> AbstractContextManager[None]:
        """Notes on an account how the exchange meets its credential inside of the block."""


class Telemetry(Protocol):
    """What operators see: log lines and metrics."""

    def troubled(self, intent: Intent, error: ExchangeError) -> None:
        """An intent has met trouble: nothing of it is left (FAILED), or it will be settled later."""

    def abandoned(self, intent: Intent) -> None:
        """An intent could not be brought to a known state: a position may be without its stop."""

    def failed(self, intent_id: str, error: Exception) -> None:
        """Settling an intent failed unexpectedly; it will be tried again."""

    def reconciled(self, settled: int, resting: int, unknown: int) -> None:
        """A run of the reconciler is over."""
