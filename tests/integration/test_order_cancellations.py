"""Test the cancellation of orders that an outage left open: queue, worker and sweeper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.aws.tables import Table
from purser.clock import now_ms
from purser.correlation import correlated
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS, RESEND_AFTER_MS
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.errors import Unavailable
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.plans.model import CATALOG
from purser.trading_accounts.model import StrategyType
from purser.trading_accounts.service import NewConnection
from tests.support.aws import Aws
from tests.support.aws_requests import first_answers_lost
from tests.support.events import LambdaContext
from tests.support.functions import forget_process, load_function
from tests.support.logs import logs
from tests.support.paper import Paper


class Stack:
    """Worker and sweeper with their own cancellation queue."""

    def __init__(self, aws: Aws, paper: Paper, patch: pytest.MonkeyPatch) -> None:
        self.paper = paper
        self.sqs = boto3.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"cancellations-{uuid4().hex}")["QueueUrl"]
        patch.setenv("CANCELLATION_QUEUE_URL", self.queue)
        forget_process()
        self.worker = load_function("order_cancellation_worker")
        self.sweeper = load_function("job_sweeper")
        self.keys = Table(aws.tables["KEYS_TABLE"])

    def disconnected(self, api_key: dict[str, str]) -> tuple[str, str]:
        """Disconnect an account during an outage, with an order left open, and return user and account id."""
        from purser.bootstrap.billing import subscriptions
        from purser.bootstrap.trading_accounts import trading_accounts

        user_id, account_id = str(uuid4()), str(uuid4())
        subscriptions().grant(user_id, CATALOG[0].id)
        where = (Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "Default")
        trading_accounts().connect(
            NewConnection(account_id, user_id, *where, api_key=api_key["apiKey"], secret=api_key["secret"])
        )
        order = {"symbol": "BTCUSDC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        self.paper.signed(api_key, "POST", "/api/v3/order", **order, price="15000")
        self.paper.fault("/api/v3/openOrders", "http_503", apiKey=api_key["apiKey"])
        trading_accounts().disconnect(user_id, account_id)
        return user_id, account_id

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        answer = self.sweeper.handler({"detail": {"queueIsEmpty": queue_is_empty}}, LambdaContext())
        swept: int = answer["cancellations"]
        return swept

    def work(self) -> list[str]:
        """Deliver the visible messages to the worker, and return the ids of those that failed."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"])
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in answer["Messages"]
        ]
        response = self.worker.handler({"Records": records}, LambdaContext())
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def waiting(self, account_id: str) -> Any:
        return self.keys.get("CANCELLATIONS", account_id)

    def outcome(self, user_id: str, account_id: str) -> Any:
        item = self.keys.get(f"USER#{user_id}", f"ENDED#{account_id}")
        assert item is not None
        return item.get("cancellation")

    def age(self, account_id: str, milliseconds: int) -> None:
        then = now_ms() - milliseconds
        self.keys.update("CANCELLATIONS", account_id, "SET queuedAt = :then, requestedAt = :then", {":then": then})


