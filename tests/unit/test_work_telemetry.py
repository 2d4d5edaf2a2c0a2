"""Telemetry of work: one metric for each outcome, by kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from purser.snapshots.model import Backfill
from purser.snapshots.telemetry import PowertoolsSnapshotTelemetry
from purser.trading_accounts.model import AccountRef
from purser.work.telemetry import PowertoolsWorkTelemetry
from tests.support.work import Errand


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [
        {name: value for name, value in line.items() if name != "_aws"}
        for line in lines
        if line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Purser"
    ]


@pytest.mark.parametrize(
    ("outcome", "metric"),
    [("done", "WorkDone"), ("retried", "WorkRetried"), ("dead", "WorkDead"), ("failed", "WorkFailed")],
)
def test_an_outcome_is_counted_with_the_age_of_its_item(
    outcome: str, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    backfill = Backfill(AccountRef("user", "account"), requested_at=1000, due_at=0)
    getattr(PowertoolsWorkTelemetry("Purser"), outcome)(backfill, 4000)
    assert records(capsys) == [{"kind": "Backfill", metric: [1], "WorkAge": [3000]}]


def test_an_item_of_unknown_age_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    PowertoolsWorkTelemetry("Purser").done(Errand("one", due_at=0), 4000)
    assert records(capsys) == [{"kind": "Errand", "WorkDone": [1]}]


def test_a_dead_backfill_is_also_a_failed_one(capsys: pytest.CaptureFixture[str]) -> None:
    backfill = Backfill(AccountRef("user", "account"), requested_at=1000, due_at=0)
    PowertoolsSnapshotTelemetry("Purser").dead(backfill, 4000)
    dead, failed = records(capsys)
    assert dead["WorkDead"] == [1]
    assert failed["BackfillsFailed"] == [1]
