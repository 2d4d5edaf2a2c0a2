"""Answer models of executions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from purser.books.model import EndReason
from purser.executions.model import ExecutionStatus, SkipReason
from purser.executions.service import ExecutionView
from purser.http.wire import UNKNOWN, Instant, Number, WireModel


class OtherFee(WireModel):
    """Commissions in another asset than the quote. Without a ``price`` they are not part of ``fees``."""

    asset: str
    amount: Number
    price: Number | None = UNKNOWN


class TradeResultAnswer(WireModel):
    """The result of a trade that has ended, in the quote asset. It never changes.

    ``netProfit`` is ``profit - fees + funding``; ``funding`` is negative if it was paid. ``r`` is the net profit as a
    multiple of what the trade would have lost at its stop. ``slippagePercent`` is how much worse the entry was than the
    signal's price. Prices are averages.
    """

    reason: EndReason
    amount: Number
    entryPrice: Number = Field(validation_alias="entry_price")
    exitPrice: Number = Field(validation_alias="exit_price")
    profit: Number
    fees: Number
    otherFees: list[OtherFee] = Field(validation_alias="other_fees")
    funding: Number
    netProfit: Number = Field(validation_alias="net")
    r: Annotated[Number | None, Field(validation_alias="risk_multiple")] = UNKNOWN
    slippagePercent: Annotated[Number | None, Field(validation_alias="slippage_percent")] = UNKNOWN
    openedAt: Instant = Field(validation_alias="opened_at")
    closedAt: Instant = Field(validation_alias="closed_at")


class ExecutionAnswer(WireModel):
    """The execution of one signal for a follow. Fields that do not apply are left out.

    ``result`` is that of its trade, once it has ended and its books are closed.
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
    result: TradeResultAnswer | None = UNKNOWN


def execution_answer(view: ExecutionView) -> ExecutionAnswer:
    """Return an execution on the wire."""
    answer = ExecutionAnswer.model_validate(view.execution)
    result = TradeResultAnswer.model_validate(view.result) if view.result else None
    return answer.model_copy(update={"result": result})


class ExecutionPage(WireModel):
    """Executions of a follow, newest first."""

    items: list[ExecutionAnswer]
    nextToken: str | None
