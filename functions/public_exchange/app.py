"""PublicExchange: the price ticker of the venue, open to all."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from purser.bootstrap.exchanges import exchange_gateway
from purser.exchanges.model import TradeType, Venue
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.wire import Instant, Number, Symbol, WireModel

app = customer_app()


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


@app.get("/v1/pub/exchange/ticker")
def ticker(
    exchangeId: Annotated[Venue, Query()] = Venue.BINANCE,
    symbol: Annotated[Symbol, Query()] = "BTC/USDT",
    type: Annotated[TradeType, Query()] = TradeType.FUTURES,
) -> TickerAnswer:
    """A market's last 24 hours, at most a second old."""
    return TickerAnswer.model_validate(exchange_gateway().ticker(symbol, type))


handler = entry_point(app)
