"""PublicStrategy: the public list of strategies, their performance and the risk profiles."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser.bootstrap.strategies import strategies, strategy_results
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.paging import Limit
from purser.http.wire import Uuid
from purser.strategies.model import Interval
from purser.strategies.schemas.answers import RiskProfileAnswer, StrategyAnswer
from purser.strategies.schemas.published import History, Performance, RiskProfileList, StrategyList, history_row

app = customer_app()

StrategyId = Annotated[Uuid, Path()]
Step = Annotated[Interval, Query()]


@app.get("/v1/pub/strategy/profile/list")
def list_risk_profiles() -> RiskProfileList:
    """List the risk profiles."""
    return RiskProfileList(items=[RiskProfileAnswer.model_validate(each) for each in strategies().risk_profiles()])


@app.get("/v1/pub/strategy/list")
def list_strategies() -> StrategyList:
    """List the strategies."""
    return StrategyList(items=[StrategyAnswer.model_validate(each) for each in strategies().all()])


@app.get("/v1/pub/strategy/<id>/history")
def strategy_history(id: StrategyId, interval: Step = Interval.DAY, limit: Limit = 30) -> History:
    """List the figures of a strategy for each of the last days or months (UTC)."""
    return History(items=[history_row(row) for row in strategy_results().history(id, interval, limit)])


@app.get("/v1/pub/strategy/<id>/performance")
def strategy_performance(id: StrategyId, interval: Step = Interval.DAY, limit: Limit = 30) -> Performance:
    """Return the figures of a strategy over the last days or months together (UTC)."""
    return Performance.model_validate(strategy_results().performance(id, interval, limit))


handler = entry_point(app)
