"""PublicSubscription: the plans that are for sale, open to all."""

from __future__ import annotations

from pydantic import Field

from purser.billing.model import public_plans
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.wire import Number, WireModel

app = customer_app()


class PlanAnswer(WireModel):
    """A plan that is for sale."""

    id: str
    name: str
    monthlyPriceUSD: int = Field(validation_alias="monthly_price_usd")
    maxBalanceUSD: Number = Field(validation_alias="max_balance_usd")
    maxApiKey: int = Field(validation_alias="max_api_key")
    strategyAutomated: bool = Field(validation_alias="strategy_automated")


class PlanList(WireModel):
    """The plans, cheapest first."""

    items: list[PlanAnswer]


@app.get("/v1/pub/subscription/list", cache_control="public, max-age=300")
def list_plans() -> PlanList:
    """The plans that are for sale."""
    return PlanList(items=[PlanAnswer.model_validate(plan) for plan in public_plans()])


handler = entry_point(app)
