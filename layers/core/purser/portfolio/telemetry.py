"""Telemetry of portfolios: log lines."""

from __future__ import annotations

from aws_lambda_powertools import Logger

from purser.trading_accounts.model import TradingAccount


class PowertoolsPortfolioTelemetry:
    """The telemetry port, written to the logs and metrics of a function."""

    def __init__(self) -> None:
        self._logger = Logger()

    def unread(self, account: TradingAccount, error: Exception) -> None:
        extra = {"tradingAccountId": account.id, "error": type(error).__name__}
        self._logger.error("a trading account could not be read", extra=extra, exc_info=error)
