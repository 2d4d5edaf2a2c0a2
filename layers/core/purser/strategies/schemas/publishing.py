"""Request and answer models of publishing strategies, results and risk profiles."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from purser.exchanges.schemas import Symbol
from purser.http.wire import FREE_TEXT, STAYS, Instant, Moment, Number, Uuid, WireModel, decimal_schema
from purser.strategies.model import Direction

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


Name = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
Description = Annotated[str, StringConstraints(min_length=1, max_length=500), FREE_TEXT]
VenueName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*$")]
PlainNumber = Annotated[Decimal, BeforeValidator(_plain_number)]
Percentage = Annotated[
    PlainNumber, Field(gt=0, le=100), AfterValidator(_bounded), decimal_schema(digits=2, maximum=100)
]
Price = Annotated[
    PlainNumber, Field(gt=0, le=10**15), AfterValidator(_bounded), decimal_schema(digits=15, maximum=10**15)
]


class NewStrategyBody(BaseModel):
    """The body of create strategy."""

    name: Name
    description: Description | None = None
    exchangeId: VenueName
    symbol: Symbol
    active: bool = Field(default=True, strict=True)


class StrategyChangeBody(BaseModel):
    """The body of update strategy. Absent fields stay as they are; exchange and symbol never change."""

    name: Annotated[Name, STAYS] = ""
    description: Description | None = None
    active: Annotated[bool, STAYS] = Field(default=True, strict=True)


class NewRiskProfileBody(BaseModel):
    """The body of create risk profile; ``percentage`` is of the equity."""

    name: Name
    percentage: Percentage


class RiskProfileChangeBody(BaseModel):
    """The body of update risk profile. Absent fields stay as they are."""

    name: Annotated[Name, STAYS] = ""
    percentage: Annotated[Percentage, STAYS] = Decimal(0)


class NewResultBody(BaseModel):
    """The body of publish result: a closed trade. With an ``id`` it counts once, however often it is sent."""

    id: Uuid | None = None
    side: Direction
    entryPrice: Price
    exitPrice: Price
    openedAt: Moment
    closedAt: Moment


class ResultAnswer(WireModel):
    """A result."""

    id: str
    side: Direction = Field(validation_alias="direction")
    entryPrice: Number = Field(validation_alias="entry_price")
    exitPrice: Number = Field(validation_alias="exit_price")
    openedAt: Instant = Field(validation_alias="opened_at")
    closedAt: Instant = Field(validation_alias="closed_at")
    createdAt: Instant = Field(validation_alias="created_at")
