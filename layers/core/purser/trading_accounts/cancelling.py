"""Cancelling the open orders of ended trading accounts: at once where the exchange answers, else from a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from purser.errors import ExchangeAuthorizationFailed, PurserError, Unavailable
from purser.exchanges.port import ExchangeGateway
from purser.trading_accounts.model import Cancellation, opened


class CancellationStore(Protocol):
    """Where cancellations wait. They are put there by the write that ends their trading account."""

    def get(self, trading_account_id: str) -> Cancellation | None:
        """A waiting cancellation, or None when it is done."""

    def waiting(self) -> Iterator[Cancellation]:
        """All waiting cancellations, streamed."""

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
            self._queue.send([{"tradingAccountId": cancellation.trading_account_id}], delay_s=self.RETRY_DELAY_S)
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

    def sweep(self) -> tuple[int, int]:
        """Queues every waiting cancellation again, and destroys those whose time is over.

        Returns:
            How many were queued, and how many destroyed.
        """
        queued = destroyed = 0
        for cancellation in self._store.waiting():
            if cancellation.is_over(self._now()):
                self._store.remove(cancellation.trading_account_id, "FAILED")
                destroyed += 1
            else:
                queued += self._queue.send([{"tradingAccountId": cancellation.trading_account_id}])
        return queued, destroyed


