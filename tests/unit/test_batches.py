"""Batches of queue messages: what is redelivered, and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from purser.batches import RETURN_AFTER_S, work_batch
from purser.correlation import correlation_id
from purser.errors import ExchangeRateLimited, ExchangeUnavailable, Unavailable, Unfinished
from purser.work.model import Delivery
from tests.support.crashes import Killed
from tests.support.events import LambdaContext
from tests.support.fakes import FakeClock
from tests.support.logs import logs
from tests.support.snapshots import FakeSqs, Message, sqs_event
from tests.support.work import Errand


class Postponed:
    """A queue that records by how much messages were postponed."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.failing = failing

    def postpone(self, receipt_handles: Sequence[str], seconds: float) -> None:
        if self.failing:
            raise self.failing
        self.seconds |= dict.fromkeys(receipt_handles, seconds)


def messages(*receives: int) -> dict[str, Any]:
    return sqs_event([Message(json.dumps({"n": n}), 0, times, f"m{n}") for n, times in enumerate(receives)])


def failing(*errors: Exception | None) -> Any:
    def work(message: dict[str, Any], delivery: Delivery) -> None:
        if error := errors[message["n"]]:
            raise error

    return work


def failed(response: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_only_failed_messages_are_redelivered() -> None:
    queue = Postponed()
    response = work_batch(messages(1, 1, 1), LambdaContext(), queue, failing(None, ExchangeUnavailable(), None))
    assert failed(response) == ["m1"]
    assert queue.seconds["m1"] == 20


def test_messages_of_a_killed_function_come_again_soon_after_its_time_limit() -> None:
    clock = FakeClock()
    queue = FakeSqs(clock)
    queue.send([{"n": 0}, {"n": 1}])
    killed = queue.receive()

    def die(_message: dict[str, Any], _delivery: Delivery) -> None:
        raise Killed

    with pytest.raises(Killed):
        work_batch(sqs_event(killed), LambdaContext(remaining_ms=300_000), queue, die)
    clock.advance(310_000)
    assert queue.receive() == [], "an attempt may not be over, and the lease of its item is not"
    clock.advance(10_000)
    assert queue.receive() == killed


def test_a_batch_of_failed_messages_does_not_fail_the_function() -> None:
    response = work_batch(messages(1, 1), LambdaContext(), Postponed(), failing(ValueError(), Unavailable()))
    assert failed(response) == ["m0", "m1"]


def test_the_pause_grows_with_each_delivery() -> None:
    queue = Postponed()
    work_batch(messages(1, 2, 3, 4), LambdaContext(), queue, failing(*[ExchangeUnavailable()] * 4))
    assert queue.seconds == {"m0": 20, "m1": 120, "m2": 720, "m3": 4320}


def test_an_error_with_a_retry_time_decides_the_pause() -> None:
    queue = Postponed()
    errors = [ExchangeRateLimited(retry_after=95.5), Unfinished(retry_after=7)]
    work_batch(messages(3, 3), LambdaContext(), queue, failing(*errors))
    assert queue.seconds == {"m0": 95.5, "m1": 7}


def test_workers_receive_the_delivery() -> None:
    seen: list[tuple[int, Delivery]] = []
    event = sqs_event([Message('{"n": 0}', 0, 1, "m0", sent_at=7), Message('{"n": 1}', 0, 4, "m1", sent_at=9)])
    work_batch(event, LambdaContext(), Postponed(), lambda message, delivery: seen.append((message["n"], delivery)))
    returns_in_ms = LambdaContext().remaining_ms + RETURN_AFTER_S * 1000
    assert seen == [(0, Delivery(1, 7, returns_in_ms)), (1, Delivery(4, 9, returns_in_ms))]


def test_a_message_that_cannot_be_postponed_is_redelivered() -> None:
    response = work_batch(messages(1), LambdaContext(), Postponed(Unavailable()), failing(ValueError()))
    assert failed(response) == ["m0"]


def test_a_malformed_body_does_not_affect_the_other_messages() -> None:
    event = messages(1, 1)
    event["Records"][0]["body"] = "{"
    assert failed(work_batch(event, LambdaContext(), Postponed(), failing(None, None))) == ["m0"]


def test_log_lines_and_created_work_have_the_correlation_id_of_their_message() -> None:
    created: list[str | None] = []

    def work(message: dict[str, Any], _delivery: Delivery) -> None:
        created.append(Errand("one", due_at=0).correlation_id)
        Logger().info("from another logger")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(Logger().info, "from a thread").result()
        raise Unavailable

    causes = ("a request", None, "a run")
    bodies = [json.dumps({"n": n} | ({"correlationId": cause} if cause else {})) for n, cause in enumerate(causes)]
    with logs() as written:
        work_batch(sqs_event([Message(body, 0, 1, body) for body in bodies]), LambdaContext(), Postponed(), work)
        Logger().info("afterwards")
    assert created == list(causes)
    assert [line.get("correlation_id") for line in written.lines] == [
        *["a request"] * 3, *[None] * 3, *["a run"] * 3, None
    ]  # fmt: skip
    assert correlation_id() is None


def test_a_message_that_is_not_json_is_redelivered() -> None:
    queue = Postponed()
    assert failed(work_batch(sqs_event([Message("{", 0, 1, "m0")]), LambdaContext(), queue, failing())) == ["m0"]
    assert set(queue.seconds) == {"m0"}
