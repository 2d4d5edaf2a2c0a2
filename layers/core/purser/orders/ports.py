"""What the use cases of orders need from outside. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from purser.errors import ExchangeError
from purser.exchanges.model import ApiCredential
from purser.orders.intents import HistoryEntry, Intent, Slot
from purser.trading_accounts.model import TradingAccount


class SlotTaken(Exception):
    """Another intent of the same trading account and symbol is under way."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(slot.intent_id)
        self.slot = slot


class SlotLost(Exception):
    """The slot has changed since it was read."""


class IntentStore(Protocol):
    """Where intents are kept, and which of them are under way."""

    def begin(self, intent: Intent, slot: Slot, replaced: Intent | None = None) -> None:
        """Keeps a new intent and takes its slot, both or neither.

        An intent of the generation before, which has failed, gives way. A slot of a version above 1 takes the place
        of the version before, whose intent is left as ``replaced``.

        Raises:
            SlotTaken: the slot is taken, or no longer at the version before.
            purser.errors.Contended: the intent was begun by another at this moment.
        """

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        """An intent as it is now."""

    def slot(self, trading_account_id: str, symbol: str) -> Slot | None:
        """The slot of a trading account and symbol, if it is taken."""

    def take(self, slot: Slot, leased_until: int) -> Slot:
        """Takes a slot to work on its intent.

        Raises:
            SlotLost: it has changed since it was read.
        """

    def keep(self, intent: Intent, slot: Slot) -> None:
        """Keeps an intent that stays under way, its history, and when its slot is free and due next.

        Raises:
            SlotLost: the slot is no longer at the version before.
        """

    def finish(self, intent: Intent, slot: Slot) -> None:
        """Keeps an intent for which nothing is left to do, and its history, and frees its slot.

        Raises:
            SlotLost: the slot is no longer at its version.
        """

    def due(self, now: int) -> Iterator[Slot]:
        """The slots that are due and that nobody works on."""


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
