"""Request and answer models of payments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from purser.billing.model import StripeSubscription
from purser.http.wire import STAYS, Instant, WireModel

PlanId = Annotated[str, Field(strict=True, max_length=64)]


class PriceAnswer(WireModel):
    """The price of a subscription; ``amount`` in cents."""

    amount: int
    currency: str
    interval: str
    trialPeriodDays: int | None = Field(validation_alias="trial_period_days")


class StripeSubscriptionAnswer(WireModel):
    """A subscription at Stripe."""

    cancelAtPeriodEnd: bool = Field(validation_alias="cancel_at_period_end")
    cancelAt: Instant | None = Field(validation_alias="cancel_at")
    currentPeriodStart: Instant = Field(validation_alias="current_period_start")
    currentPeriodEnd: Instant = Field(validation_alias="current_period_end")
    trialStart: Instant | None = Field(validation_alias="trial_start")
    trialEnd: Instant | None = Field(validation_alias="trial_end")
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

    number: str
    currency: str
    amountPaid: int = Field(validation_alias="amount_paid")
    periodStart: Instant | None = Field(validation_alias="period_start")
    periodEnd: Instant | None = Field(validation_alias="period_end")
    hostedUrl: str = Field(validation_alias="hosted_url")
    pdf: str
    createdAt: Instant = Field(validation_alias="created_at")


def stripe_subscription_answer(running: StripeSubscription) -> StripeSubscriptionAnswer:
    """Return a subscription on the wire."""
    return StripeSubscriptionAnswer(**asdict(running), plan=PriceAnswer.model_validate(running))
