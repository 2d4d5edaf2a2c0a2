"""The comparison of all our subscriptions with Stripe, and the queueing of those that are due.

Both sides are read newest first and merged, so that only the subscriptions of one second are in memory. A difference is
only a suspicion: its customer is queued, and the worker reads both sides again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Protocol

from purser.billing.model import PaidSubscription, Prices, StripeSubscription
from purser.billing.ports import PaymentGateway, SubscriptionIndex
from purser.ports import Sender

YOUNG_MS = 10 * 60 * 1000
"""Younger subscriptions are not compared, because their events may still come (in ms)."""

STEP = 1000
"""How many seconds with subscriptions are compared between two records of the progress."""

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


class Reconciliation:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        gateway: Callable[[], PaymentGateway],
        index: SubscriptionIndex,
        progress: Progress,
        prices: Prices,
        queue: Sender,
        telemetry: Telemetry,
        now: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._progress = progress
        self._prices = prices
        self._queue = queue
        self._telemetry = telemetry
        self._now = now

    def compare_all(self, ends_at: int) -> int:
        """Begin a comparison of all subscriptions, and continue as ``look_after``. Return how many were queued."""
        self._progress.keep(self._now() - YOUNG_MS)
        return self.look_after(ends_at)

    def look_after(self, ends_at: int) -> int:
        """Queue due customers, and continue an unfinished comparison until ``ends_at`` (Unix ms).

        Returns:
            How many customers were queued.

        Raises:
            PaymentUnavailable, Unavailable: Stripe or a part of Purser is down. The next run continues.
        """
        queued = self._queue.send({"customerId": each, "type": "due"} for each in self._index.due(self._now()))
        until = self._progress.get()
        while until is not None and self._now() < ends_at:
            sent, until = self._compare(until)
            queued += sent
        self._telemetry.compared(queued, finished=until is None)
        return queued

    def _compare(self, until: int) -> tuple[int, int | None]:
        """Compare a step. Return how many were queued, and the creation time to continue from, None at the end."""
        seconds = self._merged(until)
        differing = chain.from_iterable(self._differing(list(group)) for _, group in islice(seconds, STEP))
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

    def _differing(self, subscriptions: list[AnySubscription]) -> Iterator[str]:
        """Yield the customers whose subscriptions, created in one second, differ between the two sides."""
        at_stripe_by_id = {each.id: each for each in subscriptions if isinstance(each, StripeSubscription)}
        stored_by_id = {each.subscription_id: each for each in subscriptions if isinstance(each, PaidSubscription)}
        for subscription_id in at_stripe_by_id.keys() | stored_by_id.keys():
            at_stripe, stored = at_stripe_by_id.get(subscription_id), stored_by_id.get(subscription_id)
            if stored is not None and (at_stripe is None or self._differ(at_stripe, stored)):
                yield stored.customer_id
            if stored is None and at_stripe is not None and at_stripe.is_running and self._is_ours(at_stripe):
                yield at_stripe.customer_id

    def _differ(self, at_stripe: StripeSubscription, stored: PaidSubscription) -> bool:
        return (at_stripe.status, self._prices.plan(at_stripe.price_id)) != (stored.status, stored.plan)

    def _is_ours(self, at_stripe: StripeSubscription) -> bool:
        """Tell whether a subscription is Purser's, because the account at Stripe may sell other things."""
        return at_stripe.user_id is not None or self._prices.plan(at_stripe.price_id) is not None
