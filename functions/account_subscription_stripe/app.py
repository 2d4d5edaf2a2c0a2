"""AccountSubscriptionStripe: buying and changing a plan at Stripe, and listing the invoices."""

from __future__ import annotations

from purser import errors as e
from purser.billing.schemas.payments import (
    CheckoutAnswer,
    CheckoutBody,
    InvoiceAnswer,
    StripeSubscriptionAnswer,
    SubscriptionChangeBody,
    stripe_subscription_answer,
)
from purser.bootstrap.billing import payments
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, once
from purser.settings import settings

app = customer_app()

PATH = "/v1/priv/account/subscription/stripe"


@app.get(PATH)
def get_subscription(caller: SignedIn) -> StripeSubscriptionAnswer | None:
    """Return the caller's running subscription at Stripe, or null if there is none."""
    running = payments().subscription(caller.user_id)
    return stripe_subscription_answer(running) if running else None


@app.post(f"{PATH}/checkout", refuses=(e.PlanNotPublic, e.StripeSubscriptionExists, e.PaymentRefused))
def check_out(body: CheckoutBody, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> CheckoutAnswer:
    """Open a page on which the caller pays for a plan."""

    def act() -> CheckoutAnswer:
        page = payments().check_out(caller.user_id, caller.username, body.subscriptionId)
        urls = settings().require("checkout_success_url"), settings().require("checkout_cancel_url")
        return CheckoutAnswer(url=page.url, successUrl=urls[0], cancelUrl=urls[1])

    return once(caller, f"POST {PATH}/checkout", idempotency_key, body, act, CheckoutAnswer)


@app.put(PATH, refuses=(e.PlanNotPublic, e.NoStripeSubscription, e.PaymentDeclined, e.PaymentRefused, *e.PLAN_LIMITS))
def update_subscription(body: SubscriptionChangeBody, caller: SignedIn) -> StripeSubscriptionAnswer:
    """Change the plan of the caller's subscription, or whether it ends with its period."""
    given = body.model_fields_set
    changed = payments().update(
        caller.user_id,
        cancel_at_period_end=body.cancelAtPeriodEnd if "cancelAtPeriodEnd" in given else None,
        plan_id=body.subscriptionId if "subscriptionId" in given else None,
    )
    return stripe_subscription_answer(changed)


@app.get(f"{PATH}/billing/history")
def list_invoices(caller: SignedIn) -> list[InvoiceAnswer]:
    """List the caller's invoices, newest first."""
    return [InvoiceAnswer.model_validate(invoice) for invoice in payments().invoices(caller.user_id)]


handler = entry_point(app)
