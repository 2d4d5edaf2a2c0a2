"""What the code takes for granted of the queues that the template makes."""

from __future__ import annotations

from typing import Any

from purser.disconnecting import model as disconnecting
from purser.retrying import retry_delay
from purser.snapshots.model import PATIENCE_MS
from tests.support.template import resources

QUEUES = resources("AWS::SQS::Queue")
FUNCTIONS = resources("AWS::Serverless::Function")


def most_receives(queue: dict[str, Any]) -> int:
    receives: int = queue["RedrivePolicy"]["maxReceiveCount"]
    return receives


def test_a_message_is_taken_for_lost_well_after_its_visibility_time_out() -> None:
    assert QUEUES["SnapshotQueue"]["VisibilityTimeout"] * 1500 == PATIENCE_MS
    assert QUEUES["BackfillQueue"]["VisibilityTimeout"] * 1500 == PATIENCE_MS
    assert QUEUES["CancellationQueue"]["VisibilityTimeout"] * 1000 <= disconnecting.PATIENCE_MS


def test_the_worker_knows_which_delivery_is_the_last() -> None:
    variables = FUNCTIONS["BalanceSnapshotWorker"]["Environment"]["Variables"]
    assert int(variables["SNAPSHOT_MAX_RECEIVES"]) == most_receives(QUEUES["SnapshotQueue"])


def test_all_retries_of_a_job_fit_into_a_day() -> None:
    retries = sum(retry_delay(attempt) for attempt in range(1, most_receives(QUEUES["SnapshotQueue"])))
    assert 3600 <= retries <= 6 * 3600
