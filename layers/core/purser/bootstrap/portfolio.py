"""Portfolios: what trading accounts and wallets hold at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, table
from purser.bootstrap.exchanges import order_desk
from purser.bootstrap.ledger import wallets
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.portfolio.service import PortfolioReader


PORTFOLIO_PATIENCE_S = 15.0
"""How long a list of portfolios waits for exchanges: less than its function may take, and the gateway waits."""


@kept
def portfolios() -> PortfolioReader:
    """Reading portfolios."""
    from purser.portfolio.service import PortfolioReader
    from purser.portfolio.telemetry import PowertoolsPortfolioTelemetry
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    return PortfolioReader(
        accounts=DynamoTradingAccountStore(table("keys_table")),
        access=account_access(),
        exchange=order_desk(),
        wallets=wallets(),
        telemetry=PowertoolsPortfolioTelemetry(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
        patience_s=PORTFOLIO_PATIENCE_S,
    )
