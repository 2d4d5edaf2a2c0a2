"""PublicSubscription: the public list of plans."""

from __future__ import annotations

from purser.billing.schemas.plans import PlanForSale, PlanList
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.plans.model import public_plans

app = customer_app()


@app.get("/v1/pub/subscription/list", cache_control="public, max-age=300")
def list_plans() -> PlanList:
    """List the plans for sale."""
    return PlanList(items=[PlanForSale.model_validate(plan) for plan in public_plans()])


handler = entry_point(app)
