"""Request and answer models of follows."""

from __future__ import annotations

from pydantic import AliasPath, BaseModel, Field

from purser.http.wire import Instant, Number, Uuid, WireModel


class NewFollowBody(BaseModel):
    """The body of create follow."""

    active: bool = Field(default=True, strict=True)
    strategyAutomatedId: Uuid
    strategyRiskProfileId: Uuid


class FollowChangeBody(BaseModel):
    """The body of update follow. Absent fields are unchanged."""

    active: bool | None = Field(default=None, strict=True)
    strategyAutomatedId: Uuid | None = None
    strategyRiskProfileId: Uuid | None = None


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


class FollowAnswer(WireModel):
    """A follow."""

    id: str = Field(validation_alias=AliasPath("follow", "id"))
    active: bool = Field(validation_alias=AliasPath("follow", "active"))
    createdAt: Instant = Field(validation_alias=AliasPath("follow", "created_at"))
    updatedAt: Instant = Field(validation_alias=AliasPath("follow", "updated_at"))
    StrategyAutomated: FollowedStrategyAnswer = Field(validation_alias="strategy")
    StrategyRiskProfile: FollowedRiskAnswer = Field(validation_alias="risk_profile")


class FollowList(WireModel):
    """The follows of a trading account, oldest first."""

    items: list[FollowAnswer]
