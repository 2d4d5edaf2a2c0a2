"""AccountSubscription: what a user pays for."""

from __future__ import annotations

from pydantic import Field

from purser.billing.model import PaymentType, Subscription
from purser.bootstrap import subscriptions
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.wire import Number, WireModel

app = customer_app()


class PlanAnswer(WireModel):
    """A plan, public or private."""

    id: str
    name: str
    maxBalanceUSD: Number = Field(validation_alias="max_balance_usd")
    maxApiKey: int = Field(validation_alias="max_api_key")
    strategyAutomated: bool = Field(validation_alias="strategy_automated")


class SubscriptionAnswer(WireModel):
    """A user's subscription."""

    paymentType: PaymentType = Field(validation_alias="payment_type")
    SubscriptionType: PlanAnswer = Field(validation_alias="plan")


@app.get("/v1/priv/account/subscription")
def get_subscription(caller: SignedIn) -> SubscriptionAnswer | None:
    """The caller's subscription; null without one."""
    subscription: Subscription | None = subscriptions().of(caller.user_id)
    return SubscriptionAnswer.model_validate(subscription) if subscription else None


handler = entry_point(app)
