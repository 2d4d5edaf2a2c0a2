"""The use cases of subscriptions."""

from __future__ import annotations

from collections.abc import Callable

from purser.actor import SYSTEM, Actor
from purser.audit.model import Action, audit_entry
from purser.billing.model import Entitlements, PaymentType, Subscription
from purser.billing.ports import SubscriptionStore
from purser.errors import FieldError, InvalidInput
from purser.plans.model import Plan, plan_by_id


class Subscriptions:
    """The use cases. ``now`` gives Unix milliseconds. A subscription that is past due is valid for ``grace_ms``."""

    def __init__(self, store: SubscriptionStore, now: Callable[[], int], grace_ms: int) -> None:
        self._store = store
        self._now = now
        self._grace_ms = grace_ms

    def of(self, user_id: str) -> Subscription | None:
        """Return the user's valid subscription, or None."""
        return self._ruling(self._store.get(user_id))

    def plan_of(self, user_id: str) -> Plan | None:
        """Return the plan of the user's valid subscription, or None."""
        subscription = self.of(user_id)
        return subscription.plan if subscription else None

    def grant(self, user_id: str, plan_id: str | None, by: Actor = SYSTEM) -> Subscription | None:
        """Grant a user a plan, public or private, without payment, or withdraw the grant (None).

        A grant and a paid subscription exist side by side. The larger plan is valid.

        Returns:
            The valid subscription, or None.

        Raises:
            InvalidInput: no such plan.
        """
        now, target = self._now(), f"user/{user_id}"
        if plan_id is None:
            self._store.remove_grant(user_id, audit_entry(by, Action.PLAN_REVOKE, target, now, user_id))
            return self.of(user_id)
        plan, entitlements = known_plan(plan_id), self._store.get(user_id)
        created_at = entitlements.grant.created_at if entitlements.grant else now
        grant = Subscription(user_id, plan, PaymentType.ADMIN, created_at, now)
        self._store.put_grant(grant, audit_entry(by, Action.PLAN_GRANT, target, now, user_id))
        return self._ruling(Entitlements(grant, entitlements.paid))

    def _ruling(self, entitlements: Entitlements) -> Subscription | None:
        return entitlements.ruling(self._now(), self._grace_ms)


def known_plan(plan_id: str) -> Plan:
    """Return a plan, public or private. Raises ``InvalidInput`` if there is no such plan."""
    plan = plan_by_id(plan_id)
    if plan is None:
        raise InvalidInput([FieldError(("subscriptionId",), "must be valid subscription id", "body", plan_id)])
    return plan
