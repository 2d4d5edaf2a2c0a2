"""Answers of the public API of strategies."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import Number, WireModel
from purser.strategies.model import Row
from purser.strategies.schemas.answers import RiskProfileAnswer, StrategyAnswer


class RiskProfileList(WireModel):
    """The risk profiles, oldest first."""

    items: list[RiskProfileAnswer]


class StrategyList(WireModel):
    """The strategies, oldest first."""

    items: list[StrategyAnswer]


class Performance(WireModel):
    """The figures of a range of results; null where there are none."""

    netProfitPercent: Number | None = Field(validation_alias="net_profit_percent")
    winRate: Number | None = Field(validation_alias="win_rate")
    maxDrawDown: Number | None = Field(validation_alias="max_draw_down")
    trades: int
    long: int = Field(validation_alias="longs")
    short: int = Field(validation_alias="shorts")


class HistoryRow(Performance):
    """One day or month, from ``start`` (inclusive) to ``endAt`` (exclusive)."""

    start: str
    endAt: str


class History(WireModel):
    """Days or months, the current one first."""

    items: list[HistoryRow]


def history_row(row: Row) -> HistoryRow:
    """Return a day or month on the wire."""
    performance = Performance.model_validate(row.figures)
    return HistoryRow(start=row.start.isoformat(), endAt=row.end.isoformat(), **performance.model_dump())
