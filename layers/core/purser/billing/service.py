"""Who has which plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.billing.model import PaymentType, Plan, Subscription, plan_by_id
from purser.errors import Fault, InvalidInput


class SubscriptionStore(Protocol):
    """Where subscriptions are kept."""

    def get(self, user_id: str) -> Subscription | None:
        """The user's subscription, or None."""

    def put(self, subscription: Subscription) -> None:
        """Keeps a subscription in the place of the one before."""

    def remove(self, user_id: str, payment_type: PaymentType) -> None:
        """Forgets the user's subscription if it is paid in that way."""


class Subscriptions:
    """Who has which plan. ``now`` gives Unix milliseconds."""

    def __init__(self, store: SubscriptionStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def of(self, user_id: str) -> Subscription | None:
        """The user's subscription, or None."""
        return self._store.get(user_id)

    def plan_of(self, user_id: str) -> Plan | None:
        """The plan that rules what the user may do, or None without a subscription."""
        subscription = self._store.get(user_id)
        return subscription.plan if subscription else None

    def grant(self, user_id: str, plan_id: str | None) -> Subscription | None:
        """Gives a user a plan, public or private, without payment; None takes the grant back.

        A grant stands in the place of a subscription that is paid for; only a grant can be taken back.

        Returns:
            The subscription that the user has then, or None.

        Raises:
            InvalidInput: no such plan.
        """
        if plan_id is None:
            self._store.remove(user_id, PaymentType.ADMIN)
            return self._store.get(user_id)
        plan = plan_by_id(plan_id)
        if plan is None:
            raise InvalidInput([Fault(("subscriptionId",), "must be valid subscription id", "body", plan_id)])
        now = self._now()
        before = self._store.get(user_id)
        created_at = before.created_at if before else now
        subscription = Subscription(user_id, plan, PaymentType.ADMIN, created_at, now)
        self._store.put(subscription)
        return subscription
