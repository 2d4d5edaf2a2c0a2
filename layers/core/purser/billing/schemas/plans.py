"""Answer models of plans for sale."""

from __future__ import annotations

from pydantic import Field

from purser.billing.schemas.subscriptions import PlanAnswer
from purser.http.wire import WireModel


class PlanForSale(PlanAnswer):
    """A plan for sale."""

    monthlyPriceUSD: int = Field(validation_alias="monthly_price_usd")


class PlanList(WireModel):
    """The plans, cheapest first."""

    items: list[PlanForSale]
