"""PublicSubscription: the plans that are for sale, open to all."""

from __future__ import annotations

from pydantic import Field

from purser.billing.model import public_plans
from purser.billing.schemas.subscriptions import PlanAnswer
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.wire import WireModel

app = customer_app()


class PlanForSale(PlanAnswer):
    """A plan that is for sale."""

    monthlyPriceUSD: int = Field(validation_alias="monthly_price_usd")


class PlanList(WireModel):
    """The plans, cheapest first."""

    items: list[PlanForSale]


@app.get("/v1/pub/subscription/list", cache_control="public, max-age=300")
def list_plans() -> PlanList:
    """The plans that are for sale."""
    return PlanList(items=[PlanForSale.model_validate(plan) for plan in public_plans()])


handler = entry_point(app)
