"""Telemetry of snapshots: log lines, and metrics in CloudWatch's embedded format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from purser.errors import PurserError
from purser.snapshots.model import Backfill, Counts, Job, Run
from purser.work.model import WorkItem
from purser.work.telemetry import PowertoolsWorkTelemetry


class PowertoolsSnapshotTelemetry(PowertoolsWorkTelemetry):
    """Writes telemetry to the logs and metrics of a function, with the metrics under ``namespace``."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self._metrics = Metrics(namespace=namespace)

    def planned(self, run: Run, planned: int) -> None:
        self._logger.info("balance snapshots planned", extra=_which(run) | {"planned": planned})

    def finished(self, run: Run) -> None:
        extra = _which(run) | {"planned": run.planned} | asdict(run.counts)
        self._logger.info("balance snapshot run", extra=extra)

    def worked(self, job: Job, counts: Counts, unpriced: Sequence[str]) -> None:
        if unpriced:
            which = {"runId": job.run_id, "jobId": job.id}
            self._logger.info("assets without a price", extra=which | {"assets": sorted(set(unpriced))})
        # Failed ones are taken back when a dead job succeeds after all; a metric can't be.
        failed = max(0, counts.failed)
        self._count(SnapshotsStored=counts.stored, SnapshotsFailed=failed, UnpricedAssets=len(unpriced))

    def retrying(self, subject: str, error: Exception) -> None:
        extra = {"subject": subject, "error": type(error).__name__}
        if isinstance(error, PurserError):
            self._logger.warning("snapshot attempt failed and will be retried", extra=extra)
        else:
            self._logger.error("snapshot attempt failed and will be retried", extra=extra, exc_info=error)

    def resent(self, run: Run, jobs: int) -> None:
        self._logger.warning("lost balance snapshot jobs sent again", extra=_which(run) | {"jobs": jobs})

    def backfilled(self, trading_account_id: str, days: int, unpriced: Sequence[str]) -> None:
        which = {"tradingAccountId": trading_account_id}
        self._logger.info("days backfilled", extra=which | {"days": days})
        if unpriced:
            self._logger.info("assets without a price", extra=which | {"assets": sorted(set(unpriced))})
        self._count(DaysBackfilled=days, UnpricedAssets=len(unpriced))

    def dead(self, item: WorkItem, now: int) -> None:
        super().dead(item, now)
        if isinstance(item, Backfill):
            self._count(BackfillsFailed=1)

    def _count(self, **metrics: int) -> None:
        for name, value in metrics.items():
            self._metrics.add_metric(name, MetricUnit.Count, value)
        self._metrics.flush_metrics()


def _which(run: Run) -> dict[str, object]:
    return {"runId": run.id, "date": run.date}
