"""Cancelling the open orders of ended trading accounts: at once where the exchange answers, else from a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from purser.errors import ExchangeAuthorizationFailed, PurserError, Unavailable
from purser.exchanges.port import ExchangeGateway
from purser.trading_accounts.model import Cancellation, opened

SWEEP_INTERVAL_MS = 15 * 60 * 1000
"""A waiting cancellation is queued no more often, in ms; a message's own first retries fit in between."""


class CancellationStore(Protocol):
    """Where cancellations wait. They are put there by the write that ends their trading account."""

    def get(self, trading_account_id: str) -> Cancellation | None:
        """A waiting cancellation, or None when it is done."""

    def waiting(self) -> Iterator[Cancellation]:
        """All waiting cancellations, streamed."""

    def claim(self, cancellation: Cancellation, now: int) -> bool:
        """Notes that it is queued now; False when it is done, or was queued by another since it was read."""

    def remove(self, trading_account_id: str, outcome: str) -> None:
        """Destroys a cancellation with its credential, and notes the outcome on the ended account."""


class Opener(Protocol):
    """Decrypts what was kept."""

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> str:
        """The plaintext."""


class Sender(Protocol):
    """A queue."""

    def send(self, messages: Iterable[Mapping[str, Any]], *, delay_s: int = 0) -> int:
        """Sends messages; returns how many."""


class Cancellations:
    """The use cases. ``now`` gives Unix milliseconds."""

    RETRY_DELAY_S = 60

    def __init__(
        self,
        store: CancellationStore,
        vault: Opener,
        gateway: ExchangeGateway,
        queue: Sender,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._vault = vault
        self._gateway = gateway
        self._queue = queue
        self._now = now

    def begin(self, cancellation: Cancellation) -> None:
        """Cancels at once; what fails is left to the queue, and what the queue forgets to the sweep."""
        try:
            self._cancel(cancellation)
        except PurserError:
            self._queue_again(cancellation)

    def _queue_again(self, cancellation: Cancellation) -> None:
        try:
            self._queue.send([cancellation.message], delay_s=self.RETRY_DELAY_S)
        except Unavailable:
            # Its record stays, and the sweep finds it: the account has ended, which is what was asked.
            return

    def resume(self, trading_account_id: str) -> None:
        """Tries a waiting cancellation again; one that is done already is no fault.

        Raises:
            ExchangeError: the exchange fails still.
            Unavailable: something of our own is down.
        """
        cancellation = self._store.get(trading_account_id)
        if cancellation is None:
            return
        if cancellation.is_over(self._now()):
            self._store.remove(trading_account_id, "FAILED")
            return
        self._cancel(cancellation)

    def _cancel(self, cancellation: Cancellation) -> None:
        sealed = cancellation.credential
        credential = opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))
        try:
            self._gateway.cancel_all_orders(credential, cancellation.trade_type)
        except ExchangeAuthorizationFailed:
            # A dead key reaches no order: nothing is left that Purser could do.
            self._store.remove(cancellation.trading_account_id, "FAILED")
            return
        self._store.remove(cancellation.trading_account_id, "SUCCESS")


class CancellationSweep:
    """Sends again what a lost queue forgot; needs neither keys nor an exchange. ``now`` gives Unix milliseconds."""

    def __init__(self, store: CancellationStore, queue: Sender, now: Callable[[], int]) -> None:
        self._store = store
        self._queue = queue
        self._now = now

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Queues each waiting cancellation that has not been for a while, and destroys those whose time is over.

        Args:
            queue_is_empty: the queue is known to have lost everything, so nobody need wait: all are queued.

        Returns:
            How many were queued.
        """
        return self._queue.send(self._due(0 if queue_is_empty else SWEEP_INTERVAL_MS))

    def _due(self, interval: int) -> Iterator[dict[str, str]]:
        for cancellation in self._store.waiting():
            now = self._now()
            if cancellation.is_over(now):
                self._store.remove(cancellation.trading_account_id, "FAILED")
            elif cancellation.queued_at + interval <= now and self._store.claim(cancellation, now):
                yield cancellation.message
