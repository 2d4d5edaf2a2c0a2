"""Cancelling the open orders of disconnected trading accounts, at once or from a queue.

The released API key may be connected again while its cancellation waits. Orders that are opened then must survive. So
connecting first finishes the cancellation (``Cancellations.settle``), and its write fails while one exists. An attempt
leases the cancellation for longer than any of its requests can act, so nobody removes it under a running request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from purser.credentials.model import opened
from purser.disconnecting.model import Cancellation
from purser.errors import Contended, ExchangeAuthorizationFailed, ExchangeBadRequest, Unavailable
from purser.exchanges.model import ApiCredential
from purser.exchanges.port import ExchangeGateway
from purser.ports import Opener, Sender

SWEEP_INTERVAL_MS = 15 * 60 * 1000
"""How often a sweep queues a waiting cancellation at most, in ms. The first retries of a message fit in between."""

ATTEMPT_MS = 5_000
"""How long after its start an attempt may send requests, in ms. A caller may wait, and each may take ten seconds."""

GRACE_MS = 20_000
"""How much longer the lease lasts, in ms. The venue drops a request ten seconds after it was signed (ccxt's
``recvWindow``). The rest allows for differing clocks."""

logger = logging.getLogger(__name__)


class CancellationStore(Protocol):
    """The store of waiting cancellations, which the write that disconnects a trading account puts there."""

    def get(self, trading_account_id: str) -> Cancellation | None:
        """Return a waiting cancellation, or None if it is done."""

    def waiting(self) -> Iterator[Cancellation]:
        """Return all waiting cancellations, streamed."""

    def claim(self, cancellation: Cancellation, now: int) -> bool:
        """Record that it is queued now. Return False if it is done, or was queued since it was read."""

    def take_lease(self, trading_account_id: str, now: int, until: int) -> bool:
        """Lease a cancellation until then. Return False if it is done, or leased already."""

    def release_lease(self, trading_account_id: str, until: int) -> None:
        """End the lease that runs until then."""

    def remove(self, trading_account_id: str, outcome: str) -> None:
        """Destroy a cancellation with its credential, and record the outcome on the disconnected account, once."""


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
        """Try to cancel now. If that fails, the queue or the sweep goes on.

        It raises nothing, because the account is disconnected already.
        """
        ends_at, trading_account_id = self._now() + ATTEMPT_MS, cancellation.trading_account_id
        try:
            # First, because this process may end during the attempt. A message for a finished cancellation is harmless.
            self._queue.send([cancellation.message], delay_s=self.RETRY_DELAY_S)
        except Exception as error:
            logger.warning("a cancellation could not be queued: %s", trading_account_id, exc_info=error)
        try:
            self._attempt(trading_account_id, ends_at)
        except Exception as error:
            logger.warning("a cancellation is left to the queue: %s", trading_account_id, exc_info=error)

    def resume(self, trading_account_id: str) -> None:
        """Retry a waiting cancellation. It is no error if it is done.

        Raises:
            ExchangeError: the exchange fails.
            Contended: another attempt has the lease.
            Unavailable: a part of Purser is down, or the time of the attempt is over.
        """
        self._attempt(trading_account_id, self._now() + ATTEMPT_MS)

    def settle(self, trading_account_id: str) -> None:
        """Finish a waiting cancellation before its API key is connected again. Raises as ``resume``.

        Orders that the exchange refuses to cancel are left to the new connection.
        """
        try:
            self.resume(trading_account_id)
        except ExchangeBadRequest:
            self._store.remove(trading_account_id, "FAILED")

    def _attempt(self, trading_account_id: str, ends_at: int) -> None:
        cancellation = self._store.get(trading_account_id)
        if cancellation is None:
            return
        if cancellation.is_over(self._now()):
            self._store.remove(trading_account_id, "FAILED")
            return
        sealed = cancellation.credential
        credential = opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))
        leased_until = ends_at + GRACE_MS
        if cancellation.is_over(leased_until):
            # A lease must not outlast the lifetime, when a sweep destroys the credential.
            return
        if not self._store.take_lease(trading_account_id, self._now(), leased_until):
            raise Contended
        self._cancel(cancellation, credential, ends_at)

    def _cancel(self, cancellation: Cancellation, credential: ApiCredential, ends_at: int) -> None:
        requests = 0

        def go_on() -> None:
            nonlocal requests
            if self._now() >= ends_at:
                raise Unavailable
            requests += 1

        try:
            self._gateway.cancel_all_orders(credential, cancellation.trade_type, go_on)
        except ExchangeAuthorizationFailed:
            # With a dead key, nothing more can be done.
            self._store.remove(cancellation.trading_account_id, "FAILED")
            return
        except Exception:
            if requests <= 1:
                # The first request only reads, so nothing can still be cancelling.
                self._store.release_lease(cancellation.trading_account_id, ends_at + GRACE_MS)
            raise
        self._store.remove(cancellation.trading_account_id, "SUCCESS")


class CancellationSweep:
    """Queues lost cancellations again, without keys or an exchange. ``now`` gives Unix milliseconds."""

    def __init__(self, store: CancellationStore, queue: Sender, now: Callable[[], int]) -> None:
        self._store = store
        self._queue = queue
        self._now = now

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Destroy expired cancellations, and queue the others that were not queued lately. Return how many were queued.

        Args:
            queue_is_empty: the queue is known to be empty, so all are queued.

        Raises:
            ExceptionGroup: some could not be destroyed. All others were processed.
            Unavailable: a part of Purser is down. The next sweep goes on.
        """
        waiting = list(self._store.waiting())
        # First, because a queue that is down must not extend the life of a credential.
        failures = self._destroy(c for c in waiting if c.is_over(self._now()))
        queued = self._queue.send(self._due(waiting, 0 if queue_is_empty else SWEEP_INTERVAL_MS))
        if failures:
            raise ExceptionGroup("cancellations whose time is over could not be destroyed", failures)
        return queued

    def _destroy(self, cancellations: Iterable[Cancellation]) -> list[Exception]:
        """Destroy cancellations, and return the failures."""
        failures: list[Exception] = []
        for cancellation in cancellations:
            try:
                self._store.remove(cancellation.trading_account_id, "FAILED")
            except Exception as error:
                failures.append(error)
        return failures

    def _due(self, waiting: Iterable[Cancellation], interval: int) -> Iterator[dict[str, str]]:
        for cancellation in waiting:
            now = self._now()
            is_due = cancellation.queued_at + interval <= now and not cancellation.is_over(now)
            if is_due and self._store.claim(cancellation, now):
                yield cancellation.message
