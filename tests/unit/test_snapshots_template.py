"""Assumptions of the code about the template's queues."""

from __future__ import annotations

from typing import Any

import pytest

from purser.batches import RETURN_AFTER_S
from purser.billing import model as billing
from purser.books import service as books
from purser.disconnecting import model as disconnecting
from purser.executions import model as executions
from purser.executions.executor import WORKING_MS
from purser.orders.intents import ORDER_TIME_MS
from purser.retrying import retry_delay
from purser.signals import model as signals
from purser.snapshots.model import LEASE_MS
from purser.work.model import RESEND_AFTER_MS
from tests.support.template import resources

QUEUES = resources("AWS::SQS::Queue")
FUNCTIONS = resources("AWS::Serverless::Function")


def most_receives(queue: dict[str, Any]) -> int:
    receives: int = queue["RedrivePolicy"]["maxReceiveCount"]
    return receives


def queues_of(function: str) -> set[str]:
    """Return the queues that a function sends to."""
    variables = FUNCTIONS[function]["Environment"]["Variables"].items()
    return {value["Ref"] for name, value in variables if name.endswith("_QUEUE_URL")}


RESENT_AFTER = {
    "SnapshotQueue": RESEND_AFTER_MS,
    "BackfillQueue": RESEND_AFTER_MS,
    "SignalQueue": signals.RESEND_AFTER_MS,
    "ExecutionQueue": executions.RESEND_AFTER_MS,
    "BookingQueue": books.RESEND_AFTER_MS,
}
FINISHED_BY_DEADLINE = {"CancellationQueue"}
"""Queues whose items are tried until their deadline, however often that is."""


def test_a_message_counts_as_lost_only_after_its_visibility_timeout() -> None:
    swept = queues_of("JobSweeper") | queues_of("BookingSweeper")
    assert RESENT_AFTER.keys() == swept - FINISHED_BY_DEADLINE
    assert {name: QUEUES[name]["VisibilityTimeout"] * 1500 for name in RESENT_AFTER} == RESENT_AFTER
    assert QUEUES["CancellationQueue"]["VisibilityTimeout"] * 1000 <= disconnecting.RESEND_AFTER_MS


def test_a_reading_of_billing_is_due_again_only_after_all_retries_of_its_message() -> None:
    queue, time_limit = QUEUES["BillingQueue"], FUNCTIONS["BillingWorker"]["Timeout"]
    attempts = range(1, most_receives(queue) + 1)
    retries_s = sum(time_limit + retry_delay(attempt) for attempt in attempts[:-1]) + time_limit
    assert (retries_s + queue["VisibilityTimeout"]) * 1000 < billing.RESEND_AFTER_MS


LEASES = {
    "BalanceSnapshotWorker": LEASE_MS,
    "BalanceBackfillWorker": LEASE_MS,
    "SignalFanOutWorker": signals.LEASE_MS,
    "ExecutionWorker": executions.LEASE_MS,
    "BookingWorker": books.LEASE_MS,
}


def test_every_worker_that_a_sweep_feeds_has_a_known_lease() -> None:
    events = [(name, event) for name, function in FUNCTIONS.items() for event in function["Events"].values()]
    workers = {
        name
        for name, event in events
        if event["Type"] == "SQS" and event["Properties"]["Queue"]["Fn::GetAtt"][0] in RESENT_AFTER
    }
    assert workers == LEASES.keys()


@pytest.mark.parametrize("name", LEASES)
def test_a_lease_outlasts_its_function_and_is_over_when_the_messages_come_again(name: str) -> None:
    time_limit = FUNCTIONS[name]["Timeout"] * 1000
    assert time_limit < LEASES[name] < time_limit + RETURN_AFTER_S * 1000


def test_the_last_follower_of_a_job_has_the_time_of_an_order() -> None:
    assert FUNCTIONS["ExecutionWorker"]["Timeout"] * 1000 > WORKING_MS + ORDER_TIME_MS


def test_every_worker_knows_the_maximum_number_of_deliveries() -> None:
    known = {
        name.removesuffix("_MAX_RECEIVES"): int(value)
        for function in FUNCTIONS.values()
        for name, value in function.get("Environment", {}).get("Variables", {}).items()
        if name.endswith("_MAX_RECEIVES")
    }
    assert known.keys() >= {name.removesuffix("Queue").upper() for name in RESENT_AFTER}
    assert known == {name: most_receives(QUEUES[f"{name.title().replace('_', '')}Queue"]) for name in known}


def test_the_retries_of_a_job_take_between_one_and_six_hours() -> None:
    retries = sum(retry_delay(attempt) for attempt in range(1, most_receives(QUEUES["SnapshotQueue"])))
    assert 3600 <= retries <= 6 * 3600
