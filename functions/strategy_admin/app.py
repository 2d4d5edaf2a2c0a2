"""StrategyAdmin: administrators publish strategies, their results and the risk profiles."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from purser.bootstrap.strategies import strategies, strategy_results
from purser.http.app import entry_point
from purser.http.caller import Admin
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.wire import Uuid
from purser.strategies.schemas.answers import RiskProfileAnswer
from purser.strategies.schemas.publishing import (
    NewResultBody,
    NewRiskProfileBody,
    NewStrategyBody,
    PublishedStrategyAnswer,
    ResultAnswer,
    RiskProfileChangeBody,
    StrategyChangeBody,
)
from purser.strategies.service import NewResult, NewStrategy

app = customer_app()

CREATE_STRATEGY = "POST /v1/admin/strategy"
CREATE_RISK_PROFILE = "POST /v1/admin/strategy/profile"
CREATE_RESULT = "POST /v1/admin/strategy/{}/result"


StrategyId = Annotated[Uuid, Path()]
RiskProfileId = Annotated[Uuid, Path()]


@app.post("/v1/admin/strategy")
def create_strategy(
    body: NewStrategyBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> PublishedStrategyAnswer:
    """Publish a strategy."""

    def create() -> PublishedStrategyAnswer:
        new = NewStrategy(
            id=new_id(caller, CREATE_STRATEGY, idempotency_key),
            name=body.name,
            description=body.description,
            venue=body.exchangeId,
            symbol=body.symbol,
            active=body.active,
            signal_defaults=body.signalDefaults.defaults,
        )
        return PublishedStrategyAnswer.model_validate(strategies().publish(caller.actor, new))

    return once(caller, CREATE_STRATEGY, idempotency_key, body, create, PublishedStrategyAnswer)


@app.put("/v1/admin/strategy/<id>")
def update_strategy(id: StrategyId, body: StrategyChangeBody, caller: Admin) -> PublishedStrategyAnswer:
    """Change the name, the description, the state or the signals' defaults of a strategy."""
    return PublishedStrategyAnswer.model_validate(strategies().change(caller.actor, id, body.change))


@app.post("/v1/admin/strategy/profile")
def create_risk_profile(
    body: NewRiskProfileBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> RiskProfileAnswer:
    """Publish a risk profile."""

    def create() -> RiskProfileAnswer:
        id = new_id(caller, CREATE_RISK_PROFILE, idempotency_key)
        profile = strategies().publish_risk_profile(caller.actor, id, body.name, body.percentage)
        return RiskProfileAnswer.model_validate(profile)

    return once(caller, CREATE_RISK_PROFILE, idempotency_key, body, create, RiskProfileAnswer)


@app.put("/v1/admin/strategy/profile/<id>")
def update_risk_profile(id: RiskProfileId, body: RiskProfileChangeBody, caller: Admin) -> RiskProfileAnswer:
    """Change the name or the risk of a risk profile."""
    changed = strategies().change_risk_profile(caller.actor, id, body.model_dump(exclude_unset=True))
    return RiskProfileAnswer.model_validate(changed)


@app.post("/v1/admin/strategy/<id>/result")
def publish_result(
    id: StrategyId, body: NewResultBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> ResultAnswer:
    """Count a closed trade, exactly once, on the UTC day on which it closed."""
    route = CREATE_RESULT.format(id)

    def create() -> ResultAnswer:
        new = NewResult(
            id=body.id or new_id(caller, route, idempotency_key),
            direction=body.side,
            entry_price=body.entryPrice,
            exit_price=body.exitPrice,
            opened_at=body.openedAt,
            closed_at=body.closedAt,
        )
        return ResultAnswer.model_validate(strategy_results().publish(caller.actor, id, new))

    return once(caller, route, idempotency_key, body, create, ResultAnswer)


handler = entry_point(app)
