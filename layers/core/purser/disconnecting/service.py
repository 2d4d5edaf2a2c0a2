"""Cancelling the open orders of disconnected trading accounts: at once where the exchange answers, else from a queue.

The released API key may be connected anew while a cancellation waits, by whoever has its secret, and what is open then
is no longer the disconnected account's. So a key is connected only when nothing waits for it (a condition of the write
that connects), and connecting first finishes what does (``Cancellations.settle``). And a cancellation is removed only
while nobody else can be at work on it: an attempt leases it for longer than any of its requests can still act.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from purser.credentials.model import opened
from purser.disconnecting.model import Cancellation
from purser.errors import ExchangeAuthorizationFailed, ExchangeBadRequest, Unavailable
from purser.exchanges.port import ExchangeGateway
from purser.ports import Opener, Sender
from purser.work.ports import WorkStore
from purser.work.worker import StillActing, Worker

ATTEMPT_MS = 5_000
"""An attempt sends no request later than this, in ms: somebody may wait for it, and each may take ten seconds."""

GRACE_MS = 20_000
"""How much longer nobody else may try, in ms. The venue drops a request that comes ten seconds after it was signed
(ccxt's ``recvWindow``); the rest is for clocks that differ."""

logger = logging.getLogger(__name__)


class CancellationStore(WorkStore[Cancellation], Protocol):
    """Where cancellations wait. They are put there by the write that disconnects their trading account.

    The end of a cancellation destroys its credential, and is recorded on the disconnected account. It is FAILED for
    one that expires, and SUCCESS for one that finishes.
    """

    def fail(self, item: Cancellation) -> bool:
        """End a cancellation as FAILED; return False when it has changed since it was read."""


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
        self._worker = self._attempting(ExchangeAuthorizationFailed)
        self._settler = self._attempting(ExchangeAuthorizationFailed, ExchangeBadRequest)

    def _attempting(self, *final: type[Exception]) -> Worker[Cancellation]:
        """Return a worker whose attempts end cancellations as FAILED that meet a ``final`` error."""
        return Worker(self._store, partial(self._cancel, final), self._now, lease_ms=ATTEMPT_MS + GRACE_MS)

    def begin(self, cancellation: Cancellation) -> None:
        """Cancel at once if that is soon done; else the queue goes on, and what the queue forgets the sweep finds.

        Nothing is raised: the account is disconnected, which is what was asked.
        """
        begun_at, trading_account_id = self._now(), cancellation.trading_account_id
        try:
            # First, because this process may be cut during the attempt. A message for what is done does nothing.
            self._queue.send([cancellation.message], delay_s=self.RETRY_DELAY_S)
        except Exception as error:
            logger.warning("a cancellation could not be queued: %s", trading_account_id, exc_info=error)
        if self._now() >= begun_at + ATTEMPT_MS:
            return
        try:
            self.resume(trading_account_id)
        except Exception as error:
            logger.warning("a cancellation is left to the queue: %s", trading_account_id, exc_info=error)

    def resume(self, trading_account_id: str) -> None:
        """Try a waiting cancellation again; one that is done already is not an error.

        Raises:
            ExchangeError: the exchange fails still.
            Contended: another attempt is under way, or was cut a moment ago.
            Unavailable: something of our own is down, or an attempt's time did not suffice.
        """
        self._worker.work(trading_account_id, attempt=1)

    def settle(self, trading_account_id: str) -> None:
        """End a waiting cancellation, because its API key is about to be connected anew.

        Orders that the exchange refuses to cancel are left to the new connection.

        Raises:
            As ``resume``: it waits still.
        """
        self._settler.work(trading_account_id, attempt=1)

    def _cancel(self, final: tuple[type[Exception], ...], cancellation: Cancellation) -> None:
        sealed, ends_at = cancellation.credential, cancellation.leased_until - GRACE_MS
        credential = opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))
        requests = 0

        def go_on() -> None:
            nonlocal requests
            if self._now() >= ends_at:
                raise Unavailable
            requests += 1

        try:
            self._gateway.cancel_all_orders(credential, cancellation.trade_type, go_on)
        except final:
            # Nothing is left that Purser could do: a dead key reaches no order.
            self._store.fail(cancellation)
        except Exception as error:
            if requests <= 1:  # The first only reads.
                raise
            raise StillActing(error) from error
