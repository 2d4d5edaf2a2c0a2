"""Symbols, and answer models of market data."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from purser.exchanges.model import is_symbol
from purser.http.wire import Instant, Number, WireModel


def _symbol(value: str) -> str:
    if not is_symbol(value):
        raise PydanticCustomError("symbol", "must be valid exchange symbol")
    return value


Symbol = Annotated[
    str,
    AfterValidator(_symbol),
    WithJsonSchema({"type": "string", "pattern": "^[^a-z_/\\s]{1,20}/[^a-z_/\\s]{1,20}$", "examples": ["BTC/USDT"]}),
]
"""A market, BASE/QUOTE."""


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
