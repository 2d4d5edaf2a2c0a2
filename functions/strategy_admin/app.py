"""StrategyAdmin: administrators publish strategies, their results and the risk profiles."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from purser.bootstrap.strategies import strategies, strategy_results
from purser.http.app import entry_point
from purser.http.caller import Admin
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.wire import STAYS, Instant, Number, Symbol, Uuid, WireModel, decimal_schema
from purser.strategies.model import Side
from purser.strategies.schemas.answers import RiskProfileAnswer, StrategyAnswer
from purser.strategies.service import NewResult, NewStrategy

app = customer_app()

CREATE_STRATEGY = "POST /v1/admin/strategy"
CREATE_RISK_PROFILE = "POST /v1/admin/strategy/profile"
CREATE_RESULT = "POST /v1/admin/strategy/{}/result"

MOST_DECIMALS = 18


def _plain_number(value: Any) -> Any:
    # Decimal would take more notations than are documented: underscores, exponents, digits of any script.
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        raise PydanticCustomError("number", "must be number")
    return value


def _bounded(value: Decimal) -> Decimal:
    if -int(value.as_tuple().exponent) > MOST_DECIMALS:
        raise PydanticCustomError("rule_decimals", "must have at most 18 decimals")
    return value


def _milliseconds(value: Any) -> int:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None and moment >= datetime(1970, 1, 1, tzinfo=UTC):
            return round(moment.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        pass
    raise PydanticCustomError("moment", "must be valid date and time, eg. 2022-10-14T14:03:45.064Z")


StrategyId = Annotated[Uuid, Path()]
RiskProfileId = Annotated[Uuid, Path()]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Description = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
VenueName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*$")]
PlainNumber = Annotated[Decimal, BeforeValidator(_plain_number)]
Percentage = Annotated[
    PlainNumber, Field(gt=0, le=100), AfterValidator(_bounded), decimal_schema(digits=2, maximum=100)
]
Price = Annotated[
    PlainNumber, Field(gt=0, le=10**15), AfterValidator(_bounded), decimal_schema(digits=15, maximum=10**15)
]
Moment = Annotated[int, BeforeValidator(_milliseconds), WithJsonSchema({"type": "string", "format": "date-time"})]


class NewStrategyBody(BaseModel):
    """The body of create strategy."""

    name: Name
    description: Description | None = None
    exchangeId: VenueName
    symbol: Symbol
    active: bool = Field(default=True, strict=True)


class StrategyChangeBody(BaseModel):
    """The body of update strategy: what is absent stays as it is. Exchange and symbol are what followers chose."""

    name: Annotated[Name, STAYS] = ""
    description: Description | None = None
    active: Annotated[bool, STAYS] = Field(default=True, strict=True)


class NewRiskProfileBody(BaseModel):
    """The body of create risk profile; ``percentage`` is of the equity."""

    name: Name
    percentage: Percentage


class RiskProfileChangeBody(BaseModel):
    """The body of update risk profile: what is absent stays as it is."""

    name: Annotated[Name, STAYS] = ""
    percentage: Annotated[Percentage, STAYS] = Decimal(0)


class NewResultBody(BaseModel):
    """The body of publish result: a closed trade. With an ``id`` it counts once, however often it is sent."""

    id: Uuid | None = None
    side: Side
    entryPrice: Price
    exitPrice: Price
    openedAt: Moment
    closedAt: Moment


class ResultAnswer(WireModel):
    """A result."""

    id: str
    side: Side
    entryPrice: Number = Field(validation_alias="entry_price")
    exitPrice: Number = Field(validation_alias="exit_price")
    openedAt: Instant = Field(validation_alias="opened_at")
    closedAt: Instant = Field(validation_alias="closed_at")
    createdAt: Instant = Field(validation_alias="created_at")


@app.post("/v1/admin/strategy")
def create_strategy(body: NewStrategyBody, caller: Admin, idempotency_key: IdempotencyKey = None) -> StrategyAnswer:
    """Publishes a strategy."""

    def create() -> StrategyAnswer:
        new = NewStrategy(
            id=new_id(caller, CREATE_STRATEGY, idempotency_key),
            name=body.name,
            description=body.description,
            venue=body.exchangeId,
            symbol=body.symbol,
            active=body.active,
        )
        return StrategyAnswer.model_validate(strategies().publish(new))

    return once(caller, CREATE_STRATEGY, idempotency_key, body, create, StrategyAnswer)


@app.put("/v1/admin/strategy/<id>")
def update_strategy(id: StrategyId, body: StrategyChangeBody, caller: Admin) -> StrategyAnswer:
    """Renames, describes, activates or deactivates a strategy."""
    return StrategyAnswer.model_validate(strategies().change(id, body.model_dump(exclude_unset=True)))


@app.post("/v1/admin/strategy/profile")
def create_risk_profile(
    body: NewRiskProfileBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> RiskProfileAnswer:
    """Publishes a risk profile."""

    def create() -> RiskProfileAnswer:
        id = new_id(caller, CREATE_RISK_PROFILE, idempotency_key)
        profile = strategies().publish_risk_profile(id, body.name, body.percentage)
        return RiskProfileAnswer.model_validate(profile)

    return once(caller, CREATE_RISK_PROFILE, idempotency_key, body, create, RiskProfileAnswer)


@app.put("/v1/admin/strategy/profile/<id>")
def update_risk_profile(id: RiskProfileId, body: RiskProfileChangeBody, caller: Admin) -> RiskProfileAnswer:
    """Renames a risk profile or changes its risk."""
    changed = strategies().change_risk_profile(id, body.model_dump(exclude_unset=True))
    return RiskProfileAnswer.model_validate(changed)


@app.post("/v1/admin/strategy/<id>/result")
def publish_result(
    id: StrategyId, body: NewResultBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> ResultAnswer:
    """Counts a closed trade on the UTC day on which it closed, exactly once."""
    route = CREATE_RESULT.format(id)

    def create() -> ResultAnswer:
        new = NewResult(
            id=body.id or new_id(caller, route, idempotency_key),
            side=body.side,
            entry_price=body.entryPrice,
            exit_price=body.exitPrice,
            opened_at=body.openedAt,
            closed_at=body.closedAt,
        )
        return ResultAnswer.model_validate(strategy_results().publish(id, new))

    return once(caller, route, idempotency_key, body, create, ResultAnswer)


handler = entry_point(app)
