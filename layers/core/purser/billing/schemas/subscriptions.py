"""Answer models of subscriptions."""

from __future__ import annotations

from pydantic import Field

from purser.billing.model import PaymentType
from purser.http.wire import Number, WireModel


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
