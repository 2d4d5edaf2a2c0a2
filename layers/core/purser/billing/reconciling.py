"""The comparison of all our subscriptions with Stripe, and the sweep of those that are due.

Both sides are read newest first and merged, so that only the subscriptions of one second are in memory. A difference is
only a suspicion: its customer is queued, and the worker reads both sides again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Protocol

from purser.billing.model import RESEND_AFTER_MS, PaidSubscription, StripeSubscription
from purser.billing.ports import DueReadingStore, PaymentGateway, SubscriptionIndex
from purser.ports import Sender
from purser.work.sweeper import Enqueuer

YOUNG_MS = 10 * 60 * 1000
"""Younger subscriptions are not compared, because their events may still come (in ms)."""

STEP = 1000
"""The number of seconds with subscriptions that are compared between two records of the progress."""

SWEEP_LIMIT = 1000
"""The number of due readings that one run queues at most. Users who pay wait behind them."""

FEW_CHANGES = 10
LARGE_SHARE = 0.2
"""A step that would change more records than a few, and a larger share of them, is not believed.

Stripe's events report almost every change. So many missed ones mean that our key is of another Stripe account, that
prices were removed from the settings, or that Stripe's answer is incomplete.
"""

AnySubscription = StripeSubscription | PaidSubscription
CREATED_AT = attrgetter("created_at")


class Progress(Protocol):
    """The progress of an unfinished comparison."""

    def get(self) -> int | None:
        """Return until which creation time (Unix ms) subscriptions are still to be compared, or None."""

    def keep(self, until: int) -> None:
        """Record that subscriptions created until then are still to be compared."""

    def finish(self) -> None:
        """Record that all are compared."""


class Telemetry(Protocol):
    """Logs and metrics."""

    def compared(self, queued: int, finished: bool) -> None:
        """A run has ended."""

    def doubted(self, changes: int, compared: int) -> None:
        """A comparison was stopped, because it would have changed too many of the records."""


class Reconciliation:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        gateway: Callable[[], PaymentGateway],
        index: SubscriptionIndex,
        readings: DueReadingStore,
        progress: Progress,
        queue: Sender,
        telemetry: Telemetry,
        now: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._readings = readings
        self._enqueuer = Enqueuer(readings, queue, now, RESEND_AFTER_MS)
        self._progress = progress
        self._queue = queue
        self._telemetry = telemetry
        self._now = now

    def compare_all(self, ends_at: int) -> int:
        """Begin a comparison of all subscriptions, and continue as ``look_after``. Return how many were queued."""
        self._progress.keep(self._now() - YOUNG_MS)
        return self.look_after(ends_at)

    def look_after(self, ends_at: int) -> int:
        """Sweep due readings, and continue an unfinished comparison until ``ends_at`` (Unix ms).

        Returns:
            How many customers were queued.

        Raises:
            PaymentUnavailable, Unavailable: Stripe or a part of Purser is down. The next run continues.
            ExceptionGroup: some due readings could not be queued. The next run continues.
        """
        due = list(islice(self._readings.due(self._now()), SWEEP_LIMIT))
        queued = self._enqueuer.send(due, until=ends_at)
        until = self._progress.get()
        while until is not None and self._now() < ends_at:
            sent, until = self._compare(until)
            queued += sent
        self._telemetry.compared(queued, finished=until is None)
        return queued

    def _compare(self, until: int) -> tuple[int, int | None]:
        """Compare a step. Return how many were queued, and the creation time to continue from, None at the end."""
        seconds = self._merged(until)
        step = [_Second(list(group)) for _, group in islice(seconds, STEP)]
        changes, compared = sum(each.changes for each in step), sum(len(each.stored) for each in step)
        if changes > FEW_CHANGES and changes > LARGE_SHARE * compared:
            self._telemetry.doubted(changes, compared)
            self._progress.finish()
            return 0, None
        differing = chain.from_iterable(each.differing() for each in step)
        queued = self._queue.send({"customerId": each, "type": "reconciliation"} for each in differing)
        rest = next(seconds, None)
        if rest is None:
            self._progress.finish()
            return queued, None
        self._progress.keep(rest[0])
        return queued, rest[0]

    def _merged(self, until: int) -> Iterator[tuple[int, Iterator[AnySubscription]]]:
        at_stripe: Iterator[AnySubscription] = self._gateway().all_subscriptions(until)
        stored: Iterator[AnySubscription] = self._index.running(until)
        return groupby(heapq.merge(at_stripe, stored, key=CREATED_AT, reverse=True), key=CREATED_AT)


class _Second:
    """The subscriptions that were created in one second, on both sides."""

    def __init__(self, subscriptions: list[AnySubscription]) -> None:
        self.at_stripe = {each.id: each for each in subscriptions if isinstance(each, StripeSubscription)}
        self.stored = {each.subscription_id: each for each in subscriptions if isinstance(each, PaidSubscription)}

    @property
    def changes(self) -> int:
        """The number of records that would change. A price without a plan changes none."""
        return sum(_would_change(each, self.at_stripe.get(id)) for id, each in self.stored.items())

    def differing(self) -> Iterator[str]:
        """Yield the customers whose subscriptions differ between the two sides."""
        for id, stored in self.stored.items():
            at_stripe = self.at_stripe.get(id)
            if at_stripe is None or (at_stripe.status, at_stripe.plan) != (stored.status, stored.plan):
                yield stored.customer_id
        for id, at_stripe in self.at_stripe.items():
            if id not in self.stored and at_stripe.is_running and at_stripe.is_ours:
                yield at_stripe.customer_id


def _would_change(stored: PaidSubscription, at_stripe: StripeSubscription | None) -> bool:
    if at_stripe is None or at_stripe.status != stored.status:
        return True
    return at_stripe.plan not in (None, stored.plan)
