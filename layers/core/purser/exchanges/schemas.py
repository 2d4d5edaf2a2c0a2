"""Answer models of market data."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import Instant, Number, WireModel


class TickerAnswer(WireModel):
    """The documented fields of a ticker."""

    symbol: str
    timestamp: int
    datetime: Instant = Field(validation_alias="timestamp")
    high: Number | None
    low: Number | None
    vwap: Number | None
    open: Number | None
    close: Number | None
    last: Number | None
    change: Number | None
    percentage: Number | None
    average: Number | None
    baseVolume: Number | None = Field(validation_alias="base_volume")
    quoteVolume: Number | None = Field(validation_alias="quote_volume")
