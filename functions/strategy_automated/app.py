"""StrategyAutomated: the strategies that a user's exchange keys follow."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from purser import errors as e
from purser.bootstrap.executions import executions
from purser.bootstrap.strategies import follows
from purser.executions.schemas import ExecutionPage, execution_answer
from purser.follows.schemas import FollowAnswer, FollowChangeBody, FollowList, NewFollowBody
from purser.follows.service import NewFollow
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import SIGNAL_POSITION, Limit, NextToken, page_position, page_token
from purser.http.wire import Uuid

app = customer_app()

CREATE_FOLLOW = "POST /v1/priv/strategy/follow/exchange/key/{}"

KeyId = Annotated[Uuid, Path()]
FollowId = Annotated[Uuid, Path()]

FOLLOWING = (
    e.TradingAccountInactive,
    e.StrategyTypeMismatch,
    e.ExchangeMismatch,
    e.SymbolFollowed,
    e.FeatureNotInPlan,
)
CHANGING = (e.TradingAccountInactive, e.ExchangeMismatch, e.SymbolMismatch, e.SymbolFollowed, e.FeatureNotInPlan)


@app.get("/v1/priv/strategy/follow/exchange/key/<id>")
def list_follows(id: KeyId, caller: SignedIn) -> FollowList:
    """List the follows of a key."""
    return FollowList(items=[FollowAnswer.model_validate(view) for view in follows().of(caller.user_id, id)])


@app.post("/v1/priv/strategy/follow/exchange/key/<id>", refuses=FOLLOWING)
def create_follow(
    id: KeyId, body: NewFollowBody, caller: SignedIn, idempotency_key: IdempotencyKey = None
) -> FollowAnswer:
    """Make a key follow a strategy."""
    route = CREATE_FOLLOW.format(id)

    def create() -> FollowAnswer:
        new = NewFollow(
            id=new_id(caller, route, idempotency_key),
            user_id=caller.user_id,
            trading_account_id=id,
            strategy_id=body.strategyAutomatedId,
            risk_profile_id=body.strategyRiskProfileId,
            active=body.active,
            protections=body.protections,
        )
        return FollowAnswer.model_validate(follows().begin(new))

    return once(caller, route, idempotency_key, body, create, FollowAnswer)


@app.put("/v1/priv/strategy/follow/<id>", refuses=CHANGING)
def update_follow(id: FollowId, body: FollowChangeBody, caller: SignedIn) -> FollowAnswer:
    """Switch a follow on or off, or change its strategy (of the same symbol), its risk or its protections."""
    return FollowAnswer.model_validate(follows().change(caller.user_id, id, body.as_change()))


@app.get("/v1/priv/strategy/follow/<id>/execution/list")
def list_executions(id: FollowId, caller: SignedIn, limit: Limit = 100, nextToken: NextToken = None) -> ExecutionPage:
    """List what became of the signals for a follow, newest first, with the reasons of those that were skipped."""
    listed = f"executions:{id}"
    rows, position = executions().page(caller.user_id, id, page_position(listed, nextToken, SIGNAL_POSITION), limit)
    return ExecutionPage(
        items=[execution_answer(row) for row in rows],
        nextToken=page_token(listed, position) if position else None,
    )


@app.delete("/v1/priv/strategy/follow/<id>", status_code=204)
def delete_follow(id: FollowId, caller: SignedIn) -> Response[Any]:
    """End a follow for good."""
    follows().end(caller.user_id, id)
    return Response(status_code=204, body="")


handler = entry_point(app)
