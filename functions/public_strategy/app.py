"""PublicStrategy: strategies, what they have made, and the risk profiles, open to all."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import Field

from purser.bootstrap.strategies import strategies, strategy_results
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.paging import Limit
from purser.http.wire import Number, Uuid, WireModel
from purser.strategies.model import Interval, Row
from purser.strategies.schemas.answers import RiskProfileAnswer, StrategyAnswer

app = customer_app()

StrategyId = Annotated[Uuid, Path()]
Step = Annotated[Interval, Query()]


class RiskProfileList(WireModel):
    """The risk profiles, oldest first."""

    items: list[RiskProfileAnswer]


class StrategyList(WireModel):
    """The strategies, oldest first."""

    items: list[StrategyAnswer]


class Performance(WireModel):
    """What a range of results comes to; null where there are none."""

    netProfitPercent: Number | None = Field(validation_alias="net_profit_percent")
    winRate: Number | None = Field(validation_alias="win_rate")
    maxDrawDown: Number | None = Field(validation_alias="max_draw_down")
    trades: int
    long: int = Field(validation_alias="longs")
    short: int = Field(validation_alias="shorts")


class HistoryRow(Performance):
    """One day or month: from ``start`` (inclusive) to ``endAt`` (exclusive)."""

    start: str
    endAt: str


class History(WireModel):
    """Days or months, the running one first."""

    items: list[HistoryRow]


@app.get("/v1/pub/strategy/profile/list")
def list_risk_profiles() -> RiskProfileList:
    """The risk profiles."""
    return RiskProfileList(items=[RiskProfileAnswer.model_validate(each) for each in strategies().risk_profiles()])


@app.get("/v1/pub/strategy/list")
def list_strategies() -> StrategyList:
    """The strategies."""
    return StrategyList(items=[StrategyAnswer.model_validate(each) for each in strategies().all()])


@app.get("/v1/pub/strategy/<id>/history")
def strategy_history(id: StrategyId, interval: Step = Interval.DAY, limit: Limit = 30) -> History:
    """One row for each of the last days or months, UTC."""
    return History(items=[_row(row) for row in strategy_results().history(id, interval, limit)])


@app.get("/v1/pub/strategy/<id>/performance")
def strategy_performance(id: StrategyId, interval: Step = Interval.DAY, limit: Limit = 30) -> Performance:
    """The same figures over all of those days or months together."""
    return Performance.model_validate(strategy_results().performance(id, interval, limit))


def _row(row: Row) -> HistoryRow:
    made = Performance.model_validate(row.figures)
    return HistoryRow(start=row.start.isoformat(), endAt=row.end.isoformat(), **made.model_dump())


handler = entry_point(app)
