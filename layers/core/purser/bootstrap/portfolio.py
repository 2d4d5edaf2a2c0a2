"""Portfolios: the current balances of trading accounts and wallets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, account_store, audit
from purser.bootstrap.exchanges import order_desk
from purser.bootstrap.ledger import wallets
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.portfolio.service import PortfolioReader


PORTFOLIO_PATIENCE_S = 15.0
"""The time that a list of portfolios waits for exchanges, below the limits of its function and of API Gateway."""


@kept
def portfolios() -> PortfolioReader:
    """The reader of portfolios."""
    from purser.portfolio.service import PortfolioReader
    from purser.portfolio.telemetry import PowertoolsPortfolioTelemetry

    return PortfolioReader(
        accounts=account_store(),
        access=account_access(),
        exchange=order_desk(),
        wallets=wallets(),
        telemetry=PowertoolsPortfolioTelemetry(),
        audit=audit(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
        patience_s=PORTFOLIO_PATIENCE_S,
    )
