"""Answer models of the history of balances."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import Number, WireModel


class DayBalance(WireModel):
    """The value of a key on a UTC day."""

    date: str
    totalUSD: Number = Field(validation_alias="total_usd")


class HistoryPage(WireModel):
    """Days, newest first."""

    items: list[DayBalance]
    nextToken: str | None
