"""Answers with strategies and risk profiles."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import Instant, Number, WireModel


class RiskProfileAnswer(WireModel):
    """A risk profile; ``percentage`` is of the equity."""

    id: str
    name: str
    percentage: Number
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class StrategyAnswer(WireModel):
    """A strategy."""

    id: str
    active: bool
    name: str
    description: str | None
    exchangeId: str = Field(validation_alias="venue")
    symbol: str
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")
