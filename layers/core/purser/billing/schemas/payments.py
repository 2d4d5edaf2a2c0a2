"""Request and answer models of payments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from purser.billing.model import StripeSubscription
from purser.http.wire import STAYS, Instant, WireModel

PlanId = Annotated[str, Field(strict=True, max_length=64)]


class PriceAnswer(WireModel):
    """The price of a subscription; ``amount`` in cents, null if it depends on the quantity."""

    amount: int | None
    currency: str
    interval: str | None
    trialPeriodDays: int | None = Field(validation_alias="trial_period_days")


class StripeSubscriptionAnswer(WireModel):
    """A subscription at Stripe. ``hostedInvoiceUrl`` is the page for paying if it is past due.

    While ``collectionPaused``, an operator has paused the collection of payments, and the plan cannot be changed.
    """

    cancelAtPeriodEnd: bool = Field(validation_alias="ends_with_period")
    cancelAt: Instant | None = Field(validation_alias="cancel_at")
    currentPeriodStart: Instant = Field(validation_alias="current_period_start")
    currentPeriodEnd: Instant = Field(validation_alias="current_period_end")
    trialStart: Instant | None = Field(validation_alias="trial_start")
    trialEnd: Instant | None = Field(validation_alias="trial_end")
    hostedInvoiceUrl: str | None = Field(validation_alias="hosted_invoice_url")
    collectionPaused: bool = Field(validation_alias="is_paused")
    plan: PriceAnswer


class CheckoutBody(BaseModel):
    """The body of create checkout."""

    subscriptionId: PlanId


class CheckoutAnswer(WireModel):
    """The page to pay on, and where Stripe redirects afterwards."""

    url: str
    successUrl: str
    cancelUrl: str


class SubscriptionChangeBody(BaseModel):
    """The body of update subscription. Absent fields are unchanged."""

    cancelAtPeriodEnd: Annotated[bool, STAYS] = Field(default=False, strict=True)
    subscriptionId: Annotated[PlanId, STAYS] = ""


class InvoiceAnswer(WireModel):
    """A paid invoice; ``amountPaid`` in cents."""

    number: str | None
    currency: str
    amountPaid: int = Field(validation_alias="amount_paid")
    periodStart: Instant | None = Field(validation_alias="period_start")
    periodEnd: Instant | None = Field(validation_alias="period_end")
    hostedUrl: str | None = Field(validation_alias="hosted_url")
    pdf: str | None
    createdAt: Instant = Field(validation_alias="created_at")


def stripe_subscription_answer(running: StripeSubscription) -> StripeSubscriptionAnswer:
    """Return a subscription on the wire."""
    fields = asdict(running) | {"ends_with_period": running.ends_with_period}
    return StripeSubscriptionAnswer(**fields | {"plan": PriceAnswer.model_validate(running)})
