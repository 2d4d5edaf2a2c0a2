"""Request and answer models of publishing strategies, results and risk profiles."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from purser.exchanges.schemas import Symbol
from purser.http.wire import (
    FEW_DECIMALS,
    FREE_TEXT,
    STAYS,
    Instant,
    Moment,
    Number,
    PlainNumber,
    Uuid,
    WireModel,
    decimal_schema,
)
from purser.strategies.model import Direction

Name = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
Description = Annotated[str, StringConstraints(min_length=1, max_length=500), FREE_TEXT]
VenueName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*$")]
Percentage = Annotated[PlainNumber, Field(gt=0, le=100), FEW_DECIMALS, decimal_schema(digits=2, maximum=100)]
Price = Annotated[PlainNumber, Field(gt=0, le=10**15), FEW_DECIMALS, decimal_schema(digits=15, maximum=10**15)]


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
