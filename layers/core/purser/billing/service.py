"""Who has which plan."""

from __future__ import annotations

from collections.abc import Callable

from purser.billing.model import Entitlements, PaymentType, Subscription
from purser.billing.ports import SubscriptionStore
from purser.errors import FieldError, InvalidInput
from purser.plans.model import Plan, plan_by_id


class Subscriptions:
    """Who has which plan. ``now`` gives Unix milliseconds; a subscription past due gives its plan for ``grace_ms``."""

    def __init__(self, store: SubscriptionStore, now: Callable[[], int], grace_ms: int) -> None:
        self._store = store
        self._now = now
        self._grace_ms = grace_ms

    def of(self, user_id: str) -> Subscription | None:
        """The subscription that rules what the user may do, or None."""
        return self._ruling(self._store.get(user_id))

    def plan_of(self, user_id: str) -> Plan | None:
        """The plan that rules what the user may do, or None without a subscription."""
        subscription = self.of(user_id)
        return subscription.plan if subscription else None

    def grant(self, user_id: str, plan_id: str | None) -> Subscription | None:
        """Gives a user a plan, public or private, without payment; None takes the grant back.

        A grant stands beside a subscription that is paid for, and neither ends the other: the larger plan rules.

        Returns:
            The subscription that rules then, or None.

        Raises:
            InvalidInput: no such plan.
        """
        if plan_id is None:
            self._store.remove_grant(user_id)
            return self.of(user_id)
        plan = known_plan(plan_id)
        now, entitlements = self._now(), self._store.get(user_id)
        created_at = entitlements.grant.created_at if entitlements.grant else now
        grant = Subscription(user_id, plan, PaymentType.ADMIN, created_at, now)
        self._store.put_grant(grant)
        return self._ruling(Entitlements(grant, entitlements.paid))

    def _ruling(self, entitlements: Entitlements) -> Subscription | None:
        return entitlements.ruling(self._now(), self._grace_ms)


def known_plan(plan_id: str) -> Plan:
    """The plan of an id, public or private.

    Raises:
        InvalidInput: there is none.
    """
    plan = plan_by_id(plan_id)
    if plan is None:
        raise InvalidInput([FieldError(("subscriptionId",), "must be valid subscription id", "body", plan_id)])
    return plan
