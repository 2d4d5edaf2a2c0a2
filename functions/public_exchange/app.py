"""PublicExchange: the public ticker of an exchange."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser import errors as e
from purser.bootstrap.exchanges import public_gateway
from purser.exchanges.model import TradeType, Venue
from purser.exchanges.schemas import Symbol, TickerAnswer
from purser.http.app import entry_point
from purser.http.customer import customer_app

app = customer_app()

TICKER = (e.ExchangeRateLimited, e.ExchangeBadRequest, e.ExchangeUnavailable, e.ExchangeSymbolInvalid)


@app.get("/v1/pub/exchange/ticker", refuses=TICKER)
def ticker(
    exchangeId: Annotated[Venue, Query()] = Venue.BINANCE,
    symbol: Annotated[Symbol, Query()] = "BTC/USDT",
    type: Annotated[TradeType, Query()] = TradeType.FUTURES,
) -> TickerAnswer:
    """Return the last 24 hours of a market, at most a second old."""
    return TickerAnswer.model_validate(public_gateway().ticker(symbol, type))


handler = entry_point(app)
