"""AccountSubscription, its Stripe part: buying a plan, changing it, and what was paid."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from purser.billing.model import StripeSubscription
from purser.bootstrap.billing import payments
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, once
from purser.http.wire import STAYS, Instant, WireModel
from purser.settings import settings

app = customer_app()

PATH = "/v1/priv/account/subscription/stripe"

PlanId = Annotated[str, Field(strict=True, max_length=64)]


class PriceAnswer(WireModel):
    """What a subscription costs; ``amount`` in cents."""

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
    """Where to pay, and where Stripe leads afterwards."""

    url: str
    successUrl: str
    cancelUrl: str


class SubscriptionChangeBody(BaseModel):
    """The body of update subscription: what is absent stays as it is."""

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


@app.get(PATH)
def get_subscription(caller: SignedIn) -> StripeSubscriptionAnswer | None:
    """The caller's running subscription at Stripe; null without one."""
    running = payments().subscription(caller.user_id)
    return _answer(running) if running else None


@app.post(f"{PATH}/checkout")
def check_out(body: CheckoutBody, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> CheckoutAnswer:
    """Opens the page on which the caller pays for a plan."""

    def act() -> CheckoutAnswer:
        page = payments().check_out(caller.user_id, body.subscriptionId)
        urls = settings().require("checkout_success_url"), settings().require("checkout_cancel_url")
        return CheckoutAnswer(url=page.url, successUrl=urls[0], cancelUrl=urls[1])

    return once(caller, f"POST {PATH}/checkout", idempotency_key, body, act, CheckoutAnswer)


@app.put(PATH)
def update_subscription(body: SubscriptionChangeBody, caller: SignedIn) -> StripeSubscriptionAnswer:
    """Changes the caller's running subscription: whether it ends with its period, and its plan."""
    given = body.model_fields_set
    changed = payments().update(
        caller.user_id,
        cancel_at_period_end=body.cancelAtPeriodEnd if "cancelAtPeriodEnd" in given else None,
        plan_id=body.subscriptionId if "subscriptionId" in given else None,
    )
    return _answer(changed)


@app.get(f"{PATH}/billing/history")
def list_invoices(caller: SignedIn) -> list[InvoiceAnswer]:
    """What the caller has paid, newest first."""
    return [InvoiceAnswer.model_validate(invoice) for invoice in payments().invoices(caller.user_id)]


def _answer(told: StripeSubscription) -> StripeSubscriptionAnswer:
    return StripeSubscriptionAnswer(**asdict(told), plan=PriceAnswer.model_validate(told))


handler = entry_point(app)
