"""Cancelling the open orders of disconnected trading accounts, at once or from a queue.

The released API key may be connected again while its cancellation waits. Orders that are opened then must survive. So
connecting first finishes the cancellation (``Cancellations.finish``), and its write fails while one exists. An attempt
leases the cancellation for longer than any of its requests can act, so nobody removes it under a running request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from purser.credentials.model import opened
from purser.disconnecting.model import RESEND_AFTER_MS, Cancellation
from purser.errors import ExchangeAuthorizationFailed, ExchangeBadRequest, Unavailable
from purser.exchanges.model import TradeType
from purser.exchanges.port import ExchangeGateway
from purser.ports import Opener, Sender
from purser.work.model import Delivery, Postponed
from purser.work.ports import WorkStore, WorkTelemetry
from purser.work.sweeper import Sweeper
from purser.work.worker import StillInProgress, Worker

ATTEMPT_MS = 5_000
"""The time in which an attempt may send requests, in ms. A caller may wait, and each request may take ten seconds."""

GRACE_MS = 20_000
"""The time by which the lease outlasts an attempt's requests, in ms.

The venue drops a request ten seconds after it was signed (ccxt's ``recvWindow``). The rest allows for differing clocks.
"""

ORDERS_UNDER_WAY_MS = 45_000
"""The time in which a request that read the account before it was disconnected may still place orders, in ms.

It has 30 s (``ORDER_TIME_MS`` and ``LEASE_AFTER_MS`` of ``purser.orders.intents``), and the venue takes a request for
ten seconds after it was signed.
"""

SWEEP_LIMIT = 1000
"""The number of cancellations that one sweep enqueues or ends at most."""

logger = logging.getLogger(__name__)


class CancellationStore(WorkStore[Cancellation], Protocol):
    """The store of cancellations, which the write that disconnects a trading account puts there.

    The end of a cancellation destroys its credential, and is recorded on the disconnected account: as FAILED if it
    expires, as SUCCESS if it finishes.
    """

    def fail(self, item: Cancellation) -> bool:
        """End a cancellation as FAILED. Return False if it has changed since it was read."""


class Cancellations:
    """The use cases of cancellations. ``now`` gives Unix milliseconds."""

    RETRY_DELAY_S = 60

    def __init__(
        self,
        store: CancellationStore,
        vault: Opener,
        gateway: ExchangeGateway,
        queue: Sender,
        telemetry: WorkTelemetry,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._vault = vault
        self._gateway = gateway
        self._queue = queue
        self._telemetry = telemetry
        self._now = now
        self._worker = self._attempting(self._cancel_twice)
        self._finisher = self._attempting(partial(self._cancel, (ExchangeAuthorizationFailed, ExchangeBadRequest)))

    def _attempting(self, process: Callable[[Cancellation], Postponed | None]) -> Worker[Cancellation]:
        return Worker(self._store, process, self._telemetry, self._now, lease_ms=ATTEMPT_MS + GRACE_MS)

    def begin(self, cancellation: Cancellation) -> None:
        """Try to cancel now. If that fails, the queue or the sweep goes on.

        It raises nothing, because the account is disconnected already.
        """
        begun_at, trading_account_id = self._now(), cancellation.trading_account_id
        try:
            # First, because this process may end during the attempt. A message for a finished cancellation is harmless.
            self._queue.send([cancellation.message], delay_s=self.RETRY_DELAY_S)
        except Exception as error:
            logger.warning("a cancellation could not be queued: %s", trading_account_id, exc_info=error)
        if self._now() >= begun_at + ATTEMPT_MS:
            return
        try:
            self.resume(trading_account_id)
        except Exception as error:
            logger.warning("a cancellation is left to the queue: %s", trading_account_id, exc_info=error)

    def resume(self, trading_account_id: str, delivery: Delivery | None = None) -> None:
        """Retry a waiting cancellation, on the delivery of its message if there is one. It is no error if it is done.

        Raises:
            ExchangeError: the exchange fails.
            Contended: another attempt has the lease.
            Unavailable: a part of Purser is down, or the time of the attempt is over.
        """
        self._worker.work(trading_account_id, delivery=delivery or self._first())

    def finish(self, trading_account_id: str) -> None:
        """Finish a waiting cancellation before its API key is connected again. Raises as ``resume``.

        Orders that the exchange refuses to cancel are left to the new connection.
        """
        self._finisher.work(trading_account_id, delivery=self._first())

    def _first(self) -> Delivery:
        """Return the delivery that an attempt without a message counts as."""
        return Delivery(1, sent_at=self._now())

    def _cancel_twice(self, cancellation: Cancellation) -> Postponed | None:
        """Cancel the open orders, and those of futures again once no request under way can place any more."""
        quiet_at = cancellation.created_at + ORDERS_UNDER_WAY_MS
        is_last = cancellation.trade_type is not TradeType.FUTURES or self._now() >= quiet_at
        self._cancel((ExchangeAuthorizationFailed,), cancellation)
        return None if is_last else Postponed(quiet_at, succeeded=True)

    def _cancel(self, final: tuple[type[Exception], ...], cancellation: Cancellation) -> None:
        """Cancel the open orders. After a ``final`` error, end the cancellation as FAILED."""
        sealed, ends_at = cancellation.credential, cancellation.leased_until - GRACE_MS
        secret = self._vault.decrypt(sealed.ciphertext, sealed.context)
        credential = opened(sealed, secret, cancellation.trading_account_id)
        requests = 0

        def go_on() -> None:
            nonlocal requests
            if self._now() >= ends_at:
                raise Unavailable
            requests += 1

        try:
            self._gateway.cancel_all_orders(credential, cancellation.trade_type, go_on)
        except Exception as error:
            if isinstance(error, final) and not getattr(error, "is_ambiguous", False):
                # Nothing more can be done, for example because the key is dead.
                if self._store.fail(cancellation):
                    self._telemetry.failed(cancellation, self._now())
                return
            if requests <= 1:  # The first request only reads, so nothing can still be cancelling.
                raise
            raise StillInProgress(error) from error


def cancellation_sweeper(
    store: CancellationStore, queue: Sender, telemetry: WorkTelemetry, now: Callable[[], int]
) -> Sweeper[Cancellation]:
    """Return the sweeper of cancellations."""
    return Sweeper(store, queue, telemetry, now, RESEND_AFTER_MS, limit=SWEEP_LIMIT)
