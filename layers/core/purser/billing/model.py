"""Subscriptions. Times are Unix milliseconds, amounts cents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from purser.correlation import tagged
from purser.plans.model import Plan, public_plans
from purser.work.model import WorkItem

RESEND_AFTER_MS = 2 * 3600 * 1000
"""The time until a reading is due again, in case its message is lost: longer than all retries of a message take."""


class PaymentType(StrEnum):
    """The way a subscription is paid: through Stripe, or granted by an admin."""

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

ENDED = frozenset({Status.CANCELED, Status.INCOMPLETE_EXPIRED})
"""The statuses that never change again."""


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
    """A subscription at Stripe, seen through the item whose price has a plan, else through its first item.

    ``plan`` is None if no plan has a price of it. ``amount`` is what the item costs in a period, in cents of
    ``currency``, None if that is not fixed. ``is_paused`` says that an operator has paused the collection of payments.
    ``hosted_invoice_url`` is the page that pays its open invoice, if read.
    """

    id: str
    customer_id: str
    user_id: str | None
    status: Status
    plan: Plan | None
    item_id: str
    price_id: str
    amount: int | None
    currency: str
    interval: str | None
    trial_period_days: int | None
    cancel_at_period_end: bool
    cancel_at: int | None
    current_period_start: int
    current_period_end: int
    trial_start: int | None
    trial_end: int | None
    created_at: int
    schedule_id: str | None = None
    is_paused: bool = False
    hosted_invoice_url: str | None = None

    @property
    def is_running(self) -> bool:
        """True if Stripe collects payments for the subscription."""
        return self.status in RUNNING

    @property
    def is_ours(self) -> bool:
        """True if Purser sold the subscription. The Stripe account may also sell other things to its customers."""
        return self.plan is not None or self.user_id is not None

    @property
    def ends_with_period(self) -> bool:
        """True if the subscription ends with its period. Stripe's portal sets only ``cancel_at``."""
        return self.cancel_at_period_end or self.cancel_at == self.current_period_end


@dataclass(frozen=True, slots=True)
class Refund:
    """The amount refunded, in cents, and the reasons why Stripe refused to refund the rest."""

    cents: int = 0
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoice:
    """A finalized, paid invoice."""

    number: str | None
    currency: str
    amount_paid: int
    period_start: int | None
    period_end: int | None
    hosted_url: str | None
    pdf: str | None
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

    ``plan`` is None if no plan has, or had, its price. ``past_due_since`` is when it was first seen past due.
    ``duplicates`` are other running subscriptions that are still to be ended and refunded. Each names the subscription
    that was in use when it was noticed: what was paid beside that one is refunded, whatever is in use by then.
    ``due_at`` is when its ``DueReading`` is due, None for never. ``version`` is 0 before it is stored.
    """

    user_id: str
    customer_id: str
    subscription_id: str
    status: Status
    plan: Plan | None
    past_due_since: int | None
    created_at: int
    updated_at: int
    duplicates: Mapping[str, str] = field(default_factory=dict)
    due_at: int | None = None
    version: int = 0

    @property
    def is_running(self) -> bool:
        """True if Stripe collects payments for the subscription."""
        return self.status in RUNNING

    def is_entitled(self, now: int, grace_ms: int) -> bool:
        """Tell whether it entitles to its plan: if active, trialing, or past due for less than the grace period."""
        if self.status is Status.PAST_DUE:
            return self.past_due_since is None or now < self.past_due_since + grace_ms
        return self.status in RUNNING


@dataclass(frozen=True, slots=True)
class DueReading(WorkItem):
    """A reading of a subscription at Stripe that is due without an event. It lies on our record of the subscription.

    Its message is worked on like an event, without a lease: the version of the record orders readings. What a reading
    stores says when the next one is due, if ever. So it has no attempts, and is never dead.
    """

    user_id: str
    customer_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The user."""
        return (self.user_id,)

    @property
    def message(self) -> dict[str, str]:
        """The message for the queue, in the form of an event's."""
        return tagged({"customerId": self.customer_id, "type": "due"}, self.correlation_id)


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


def is_live(api_key: str) -> bool:
    """Return whether a secret or restricted key of Stripe is of live mode, in which payments are real.

    Source: https://docs.stripe.com/keys#test-live-modes.
    """
    return api_key.startswith(("sk_live_", "rk_live_"))


def ours_among(found: Sequence[StripeSubscription], noted: PaidSubscription | None) -> list[StripeSubscription]:
    """Return the subscriptions that Purser sold, and the one in our record if it has, or had, a plan."""
    noted_id = noted.subscription_id if noted and noted.plan else ""
    return [each for each in found if each.is_ours or each.id == noted_id]


def in_order_of_use(running: Sequence[StripeSubscription], noted: PaidSubscription | None) -> list[StripeSubscription]:
    """Return running subscriptions, the one that is in use first; the others are duplicates.

    The subscription that our record has as running stays in use. If the record has it as not running, it has come back
    and comes last, because another has replaced it. Otherwise the oldest is in use.
    """

    def place(each: StripeSubscription) -> tuple[int, int, str]:
        is_noted = noted is not None and noted.subscription_id == each.id
        place = (0 if noted.is_running else 2) if noted and is_noted else 1
        return place, each.created_at, each.id

    ending = noted.duplicates if noted else ()
    return sorted((each for each in running if each.is_running and each.id not in ending), key=place)


class Prices:
    """The prices of plans at Stripe: ids by the name of a plan, of which the first is for sale."""

    def __init__(self, by_plan: Mapping[str, Sequence[str]]) -> None:
        self._by_plan = {plan.id: by_plan[plan.name] for plan in public_plans() if by_plan.get(plan.name)}
        self._plans = {price_id: plan for plan in public_plans() for price_id in self._by_plan.get(plan.id, ())}

    def of(self, plan: Plan) -> str | None:
        """Return the id of the price for which a plan is sold, or None."""
        return next(iter(self._by_plan.get(plan.id, ())), None)

    def plan(self, price_id: str) -> Plan | None:
        """Return the plan that has a price, or had it when it was sold, or None."""
        return self._plans.get(price_id)
