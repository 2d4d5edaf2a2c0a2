"""AccountTradeHistory: a user's manual orders, and the orders of the strategies that the user follows."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser.bootstrap.orders import trade_history
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.paging import TIME_POSITION, Limit, NextToken, page_position, page_token
from purser.http.wire import Date
from purser.orders.history import TradeKind
from purser.orders.intents import HistoryEntry
from purser.orders.schemas.history import ManualTrade, ManualTradePage, StrategyTradePage, strategy_trade

app = customer_app()

Start = Annotated[Date | None, Query()]


@app.get("/v1/priv/account/trade/strategy/history")
def strategy_history(
    caller: SignedIn, start: Start = None, limit: Limit = 30, nextToken: NextToken = None
) -> StrategyTradePage:
    """List the orders that strategies have placed, newest first."""
    entries, token = _page(caller.user_id, TradeKind.STRATEGY, start, limit, nextToken)
    items = [strategy_trade(entry, entry.strategy) for entry in entries if entry.strategy]
    return StrategyTradePage(items=items, nextToken=token)


@app.get("/v1/priv/account/trade/manual/history")
def manual_history(
    caller: SignedIn, start: Start = None, limit: Limit = 30, nextToken: NextToken = None
) -> ManualTradePage:
    """List the manual orders, newest first."""
    entries, token = _page(caller.user_id, TradeKind.MANUAL, start, limit, nextToken)
    return ManualTradePage(items=[ManualTrade.model_validate(entry) for entry in entries], nextToken=token)


def _page(
    user_id: str, kind: TradeKind, start: str | None, limit: int, token: str | None
) -> tuple[list[HistoryEntry], str | None]:
    listed = f"trade-history:{user_id}:{kind}:{start}"
    before = page_position(listed, token, f"{kind}#{TIME_POSITION}")
    entries, position = trade_history().page(user_id, kind, _midnight(start), limit, before)
    return entries, page_token(listed, position) if position else None


def _midnight(day: str | None) -> int:
    """Return the start of a UTC day in Unix ms, or 0 without a day."""
    if day is None:
        return 0
    beginning = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC)
    return max(0, int(beginning.timestamp()) * 1000)


handler = entry_point(app)
