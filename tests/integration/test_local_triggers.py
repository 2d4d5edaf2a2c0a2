"""Test the triggers of the local system: queues with partial failures and redrives, schedules, and streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from local.cloud.account import client
from tests.support.local_system import LocalSystem, eventually, shared
from tests.support.small_system import SmallSystem, begin


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    with shared(tmp_path_factory, "local-triggers", begin) as running:
        yield running


@pytest.fixture(scope="module")
def small(system: LocalSystem) -> SmallSystem:
    return SmallSystem(system.state.parent)


@pytest.fixture(scope="module")
def sqs(system: LocalSystem) -> Any:
    return client("sqs", system.running.stack["awsUrl"])


def send(sqs: Any, system: LocalSystem, *jobs: dict[str, Any], queue: str = "Jobs") -> list[str]:
    """Send jobs, each with an id of its own, and return the ids."""
    ids = [uuid4().hex for _ in jobs]
    for start in range(0, len(jobs), 10):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(jobs[number] | {"id": ids[number]})}
            for number in range(start, min(start + 10, len(jobs)))
        ]
        sqs.send_message_batch(QueueUrl=system.resource(queue), Entries=entries)
    return ids


def notes(small: SmallSystem, job: str) -> list[str]:
    """Return the deliveries of a job that the worker has seen."""
    return sorted(path.suffix for path in small.notes.glob(f"{job}.*"))


def note(small: SmallSystem, job: str) -> Any:
    return json.loads(next(small.notes.glob(f"{job}.1")).read_text())


def dead_letters(sqs: Any, system: LocalSystem) -> list[Any]:
    messages = sqs.receive_message(QueueUrl=system.resource("Failures"), MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]


def test_messages_are_delivered_once_and_in_batches(system: LocalSystem, small: SmallSystem, sqs: Any) -> None:
    ids = send(sqs, system, *({} for _ in range(40)))
    eventually(lambda: all(notes(small, job) for job in ids))
    assert {tuple(notes(small, job)) for job in ids} == {(".1",)}
    assert 10 < max(note(small, job)["batch"] for job in ids) <= 25


def test_a_queue_record_is_as_lambda_sends_it(system: LocalSystem, small: SmallSystem, sqs: Any) -> None:
    job = uuid4().hex
    sqs.send_message(
        QueueUrl=system.resource("Jobs"),
        MessageBody=json.dumps({"id": job}),
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}},
    )
    eventually(lambda: notes(small, job))
    record = note(small, job)["record"]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == system.resource("Jobs", "Arn")
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["SentTimestamp"].isdigit()
    assert record["messageAttributes"]["kind"]["stringValue"] == "x"
    assert {"messageId", "receiptHandle", "body", "md5OfBody"} <= record.keys()


def test_a_failed_message_is_redelivered_alone_and_becomes_a_dead_letter(
    system: LocalSystem, small: SmallSystem, sqs: Any
) -> None:
    failing, *good = send(sqs, system, {"fail": True}, {}, {})
    eventually(lambda: notes(small, failing) == [".1", ".2"])
    eventually(lambda: any(letter.get("id") == failing for letter in dead_letters(sqs, system)))
    assert notes(small, failing) == [".1", ".2"]
    assert [notes(small, job) for job in good] == [[".1"], [".1"]]


def test_a_crash_fails_the_whole_batch(system: LocalSystem, small: SmallSystem, sqs: Any) -> None:
    (job,) = send(sqs, system, {"crash": True}, queue="FragileJobs")
    eventually(lambda: any(letter.get("id") == job for letter in dead_letters(sqs, system)))
    assert notes(small, job) == [".1", ".2"]
    (after,) = send(sqs, system, {}, queue="FragileJobs")
    eventually(lambda: notes(small, after))


def test_a_schedule_fires_with_the_scheduled_time(system: LocalSystem, small: SmallSystem) -> None:
    tick = small.notes / "tick"
    eventually(tick.exists)
    event = json.loads(tick.read_text())
    assert event["detail"] == {}
    scheduled = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - scheduled).total_seconds()) < 600


def test_the_event_of_a_failed_scheduled_run_becomes_a_dead_letter(system: LocalSystem, sqs: Any) -> None:
    eventually(lambda: [letter for letter in dead_letters(sqs, system) if letter.get("detail") == {"fail": True}])


@pytest.fixture(scope="module")
def things(system: LocalSystem) -> Any:
    return client("dynamodb", system.running.stack["dynamodbUrl"])


def put(things: Any, name: str, **attributes: str) -> str:
    """Write an item with a new key, and return the key."""
    key = f"{name}-{uuid4().hex}"
    item = {"PK": {"S": key}, **{each: {"S": value} for each, value in attributes.items()}}
    things.put_item(TableName="Things", Item=item)
    return key


def followed(small: SmallSystem, *keys: str) -> list[Any]:
    """Return the records of these keys that the function got, in order and as often as it got them."""
    path = small.notes / "followed"
    notes = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [each for each in notes if each["record"]["dynamodb"]["Keys"]["PK"]["S"] in keys]


def test_stream_records_arrive_once_and_in_order(small: SmallSystem, things: Any) -> None:
    keys = [put(things, "matching") for _ in range(20)]
    eventually(lambda: len(followed(small, *keys)) == 20)
    assert [each["record"]["dynamodb"]["Keys"]["PK"]["S"] for each in followed(small, *keys)] == keys
    assert max(each["batch"] for each in followed(small, *keys)) <= 8


def test_a_stream_record_is_as_lambda_sends_it(system: LocalSystem, small: SmallSystem, things: Any) -> None:
    key = f"matching-{uuid4().hex}"
    exact = "12345678901234567890.123456789012345678"
    item = {"PK": {"S": key}, "n": {"N": exact}, "b": {"B": b"\x00\xff"}, "m": {"M": {}}}
    things.put_item(TableName="Things", Item=item)
    things.update_item(
        TableName="Things",
        Key={"PK": {"S": key}},
        UpdateExpression="SET kind = :k",
        ExpressionAttributeValues={":k": {"S": "changed"}},
    )
    eventually(lambda: len(followed(small, key)) == 2)
    made, changed = (each["record"] for each in followed(small, key))
    assert (made["eventName"], changed["eventName"]) == ("INSERT", "MODIFY")
    assert made["eventSource"] == "aws:dynamodb"
    assert made["eventSourceARN"] == system.resource("Things", "StreamArn")
    assert made["dynamodb"]["NewImage"] == {"PK": {"S": key}, "n": {"N": exact}, "b": {"B": "AP8="}, "m": {"M": {}}}
    assert changed["dynamodb"]["OldImage"] == made["dynamodb"]["NewImage"]
    assert isinstance(made["dynamodb"]["ApproximateCreationDateTime"], int)
    assert made["eventID"] != changed["eventID"]


def test_a_filter_excludes_records(small: SmallSystem, things: Any) -> None:
    quiet, matching = put(things, "quiet"), put(things, "matching")
    eventually(lambda: followed(small, matching))
    assert followed(small, quiet) == []


def test_a_stream_continues_in_order_from_the_record_that_failed(small: SmallSystem, things: Any) -> None:
    ready = uuid4().hex
    keys = [put(things, "matching"), put(things, "matching", until=ready), put(things, "matching")]
    eventually(lambda: len(followed(small, keys[1])) >= 2)
    assert followed(small, keys[2]) == []
    (small.notes / ready).touch()
    eventually(lambda: followed(small, keys[2]))
    assert len(followed(small, keys[0])) == len(followed(small, keys[2])) == 1


def test_a_record_that_always_crashes_becomes_a_dead_letter_alone(
    system: LocalSystem, small: SmallSystem, things: Any, sqs: Any
) -> None:
    before, broken, after = put(things, "matching"), put(things, "matching", crash="yes"), put(things, "matching")
    eventually(lambda: followed(small, after))
    assert followed(small, before)
    (sequence,) = {each["record"]["dynamodb"]["SequenceNumber"] for each in followed(small, broken)}

    def aside() -> Any:
        infos = (letter.get("DDBStreamBatchInfo", {}) for letter in dead_letters(sqs, system))
        return [info for info in infos if info.get("startSequenceNumber") == sequence]

    (info,) = eventually(aside)
    assert (info["endSequenceNumber"], info["batchSize"]) == (sequence, 1)
    assert broken not in json.dumps(info)


def test_a_function_can_be_invoked_on_demand(system: LocalSystem, small: SmallSystem) -> None:
    event = {"time": "2025-01-01T00:05:00Z", "note": "tick-on-demand"}
    assert system.running.invoke("Tick", event) == {"output": "null", "error": ""}
    assert json.loads((small.notes / "tick-on-demand").read_text()) == event
    assert system.running.invoke("Tick", {"detail": {"fail": True}})["error"] == "ValueError"
