"""Telemetry of work: log lines, and metrics in CloudWatch's embedded format."""

from __future__ import annotations

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from purser.work.model import WorkItem


class PowertoolsWorkTelemetry:
    """Writes telemetry to the logs and metrics of a function, with the metrics under ``namespace``.

    Each outcome is one record with the dimension ``kind``, the class of the item.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._logger = Logger()

    def done(self, item: WorkItem, now: int) -> None:
        self._record("WorkDone", item, now)

    def retried(self, item: WorkItem, now: int) -> None:
        self._record("WorkRetried", item, now)

    def dead(self, item: WorkItem, now: int) -> None:
        extra = _which(item) | {"attempts": item.attempts}
        self._logger.error("work item is dead after its last attempt", extra=extra)
        self._record("WorkDead", item, now)

    def failed(self, item: WorkItem, now: int) -> None:
        self._logger.warning("work item has ended without being done", extra=_which(item))
        self._record("WorkFailed", item, now)

    def _record(self, outcome: str, item: WorkItem, now: int) -> None:
        metrics = EphemeralMetrics(namespace=self._namespace)
        metrics.add_dimension("kind", type(item).__name__)
        metrics.add_metric(outcome, MetricUnit.Count, 1)
        if item.since is not None:
            metrics.add_metric("WorkAge", MetricUnit.Milliseconds, now - item.since)
        metrics.flush_metrics()


def _which(item: WorkItem) -> dict[str, object]:
    return {"work": type(item).__name__, "key": item.key, "correlation_id": item.correlation_id}
