"""The contract of a queue's sender."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.aws.queues import SEND_LIMIT, Queue
from purser.errors import Unavailable
from purser.ports import Sender
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.snapshots import FakeSqs


@dataclass
class World:
    """A queue, and what can be received from it now."""

    queue: Sender
    received: Callable[[], list[dict[str, Any]]]


@pytest.fixture(params=["FakeQueue", "FakeSqs", pytest.param("SQS", marks=pytest.mark.services)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "FakeQueue":
        fake = FakeQueue()
        yield World(fake, lambda: fake.sent)
    elif request.param == "FakeSqs":
        in_memory = FakeSqs(FakeClock())
        yield World(in_memory, lambda: [json.loads(each.body) for each in in_memory.receive(most=1000)])
    else:
        request.getfixturevalue("aws")
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName=f"contract-{uuid4()}")["QueueUrl"]
        yield World(Queue(url), lambda: received(sqs, url))
        sqs.delete_queue(QueueUrl=url)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [json.loads(message["Body"]) for message in batch]
    return bodies


def numbered(count: int) -> Iterator[dict[str, Any]]:
    return ({"number": number} for number in range(count))


@pytest.mark.parametrize("count", [0, 1, SEND_LIMIT, 2 * SEND_LIMIT + 3])
def test_every_message_is_sent(world: World, count: int) -> None:
    assert world.queue.send(numbered(count)) == count
    assert sorted(message["number"] for message in world.received()) == list(range(count))


def test_a_message_arrives_as_it_was_sent(world: World) -> None:
    message = {"text": "\N{SNOWMAN}", "number": 7, "nothing": None, "list": [1, {"a": True}]}
    world.queue.send([message])
    assert world.received() == [message]


def test_a_message_that_is_not_json_is_refused(world: World) -> None:
    with pytest.raises(TypeError):
        world.queue.send([{"bytes": b"x"}])
    assert world.received() == []


def test_messages_sent_before_the_stream_failed_stay_sent(world: World) -> None:
    def breaking() -> Iterator[dict[str, Any]]:
        yield from numbered(SEND_LIMIT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.queue.send(breaking())
    assert len(world.received()) == SEND_LIMIT


@pytest.mark.services
def test_messages_can_be_hidden_for_longer_or_shorter_than_their_queue_hides_them(aws: None) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"contract-{uuid4()}", Attributes={"VisibilityTimeout": "1800"})["QueueUrl"]
    queue = Queue(url)
    queue.send(numbered(3))
    first, *others = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    queue.postpone([message["ReceiptHandle"] for message in others], -1)
    assert sorted(each["number"] for each in received(sqs, url)) == sorted(
        json.loads(m["Body"])["number"] for m in others
    )
    queue.postpone([first["ReceiptHandle"]], -1)
    assert received(sqs, url) == [json.loads(first["Body"])]
    with pytest.raises(Unavailable):
        queue.postpone(["unknown"], 1)
    sqs.delete_queue(QueueUrl=url)
