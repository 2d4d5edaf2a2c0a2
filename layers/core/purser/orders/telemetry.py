"""Telemetry of orders: log lines, and metrics in CloudWatch's embedded format."""

from __future__ import annotations

from threading import Lock

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from purser.correlation import correlation_id
from purser.errors import ExchangeError
from purser.orders.intents import Intent


class PowertoolsOrderTelemetry:
    """The telemetry of orders in the logs and metrics of a function, with the metrics under ``namespace``."""

    def __init__(self, namespace: str) -> None:
        self._logger = Logger()
        self._metrics = Metrics(namespace=namespace)
        self._counting = Lock()

    def troubled(self, intent: Intent, error: ExchangeError) -> None:
        extra = _which(intent) | {"error": type(error).__name__, "venueCode": error.venue_code}
        self._logger.warning("an order met trouble", extra=extra)

    def abandoned(self, intent: Intent) -> None:
        self._logger.error("an order was abandoned in an unknown state", extra=_which(intent))
        self._count(OrdersAbandoned=1)

    def unprotected(self, intent: Intent) -> None:
        self._logger.error("a position may be without its stop", extra=_which(intent))
        self._count(OrdersUnprotected=1)

    def failed(self, intent_id: str, error: Exception) -> None:
        self._logger.error("an order could not be reconciled", extra=_about(intent_id), exc_info=error)

    def reconciled(self, finished: int, resting: int, unknown: int) -> None:
        self._logger.info("orders reconciled", extra={"finished": finished, "resting": resting, "unknown": unknown})
        self._count(OrdersUnknown=unknown)

    def _count(self, **counts: int) -> None:
        # Orders are reconciled in threads, and metrics are not safe with them.
        with self._counting:
            for name, value in counts.items():
                self._metrics.add_metric(name, MetricUnit.Count, value)
            self._metrics.flush_metrics()


def _which(intent: Intent) -> dict[str, object]:
    return _about(intent.id) | {
        "tradingAccountId": intent.trading_account_id,
        "symbol": intent.symbol,
        "state": intent.state.value,
    }


def _about(intent_id: str) -> dict[str, object]:
    return {"intentId": intent_id, "correlation_id": correlation_id()}
