"""Subscriptions. Times are Unix milliseconds, amounts cents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from purser.plans.model import CATALOG, Plan, public_plans


class PaymentType(StrEnum):
    """How a subscription is paid: through Stripe, or granted by an admin."""

    STRIPE = "STRIPE"
    ADMIN = "ADMIN"


class Status(StrEnum):
    """The status of a subscription at Stripe (https://docs.stripe.com/api/subscriptions/object)."""

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    UNPAID = "unpaid"
    PAUSED = "paused"


RUNNING = frozenset({Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})
"""The statuses that Stripe collects payments for: the reference's "active subscription"."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A user's subscription to a plan."""

    user_id: str
    plan: Plan
    payment_type: PaymentType
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription at Stripe, which has one item. ``amount`` is in cents of ``currency``."""

    id: str
    customer_id: str
    user_id: str | None
    status: Status
    item_id: str
    price_id: str
    amount: int
    currency: str
    interval: str
    trial_period_days: int | None
    cancel_at_period_end: bool
    cancel_at: int | None
    current_period_start: int
    current_period_end: int
    trial_start: int | None
    trial_end: int | None
    created_at: int

    @property
    def is_running(self) -> bool:
        """Whether Stripe collects payments for it."""
        return self.status in RUNNING


@dataclass(frozen=True, slots=True)
class Invoice:
    """A finalized, paid invoice."""

    number: str
    currency: str
    amount_paid: int
    period_start: int | None
    period_end: int | None
    hosted_url: str
    pdf: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Checkout:
    """Stripe's page for paying a subscription."""

    id: str
    url: str
    price_id: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class PaidSubscription:
    """Our record of a user's subscription at Stripe.

    ``plan`` is None if no plan has its price. ``past_due_since`` is when it was first seen past due. ``duplicates`` are
    newer running subscriptions that are still to be ended and refunded. ``due_at`` is when it must be synchronized
    without an event, None for never. ``version`` is 0 before it is stored.
    """

    user_id: str
    customer_id: str
    subscription_id: str
    status: Status
    plan: Plan | None
    past_due_since: int | None
    created_at: int
    updated_at: int
    duplicates: tuple[str, ...] = ()
    due_at: int | None = None
    version: int = 0

    @property
    def is_running(self) -> bool:
        """Whether Stripe collects payments for it."""
        return self.status in RUNNING

    def is_entitled(self, now: int, grace_ms: int) -> bool:
        """Tell whether it entitles to its plan: if active, trialing, or past due for less than the grace period."""
        if self.status is Status.PAST_DUE:
            return self.past_due_since is None or now < self.past_due_since + grace_ms
        return self.status in RUNNING


@dataclass(frozen=True, slots=True)
class Entitlements:
    """A user's possible entitlements to a plan: an admin's grant and a subscription at Stripe."""

    grant: Subscription | None = None
    paid: PaidSubscription | None = None

    def ruling(self, now: int, grace_ms: int) -> Subscription | None:
        """Return the subscription with the larger plan, the paid one if both plans are the same."""
        subscriptions = [self.grant] if self.grant else []
        paid = self.paid
        if paid and paid.plan and paid.is_entitled(now, grace_ms):
            subscriptions.append(
                Subscription(paid.user_id, paid.plan, PaymentType.STRIPE, paid.created_at, paid.updated_at),
            )
        return max(
            subscriptions, key=lambda each: (each.plan.size, each.payment_type is PaymentType.STRIPE), default=None
        )


class Prices:
    """The prices of plans at Stripe. ``by_plan`` maps names of plans to ids of prices."""

    def __init__(self, by_plan: Mapping[str, str]) -> None:
        self._by_plan = {plan.id: by_plan[plan.name] for plan in public_plans() if plan.name in by_plan}

    def of(self, plan: Plan) -> str | None:
        """Return the id of a plan's price, or None."""
        return self._by_plan.get(plan.id)

    def plan(self, price_id: str) -> Plan | None:
        """Return the plan of a price, or None."""
        return next((plan for plan in CATALOG if self._by_plan.get(plan.id) == price_id), None)