@pytest.fixture
def stack(aws: Aws, paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    stack = Stack(aws, paper, monkeypatch)
    # The table is shared, so cancellations of other tests would be swept as well.
    for item in list(stack.keys.query("PK = :pk", {":pk": "CANCELLATIONS"})):
        stack.keys.delete("CANCELLATIONS", item["SK"])
    yield stack
    forget_process()


@pytest.fixture
def api_key(paper: Paper) -> dict[str, str]:
    return paper.key(spot={"USDC": "1000"})


def test_orders_left_open_by_an_outage_are_cancelled_from_the_queue(stack: Stack, api_key: dict[str, str]) -> None:
    user_id, account_id = stack.disconnected(api_key)
    assert len(stack.paper.open_orders(api_key["apiKey"])) == 1
    assert stack.sweep() == 0
    assert stack.sweep(queue_is_empty=True) == 1
    assert stack.work() == []
    assert stack.paper.open_orders(api_key["apiKey"]) == []
    assert stack.waiting(account_id) is None
    assert stack.outcome(user_id, account_id) == "SUCCESS"


def test_a_failed_cancellation_stays_for_the_next_sweep(stack: Stack, api_key: dict[str, str]) -> None:
    user_id, account_id = stack.disconnected(api_key)
    stack.age(account_id, RESEND_AFTER_MS)
    assert stack.sweep() == 1
    assert stack.sweep() == 0
    stack.paper.fault("/api/v3/openOrders", "http_503", apiKey=api_key["apiKey"])
    assert len(stack.work()) == 1
    assert stack.waiting(account_id) is not None
    assert stack.outcome(user_id, account_id) is None


def test_the_id_of_the_request_is_in_what_its_cancellation_logs(stack: Stack, api_key: dict[str, str]) -> None:
    with correlated("the request"):
        _, account_id = stack.disconnected(api_key)
    assert stack.waiting(account_id)["correlationId"] == "the request"
    assert stack.sweep(queue_is_empty=True) == 1
    stack.paper.fault("/api/v3/openOrders", "http_503", apiKey=api_key["apiKey"])
    with logs() as written:
        assert len(stack.work()) == 1
    assert written.lines
    assert {line["correlation_id"] for line in written.lines} == {"the request"}


def test_a_message_about_a_finished_cancellation_is_acknowledged(stack: Stack) -> None:
    stack.sqs.send_message(QueueUrl=stack.queue, MessageBody='{"tradingAccountId": "gone"}')
    assert stack.work() == []


def test_a_cancellation_fails_after_a_day_and_its_credential_is_destroyed(
    stack: Stack, api_key: dict[str, str]
) -> None:
    user_id, account_id = stack.disconnected(api_key)
    stack.age(account_id, CANCELLATION_LIFETIME_MS)
    assert stack.sweep() == 0
    assert stack.waiting(account_id) is None
    assert stack.outcome(user_id, account_id) == "FAILED"


def test_credentials_are_destroyed_even_if_the_sweep_of_snapshots_fails(
    stack: Stack, api_key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise Unavailable

    user_id, account_id = stack.disconnected(api_key)
    stack.age(account_id, CANCELLATION_LIFETIME_MS)
    monkeypatch.setattr(stack.sweeper, "snapshot_sweeper", down)
    with pytest.raises(ExceptionGroup):
        stack.sweep()
    assert stack.waiting(account_id) is None
    assert stack.outcome(user_id, account_id) == "FAILED"


def test_a_claim_whose_answer_was_lost_succeeds_for_its_caller_only(stack: Stack, api_key: dict[str, str]) -> None:
    _, account_id = stack.disconnected(api_key)
    store = DynamoCancellationStore(stack.keys)
    seen = store.get(account_id)
    assert seen is not None
    queued = seen.queued(seen.due_at + RESEND_AFTER_MS)
    with first_answers_lost("UpdateItem") as attempts:
        assert store.advance(queued)
        assert attempts == [1, 2]
        assert not store.advance(queued), "another claim at the same instant"


def test_the_first_outcome_of_a_cancellation_stays(stack: Stack, api_key: dict[str, str]) -> None:
    user_id, account_id = stack.disconnected(api_key)
    store = DynamoCancellationStore(stack.keys)
    waiting = store.get(account_id)
    assert waiting is not None
    assert store.finish(waiting)
    store.expire(waiting)
    assert not store.fail(waiting)
    assert stack.outcome(user_id, account_id) == "SUCCESS"


def test_cancelling_stops_when_its_attempt_is_over(stack: Stack, paper: Paper) -> None:
    from purser.bootstrap.exchanges import exchange_gateway

    paper.prices(BTC_USDC="20000", ETH_USDC="1300")
    key = paper.key(spot={"USDC": "10000"})
    for symbol, price in (("BTCUSDC", "15000"), ("ETHUSDC", "1000")):
        order = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
        paper.signed(key, "POST", "/api/v3/order", **order, price=price)
    left = iter([None, None])

    def go_on() -> None:
        if next(left, "over"):
            raise Unavailable

    with pytest.raises(Unavailable):
        exchange_gateway().cancel_all_orders(ApiCredential(key["apiKey"], key["secret"]), TradeType.SPOT, go_on)
    assert len(paper.open_orders(key["apiKey"])) == 1
