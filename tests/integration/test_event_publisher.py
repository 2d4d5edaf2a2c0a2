"""Test EventPublisher with a stream of DynamoDB Local, an event bus (moto), and faults between them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from purser.aws import clients
from purser.aws.tables import Table
from purser.errors import WalletNotEmpty
from purser.ledger.model import Wallet
from tests.support.aws import Aws
from tests.support.crashes import Killed
from tests.support.functions import forget_process, load_function
from tests.support.ledger import ADMIN, Bed, bed, with_audit
from tests.support.streams import as_lambda_does, new_table, records

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass
class Subscriber:
    """A queue that gets all events of a bus."""

    url: str

    def events(self) -> list[dict[str, Any]]:
        """Receive, delete and return all events in the queue."""
        sqs, found = boto3.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
            entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return found


@pytest.fixture
def bus(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"bus-{uuid.uuid4()}"
    boto3.client("events").create_event_bus(Name=name)
    monkeypatch.setenv("EVENT_BUS_NAME", name)
    return name


@pytest.fixture
def subscriber(bus: str) -> Subscriber:
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName=bus)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["purser"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "all", "Arn": arn}])
    return Subscriber(url)


@pytest.fixture
def handler(bus: str) -> Iterator[Handler]:
    forget_process()
    yield load_function("event_publisher").handler
    forget_process()


@pytest.fixture
def table(aws: Aws) -> Table:
    return with_audit(new_table("WalletsTable"))


@pytest.fixture
def books(table: Table) -> Bed:
    return bed(table)


def busy(books: Bed, wallets: int = 7) -> list[Wallet]:
    """Create wallets, fill, freeze and unfreeze them, and return them."""
    wallets_made = [books.wallet(USDT="10") for _ in range(wallets)]
    for wallet in wallets_made:
        books.wallets.freeze(ADMIN, wallet.id)
    for wallet in wallets_made:
        books.wallets.unfreeze(ADMIN, wallet.id)
    return wallets_made


LIFE = ["wallet.created", "wallet.frozen", "wallet.unfrozen"]


def types_of(events: Sequence[dict[str, Any]], wallet: Wallet) -> list[str]:
    """Return the types of the events of a wallet, each event once."""
    own_events = [e for e in events if e["detail"]["data"].get("walletId") == wallet.id]
    return list({e["detail"]["id"]: e["detail-type"] for e in own_events}.values())


def distinct(events: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {e["detail"]["id"]: e["detail-type"] for e in events}


def test_every_write_is_published_once_and_in_order(
    handler: Handler, books: Bed, table: Table, subscriber: Subscriber
) -> None:
    wallets_made = busy(books)
    assert as_lambda_does(handler, records(table)) == 1
    events = subscriber.events()
    assert len(distinct(events)) == len(events) == 7 * 4 + 1  # Each with a deposit, and the ACCOUNTING wallet.
    assert {e["source"] for e in events} == {"purser"}
    for wallet in wallets_made:
        assert types_of(events, wallet) == LIFE


def test_refused_writes_publish_nothing(handler: Handler, books: Bed, table: Table, subscriber: Subscriber) -> None:
    wallet = books.wallet(USDT="10")
    with pytest.raises(WalletNotEmpty):
        books.wallets.close(ADMIN, wallet.id)
    as_lambda_does(handler, records(table))
    assert types_of(subscriber.events(), wallet) == ["wallet.created"]


class Faulty:
    """EventBridge with a fault for each request: refused entries, an outage, or a kill before or after it."""

    def __init__(self, client: Any, faults: Iterator[str]) -> None:
        self._client = client
        self._faults = faults

    def put_events(self, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - EventBridge's own name
        match next(self._faults, ""):
            case "some":
                taken = Entries[::2]
                answer = self._client.put_events(Entries=taken)["Entries"]
                refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
                mixed = [answer[i // 2] if i % 2 == 0 else refused for i in range(len(Entries))]
                return {"FailedEntryCount": len(Entries) - len(taken), "Entries": mixed}
            case "all":
                refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
                return {"FailedEntryCount": len(Entries), "Entries": [refused] * len(Entries)}
            case "down":
                raise EndpointConnectionError(endpoint_url="")
            case "busy":
                raise ClientError({"Error": {"Code": "InternalException"}}, "PutEvents")
            case "lost":
                self._client.put_events(Entries=Entries)
                raise EndpointConnectionError(endpoint_url="")
            case "killed":
                raise Killed
            case "killed after":
                self._client.put_events(Entries=Entries)
                raise Killed
        return self._client.put_events(Entries=Entries)


def faults(sequence: Sequence[str]) -> Any:
    client = Faulty(clients.client("events"), iter(sequence))
    return patch("purser.events.bus.client", lambda _: client)


@dataclass(frozen=True)
class Life:
    """Wallets, and the stream of their changes."""

    wallets: Sequence[Wallet]
    stream: Sequence[dict[str, Any]]

    def check_published(self, events: Sequence[dict[str, Any]]) -> None:
        """Assert that all changes were published, in order for each wallet."""
        assert len(distinct(events)) == 7 * 4 + 1
        for wallet in self.wallets:
            assert types_of(events, wallet) == LIFE


@pytest.fixture(scope="module")
def life(aws: Aws) -> Life:
    """Return one history for all tests, since a stream can be read many times."""
    forget_process()
    table = with_audit(new_table("WalletsTable"))
    wallets_made = busy(bed(table))
    return Life(wallets_made, records(table))


@pytest.mark.parametrize("fault", ["some", "all", "down", "busy", "lost", "killed", "killed after"])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_no_event_is_lost_or_reordered_by_one_kind_of_fault(
    handler: Handler, life: Life, subscriber: Subscriber, fault: str, at: int
) -> None:
    with faults(["", "", ""][:at] + [fault] * 6):
        as_lambda_does(handler, list(life.stream), size=50)
    life.check_published(subscriber.events())


@pytest.mark.parametrize("seed", range(5))
def test_no_event_is_lost_or_reordered_by_random_faults(
    handler: Handler, life: Life, subscriber: Subscriber, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = ["", "", "some", "all", "down", "busy", "lost", "killed", "killed after"]
    with faults([chance.choice(kinds) for _ in range(60)]):
        as_lambda_does(handler, list(life.stream), size=20)
    life.check_published(subscriber.events())
