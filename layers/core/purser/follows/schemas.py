"""Request and answer models of follows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, Field

from purser.follows.model import FollowChange, OnStop, Protections
from purser.http.wire import (
    FEW_DECIMALS,
    UNKNOWN,
    WHOLE,
    Instant,
    Number,
    PlainNumber,
    Uuid,
    WireModel,
    decimal_schema,
)

MOST_USD = 10**12
Slippage = Annotated[PlainNumber, Field(ge=0.1, le=3), FEW_DECIMALS, decimal_schema(digits=1, minimum=0.1, maximum=3)]
Usd = Annotated[PlainNumber, Field(gt=0, le=MOST_USD), FEW_DECIMALS, decimal_schema(digits=13, maximum=MOST_USD)]
Leverage = Annotated[int, Field(ge=1, le=125, strict=True), WHOLE]


class ProtectionsBody(BaseModel):
    """A follower's own limits. Null removes one.

    With ``onStop`` CLOSE, the open trade is closed at the market when you pause or end the follow, or change its
    strategy. With KEEP, the default, it stays with its stop and take-profits.
    """

    maxSlippagePercent: Slippage | None = None
    maxLeverage: Leverage | None = None
    minEquityUSD: Usd | None = None
    maxEquityUSD: Usd | None = None
    onStop: OnStop | None = None

    @property
    def given_protections(self) -> dict[str, Any]:
        """The protections that the body names, by their domain's fields."""
        return {name: getattr(self, field) for name, field in FIELDS.items() if field in self.model_fields_set}


FIELDS = {
    "max_slippage_percent": "maxSlippagePercent",
    "max_leverage": "maxLeverage",
    "min_equity_usd": "minEquityUSD",
    "max_equity_usd": "maxEquityUSD",
    "on_stop": "onStop",
}
"""The fields of protections on the wire, by those of the domain."""


class NewFollowBody(ProtectionsBody):
    """The body of create follow."""

    active: bool = Field(default=True, strict=True)
    strategyAutomatedId: Uuid
    strategyRiskProfileId: Uuid

    @property
    def protections(self) -> Protections:
        """The follower's own limits."""
        return Protections(**self.given_protections)


class FollowChangeBody(ProtectionsBody):
    """The body of update follow. Absent fields are unchanged."""

    active: bool | None = Field(default=None, strict=True)
    strategyAutomatedId: Uuid | None = None
    strategyRiskProfileId: Uuid | None = None

    def as_change(self) -> FollowChange:
        """Return the change that is asked for."""
        return FollowChange(self.active, self.strategyAutomatedId, self.strategyRiskProfileId, self.given_protections)


class FollowedStrategyAnswer(WireModel):
    """The strategy of a follow."""

    id: str
    active: bool
    exchangeId: str = Field(validation_alias="venue")
    symbol: str


class FollowedRiskAnswer(WireModel):
    """The risk profile of a follow."""

    id: str
    percentage: Number


def _protection(name: str) -> Any:
    return Field(validation_alias=AliasPath("follow", "protections", name))


class FollowAnswer(WireModel):
    """A follow. Protections that are not set are left out."""

    id: str = Field(validation_alias=AliasPath("follow", "id"))
    active: bool = Field(validation_alias=AliasPath("follow", "active"))
    createdAt: Instant = Field(validation_alias=AliasPath("follow", "created_at"))
    updatedAt: Instant = Field(validation_alias=AliasPath("follow", "updated_at"))
    StrategyAutomated: FollowedStrategyAnswer = Field(validation_alias="strategy")
    StrategyRiskProfile: FollowedRiskAnswer = Field(validation_alias="risk_profile")
    maxSlippagePercent: Annotated[Number | None, _protection("max_slippage_percent")] = UNKNOWN
    maxLeverage: Annotated[int | None, _protection("max_leverage")] = UNKNOWN
    minEquityUSD: Annotated[Number | None, _protection("min_equity_usd")] = UNKNOWN
    maxEquityUSD: Annotated[Number | None, _protection("max_equity_usd")] = UNKNOWN
    onStop: Annotated[OnStop | None, _protection("on_stop")] = UNKNOWN


class FollowList(WireModel):
    """The follows of a trading account, oldest first."""

    items: list[FollowAnswer]
