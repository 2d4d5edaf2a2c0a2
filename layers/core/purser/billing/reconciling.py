"""Comparing what is noted of all subscriptions with Stripe, and looking after those that are due.

Both sides are read newest first and merged, so that no more than a second's worth of subscriptions is in memory. What
differs is only suspected: it is queued as if Stripe had spoken of it, and read anew when it is worked on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import chain, groupby, islice
from typing import Protocol

from purser.billing.model import PaidSubscription, Prices, StripeSubscription
from purser.billing.ports import PaymentGateway, SubscriptionIndex
from purser.ports import Sender

YOUNG_MS = 10 * 60 * 1000
"""What was begun so short a time ago, in ms, may still be announced."""

STEP = 1000
"""So many seconds with subscriptions are compared before it is noted how far the comparison is."""

AnySubscription = StripeSubscription | PaidSubscription


class Progress(Protocol):
    """How far an unfinished comparison is."""

    def get(self) -> int | None:
        """Until when begun (Unix ms) subscriptions are still to be compared; None when all are."""

    def keep(self, until: int) -> None:
        """Notes that those begun until then are still to be compared."""

    def finish(self) -> None:
        """Notes that all are compared."""


class Telemetry(Protocol):
    """What operators see."""

    def compared(self, queued: int, finished: bool) -> None:
        """A run is over."""


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
        """Begins a comparison of all subscriptions, and goes on until then (Unix ms); ``look_after`` does the rest.

        Returns:
            How many customers were queued.

        Raises:
            PaymentUnavailable: Stripe is down; what is left is compared later.
            Unavailable: something of our own is down; what is left is compared later.
        """
        self._progress.keep(self._now() - YOUNG_MS)
        return self.look_after(ends_at)

    def look_after(self, ends_at: int) -> int:
        """Queues what is due, and goes on with a comparison that was left until ``ends_at`` (Unix ms).

        Returns:
            How many customers were queued.

        Raises:
            As ``compare_all``.
        """
        queued = self._queue.send({"customerId": each, "type": "due"} for each in self._index.due(self._now()))
        until = self._progress.get()
        while until is not None and self._now() < ends_at:
            sent, until = self._compare(until)
            queued += sent
        self._telemetry.compared(queued, finished=until is None)
        return queued

    def _compare(self, until: int) -> tuple[int, int | None]:
        """Compares a step of those begun until then; how many were queued, and until when the rest was begun."""
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
        return groupby(heapq.merge(at_stripe, stored, key=_created_at, reverse=True), key=_created_at)

    def _differing(self, subscriptions: list[AnySubscription]) -> Iterator[str]:
        """The customers of those, begun in the same second, that one side has otherwise than the other."""
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
        """The account at Stripe may sell other things too."""
        return at_stripe.user_id is not None or self._prices.plan(at_stripe.price_id) is not None


def _created_at(subscription: AnySubscription) -> int:
    return subscription.created_at
