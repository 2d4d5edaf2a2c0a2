"""Answer models of executions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from purser.executions.model import ExecutionStatus, SkipReason
from purser.http.wire import UNKNOWN, Instant, Number, WireModel


class ExecutionAnswer(WireModel):
    """The execution of one signal for a follow. Fields that do not apply are left out.

    ``price`` is the worst price that the entry accepts, ``riskUSD`` what the trade loses at its stop, fees included.
    ``cappedBy`` says why the amount is smaller than the risk allows. ``venueCode`` is the exchange's own error code.
    """

    id: str
    signalId: str = Field(validation_alias="signal_id")
    strategyAutomatedId: str = Field(validation_alias="strategy_id")
    symbol: str
    status: ExecutionStatus
    reason: SkipReason | None = UNKNOWN
    venueCode: Annotated[str | None, Field(validation_alias="detail")] = UNKNOWN
    amount: Number | None = UNKNOWN
    leverage: int | None = UNKNOWN
    price: Annotated[Number | None, Field(validation_alias="worst_price")] = UNKNOWN
    riskUSD: Annotated[Number | None, Field(validation_alias="risk")] = UNKNOWN
    cappedBy: Annotated[str | None, Field(validation_alias="capped_by")] = UNKNOWN
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class ExecutionPage(WireModel):
    """Executions of a follow, newest first."""

    items: list[ExecutionAnswer]
    nextToken: str | None
