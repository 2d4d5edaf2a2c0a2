"""Request and answer models of follows."""

from __future__ import annotations

from pydantic import BaseModel, Field

from purser.follows.model import FollowView
from purser.http.wire import Instant, Number, Uuid, WireModel


class NewFollowBody(BaseModel):
    """The body of create follow."""

    active: bool = Field(default=True, strict=True)
    strategyAutomatedId: Uuid
    strategyRiskProfileId: Uuid


class FollowChangeBody(BaseModel):
    """The body of update follow: what is absent stays as it is."""

    active: bool | None = Field(default=None, strict=True)
    strategyAutomatedId: Uuid | None = None
    strategyRiskProfileId: Uuid | None = None


class FollowedStrategyAnswer(WireModel):
    """The strategy that is followed."""

    id: str
    active: bool
    exchangeId: str = Field(validation_alias="venue")
    symbol: str


class FollowedRiskAnswer(WireModel):
    """The risk that it is followed at."""

    id: str
    percentage: Number


class FollowAnswer(WireModel):
    """A follow."""

    id: str
    active: bool
    createdAt: Instant
    updatedAt: Instant
    StrategyAutomated: FollowedStrategyAnswer
    StrategyRiskProfile: FollowedRiskAnswer


class FollowList(WireModel):
    """What a key follows, oldest first."""

    items: list[FollowAnswer]


def follow_answer(view: FollowView) -> FollowAnswer:
    """Return a follow on the wire."""
    return FollowAnswer(
        id=view.follow.id,
        active=view.follow.active,
        createdAt=view.follow.created_at,
        updatedAt=view.follow.updated_at,
        StrategyAutomated=FollowedStrategyAnswer.model_validate(view.strategy),
        StrategyRiskProfile=FollowedRiskAnswer.model_validate(view.risk_profile),
    )
