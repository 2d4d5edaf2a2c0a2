"""Exchange: orders, trades and positions of an exchange key, and manual trading."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser import errors as e
from purser.bootstrap.orders import orders
from purser.exchanges.schemas import Symbol
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import Limit
from purser.http.wire import Uuid
from purser.orders.schemas.answers import (
    OrderAnswer,
    OrderSet,
    PositionAnswer,
    TradeAnswer,
    position_answer,
    trade_answer,
)
from purser.orders.schemas.requests import LeverageBody, MarginBody, OrderBody, PositionBody

app = customer_app()

KeyId = Annotated[Uuid, Path()]
OfSymbol = Annotated[Symbol, Query()]

TRADING = (*e.EXCHANGE_CALL, e.TradingAccountInactive, e.StrategyTypeMismatch, e.ExchangeSymbolInvalid)


@app.get("/v1/priv/exchange/order/<id>/list", refuses=TRADING)
def list_open_orders(id: KeyId, symbol: OfSymbol, caller: SignedIn) -> list[OrderAnswer]:
    """List the open orders of a symbol, oldest first."""
    return [OrderAnswer.model_validate(order) for order in orders().open_orders(caller.user_id, id, symbol)]


@app.get("/v1/priv/exchange/order/<id>/history", refuses=TRADING)
def list_order_history(id: KeyId, symbol: OfSymbol, caller: SignedIn, limit: Limit = 50) -> list[OrderAnswer]:
    """List the latest orders of a symbol, newest first."""
    return [OrderAnswer.model_validate(order) for order in orders().order_history(caller.user_id, id, symbol, limit)]


@app.get("/v1/priv/exchange/trade/<id>/history", refuses=TRADING)
def list_trade_history(id: KeyId, symbol: OfSymbol, caller: SignedIn, limit: Limit = 50) -> list[TradeAnswer]:
    """List the latest trades of a symbol, newest first."""
    return [trade_answer(trade) for trade in orders().trade_history(caller.user_id, id, symbol, limit)]


@app.get("/v1/priv/exchange/position/<id>", refuses=TRADING)
def get_position(id: KeyId, symbol: OfSymbol, caller: SignedIn) -> PositionAnswer | None:
    """Return the open futures position of a symbol, or null."""
    position = orders().position(caller.user_id, id, symbol)
    return position_answer(position) if position else None


@app.post("/v1/priv/exchange/order/<id>", refuses=(*TRADING, e.TradeTypeUnsupported))
def create_order(
    id: KeyId, body: OrderBody, caller: SignedIn, idempotency_key: IdempotencyKey = None
) -> list[OrderAnswer]:
    """Clear the symbol, and place a manual order: entry, take-profits and stop."""
    route = f"POST /v1/priv/exchange/order/{id}"

    def create() -> OrderSet:
        intent_id = new_id(caller, route, idempotency_key)
        placed = orders().create(caller.user_id, id, intent_id, body.as_order())
        return OrderSet(orders=[OrderAnswer.model_validate(order) for order in placed])

    return once(caller, route, idempotency_key, body, create, OrderSet).orders


@app.delete("/v1/priv/exchange/position/<id>", status_code=204, refuses=TRADING)
def cancel_position(id: KeyId, body: PositionBody, caller: SignedIn) -> Response[Any]:
    """Cancel the open orders of a symbol, and close its position."""
    orders().clear_position(caller.user_id, id, body.symbol)
    return Response(status_code=204, body="")


@app.put("/v1/priv/exchange/order/<id>/leverage", status_code=204, refuses=TRADING)
def change_leverage(id: KeyId, body: LeverageBody, caller: SignedIn) -> Response[Any]:
    """Change the leverage of a symbol."""
    orders().set_leverage(caller.user_id, id, body.symbol, body.leverage)
    return Response(status_code=204, body="")


@app.put("/v1/priv/exchange/order/<id>/margin", status_code=204, refuses=TRADING)
def change_margin_type(id: KeyId, body: MarginBody, caller: SignedIn) -> Response[Any]:
    """Change the margin type of a symbol."""
    orders().set_margin_type(caller.user_id, id, body.symbol, body.type)
    return Response(status_code=204, body="")


handler = entry_point(app)
