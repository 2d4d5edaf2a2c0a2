"""Cancelling the open orders of disconnected trading accounts: at once where the exchange answers, else from a queue.

The released API key may be connected anew while a cancellation waits, by whoever has its secret, and what is open then
is no longer the disconnected account's. So a key is connected only when nothing waits for it (a condition of the write
that connects), and connecting first finishes what does (``Cancellations.settle``). And a cancellation is removed only
while nobody else can be at work on it: an attempt leases it for longer than any of its requests can still act.
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
"""A waiting cancellation is queued no more often, in ms; a message's own first retries fit in between."""

ATTEMPT_MS = 5_000
"""An attempt sends no request later than this, in ms: somebody may wait for it, and each may take ten seconds."""

GRACE_MS = 20_000
"""How much longer nobody else may try, in ms. The venue drops a request that comes ten seconds after it was signed
(ccxt's ``recvWindow``); the rest is for clocks that differ."""

logger = logging.getLogger(__name__)


class CancellationStore(Protocol):
    """Where cancellations wait. They are put there by the write that disconnects their trading account."""

    def get(self, trading_account_id: str) -> Cancellation | None:
        """A waiting cancellation, or None when it is done."""

    def waiting(self) -> Iterator[Cancellation]:
        """All waiting cancellations, streamed."""

    def claim(self, cancellation: Cancellation, now: int) -> bool:
        """Notes that it is queued now; False when it is done, or was queued by another since it was read."""

    def take_lease(self, trading_account_id: str, now: int, until: int) -> bool:
        """Lease the cancellation until then; False when it is done, or another attempt has the lease."""

    def release_lease(self, trading_account_id: str, until: int) -> None:
        """End the lease that runs until then."""

    def remove(self, trading_account_id: str, outcome: str) -> None:
        """Destroys a cancellation with its credential, and notes the outcome on the disconnected account; once."""


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
        """Cancels at once if that is soon done; else the queue goes on, and what the queue forgets the sweep finds.

        Nothing is raised: the account is disconnected, which is what was asked.
        """
        ends_at, trading_account_id = self._now() + ATTEMPT_MS, cancellation.trading_account_id
        try:
            # First, because this process may be cut during the attempt. A message for what is done does nothing.
            self._queue.send([cancellation.message], delay_s=self.RETRY_DELAY_S)
        except Exception as error:
            logger.warning("a cancellation could not be queued: %s", trading_account_id, exc_info=error)
        try:
            self._attempt(trading_account_id, ends_at)
        except Exception as error:
            logger.warning("a cancellation is left to the queue: %s", trading_account_id, exc_info=error)

    def resume(self, trading_account_id: str) -> None:
        """Tries a waiting cancellation again; one that is done already is not an error.

        Raises:
            ExchangeError: the exchange fails still.
            Contended: another attempt is under way, or was cut a moment ago.
            Unavailable: something of our own is down, or an attempt's time did not suffice.
        """
        self._attempt(trading_account_id, self._now() + ATTEMPT_MS)

    def settle(self, trading_account_id: str) -> None:
        """Ends a waiting cancellation, because its API key is about to be connected anew.

        Orders that the exchange refuses to cancel are left to the new connection.

        Raises:
            As ``resume``: it waits still.
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
            # Whoever destroys it when its time is over must not have to fear that somebody is still at work on it.
            return
        if not self._store.take_lease(trading_account_id, self._now(), leased_until):
            raise Contended
        self._cancel(cancellation, credential, ends_at)

    def _cancel(self, cancellation: Cancellation, credential: ApiCredential, ends_at: int) -> None:
        """Cancels under a lease."""
        requests = 0

        def go_on() -> None:
            nonlocal requests
            if self._now() >= ends_at:
                raise Unavailable
            requests += 1

        try:
            self._gateway.cancel_all_orders(credential, cancellation.trade_type, go_on)
        except ExchangeAuthorizationFailed:
            # A dead key reaches no order: nothing is left that Purser could do.
            self._store.remove(cancellation.trading_account_id, "FAILED")
            return
        except Exception:
            if requests <= 1:
                # The first only reads: nothing is under way that could still cancel.
                self._store.release_lease(cancellation.trading_account_id, ends_at + GRACE_MS)
            raise
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

        Raises:
            ExceptionGroup: some could not be destroyed; all others were dealt with.
            Unavailable: something is down; the next sweep goes on.
        """
        waiting = list(self._store.waiting())
        # These first: a queue that is down must not lengthen the life of a credential.
        failures = self._destroy(c for c in waiting if c.is_over(self._now()))
        queued = self._queue.send(self._due(waiting, 0 if queue_is_empty else SWEEP_INTERVAL_MS))
        if failures:
            raise ExceptionGroup("cancellations whose time is over could not be destroyed", failures)
        return queued

    def _destroy(self, cancellations: Iterable[Cancellation]) -> list[Exception]:
        """Destroys what it can, and answers the failures."""
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
