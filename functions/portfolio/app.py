"""Portfolio: the current balances and positions of trading accounts and wallets."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser.bootstrap.portfolio import portfolios
from purser.errors import TRADING_ACCOUNT
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.desk import ListEnvelope, Pagination, desk_app
from purser.http.paging import Limit, Offset
from purser.http.wire import Uuid
from purser.portfolio.schemas import PortfolioAnswer, portfolio_answer
from purser.portfolio.service import PortfolioFilter

app = desk_app(invalid=-120001)


@app.get("/api/v3/tradingAccount/portfolio/list", refuses=TRADING_ACCOUNT)
def list_portfolios(
    caller: SignedIn,
    tradingAccountId: Annotated[Uuid | None, Query()] = None,
    venue: Annotated[str | None, Query(min_length=1, max_length=32, pattern=r"^[A-Z0-9_]*$")] = None,
    currency: Annotated[str | None, Query(min_length=1, max_length=20, pattern=r"^[^a-z_/\s]*$")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> ListEnvelope[PortfolioAnswer]:
    """List the caller's trading accounts and wallets with live balances, or one of them by its id."""
    filters = PortfolioFilter(tradingAccountId, venue, currency)
    page = portfolios().page(caller.actor, filters, limit, offset)
    limit = len(page.rows) if page.has_next else limit
    return ListEnvelope(
        data=[portfolio_answer(row) for row in page.rows],
        pagination=Pagination(offset=offset, limit=limit, total=page.total, cursor=None, hasNext=page.has_next),
    )


handler = entry_point(app)
