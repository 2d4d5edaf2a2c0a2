"""StrategyAutomated: which strategies a user's exchange keys follow."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, Field

from purser.bootstrap.strategies import follows
from purser.follows.model import FollowChange, FollowView
from purser.follows.service import NewFollow
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.wire import Instant, Number, Uuid, WireModel

app = customer_app()

CREATE_FOLLOW = "POST /v1/priv/strategy/follow/exchange/key/{}"

KeyId = Annotated[Uuid, Path()]
FollowId = Annotated[Uuid, Path()]


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


@app.get("/v1/priv/strategy/follow/exchange/key/<id>")
def list_follows(id: KeyId, caller: SignedIn) -> FollowList:
    """What a key follows."""
    return FollowList(items=[_answer(view) for view in follows().of(caller.user_id, id)])


@app.post("/v1/priv/strategy/follow/exchange/key/<id>")
def create_follow(
    id: KeyId, body: NewFollowBody, caller: SignedIn, idempotency_key: IdempotencyKey = None
) -> FollowAnswer:
    """Lets a key follow a strategy."""
    route = CREATE_FOLLOW.format(id)

    def create() -> FollowAnswer:
        new = NewFollow(
            id=new_id(caller, route, idempotency_key),
            user_id=caller.user_id,
            trading_account_id=id,
            strategy_id=body.strategyAutomatedId,
            risk_profile_id=body.strategyRiskProfileId,
            active=body.active,
        )
        return _answer(follows().begin(new))

    return once(caller, route, idempotency_key, body, create, FollowAnswer)


@app.put("/v1/priv/strategy/follow/<id>")
def update_follow(id: FollowId, body: FollowChangeBody, caller: SignedIn) -> FollowAnswer:
    """Switches a follow on or off, or to another strategy of its symbol or another risk."""
    change = FollowChange(body.active, body.strategyAutomatedId, body.strategyRiskProfileId)
    return _answer(follows().change(caller.user_id, id, change))


@app.delete("/v1/priv/strategy/follow/<id>", status_code=204)
def delete_follow(id: FollowId, caller: SignedIn) -> Response[Any]:
    """Ends a follow for good."""
    follows().end(caller.user_id, id)
    return Response(status_code=204, body="")


def _answer(view: FollowView) -> FollowAnswer:
    return FollowAnswer(
        id=view.follow.id,
        active=view.follow.active,
        createdAt=view.follow.created_at,
        updatedAt=view.follow.updated_at,
        StrategyAutomated=FollowedStrategyAnswer.model_validate(view.strategy),
        StrategyRiskProfile=FollowedRiskAnswer.model_validate(view.risk_profile),
    )


handler = entry_point(app)
