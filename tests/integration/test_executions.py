"""Carry signals to followers: SignalFanOutWorker and ExecutionWorker with DynamoDB Local and the paper exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.bootstrap.exchanges import order_desk, public_gateway
from purser.bootstrap.executions import fan_out_worker
from purser.bootstrap.orders import order_reconciler
from purser.bootstrap.strategies import trade_closings
from purser.clock import now_ms
from purser.executions.store import LAYOUT
from purser.orders.intents import WATCH_AFTER_MS
from purser.signals.store import FAN_OUT_LAYOUT
from tests.support.aws import Aws
from tests.support.events import LambdaContext, call, claims
from tests.support.functions import forget_process, load_function
from tests.support.orders import Trader, orders_table, trader
from tests.support.paper import Paper

FUNCTIONS = (
    "strategy_admin",
    "signal_admin",
    "strategy_automated",
    "signal_fan_out_worker",
    "execution_worker",
    "account_trade_history",
    "job_sweeper",
    "booking_sweeper",
    "booking_worker",
)
ENTER = {"action": "ENTER", "side": "LONG", "stop": 19000, "takeProfits": [{"price": 21000, "sharePercent": 100}]}
SYMBOL = "BTC/USDT"


class Desk:
    """The functions that carry signals, and the queues between them."""

    def __init__(self, aws: Aws, paper: Paper) -> None:
        self.aws, self.paper = aws, paper
        self.handlers = {name: load_function(name) for name in FUNCTIONS}
        self.admin = claims(str(uuid4()), groups=["admin"])
        self.sqs = boto3.client("sqs")

    def ask(self, function: str, method: str, path: str, body: Any = None, **given: Any) -> Any:
        answer = call(self.handlers[function].handler, method, path, body, **({"caller": self.admin} | given))
        assert answer.status == 200, answer.text
        return answer.body

    def publish(self) -> str:
        strategy = {"name": "Trend", "exchangeId": "BINANCE", "symbol": SYMBOL}
        return str(self.ask("strategy_admin", "POST", "/v1/admin/strategy", strategy)["id"])

    def follower(self, strategy_id: str, **given: Any) -> tuple[Trader, str]:
        """Return a user whose key follows a strategy, and the follow."""
        user = trader(self.handlers["strategy_automated"], self.paper, strategy_type="AUTOMATED")
        profile = {"name": "MODERATE", "percentage": 2}
        risk = self.ask("strategy_admin", "POST", "/v1/admin/strategy/profile", profile)["id"]
        path = f"/v1/priv/strategy/follow/exchange/key/{user.id}"
        body = {"strategyAutomatedId": strategy_id, "strategyRiskProfileId": risk, **given}
        return user, str(self.ask("strategy_automated", "POST", path, body, caller=claims(user.user_id))["id"])

    def send(self, strategy_id: str, body: dict[str, Any]) -> str:
        return str(self.ask("signal_admin", "POST", f"/v1/admin/strategy/{strategy_id}/signal", body)["signalId"])

    def deliver(self) -> None:
        """Deliver all messages of the queues, once."""
        queues = {
            "signal_fan_out_worker": self.aws.signal_queue_url,
            "execution_worker": self.aws.execution_queue_url,
            "booking_worker": self.aws.booking_queue_url,
        }
        for function, queue in queues.items():
            while received := self.sqs.receive_message(QueueUrl=queue, AttributeNames=["All"]).get("Messages"):
                for message in received:
                    event = {"Records": [record(message)]}
                    answer = self.handlers[function].handler(event, LambdaContext())
                    assert answer == {"batchItemFailures": []}
                    self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def end_trades(self, user: Trader) -> None:
        """Let the reconciler find that a user's trades have ended, and close their books."""
        for lock in order_reconciler()._store.locks.due(now_ms() + WATCH_AFTER_MS):
            if lock.trading_account_id == user.id:
                order_reconciler()._runner.reconcile(lock, now_ms() + 20_000)
        self.handlers["booking_sweeper"].handler({"detail": {}}, LambdaContext())
        self.deliver()

    def executions(self, user: Trader, follow_id: str, **query: str) -> Any:
        path = f"/v1/priv/strategy/follow/{follow_id}/execution/list"
        return self.ask("strategy_automated", "GET", path, caller=claims(user.user_id), query=query or None)

    def counts(self, strategy_id: str) -> dict[str, Any]:
        listed = self.ask("signal_admin", "GET", f"/v1/admin/strategy/{strategy_id}/signal/list")["items"]
        return {signal["id"]: signal["executions"] for signal in listed}


def record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
        "awsRegion": "us-east-1",
    }


@pytest.fixture(scope="module")
def desk(aws: Aws, _paper_server: Paper) -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_TABLE", orders_table(aws.tables))
        forget_process()
        yield Desk(aws, _paper_server)
    forget_process()


@pytest.fixture(autouse=True)
def market(desk: Desk, paper: Paper) -> None:
    paper.prices(BTC_USDT="20000")
    for gateway in (order_desk(), public_gateway()):
        gateway._tickers = type(gateway._tickers)(gateway._tickers._lifetime)
    for queue in (desk.aws.signal_queue_url, desk.aws.execution_queue_url, desk.aws.booking_queue_url):
        with suppress(desk.sqs.exceptions.PurgeQueueInProgress):
            desk.sqs.purge_queue(QueueUrl=queue)


@pytest.fixture
def strategy(desk: Desk) -> str:
    return desk.publish()


def test_followers_trade_a_signal_each_by_their_own_risk(desk: Desk, strategy: str) -> None:
    one, follow = desk.follower(strategy)
    two, other = desk.follower(strategy, maxEquityUSD=1000)
    poor, skipped = desk.follower(strategy, minEquityUSD=1_000_000)
    paused, none = desk.follower(strategy, active=False)
    entered = desk.send(strategy, ENTER)
    desk.deliver()
    (execution,) = desk.executions(one, follow)["items"]
    assert execution.items() >= {"signalId": entered, "status": "OPEN", "symbol": SYMBOL, "amount": 0.175}.items()
    assert [float(position["positionAmt"]) for position in one.positions] == [0.175]
    assert [float(position["positionAmt"]) for position in two.positions] == [0.017]
    assert sorted(order["orderType"] for order in one.open_orders) == ["STOP_MARKET", "TAKE_PROFIT"]
    (skip,) = desk.executions(poor, skipped)["items"]
    assert (skip["status"], skip["reason"]) == ("SKIPPED", "MIN_EQUITY")
    assert poor.positions == []
    assert desk.executions(paused, none)["items"] == []
    counted = {(each["state"], each["reason"]): each["count"] for each in desk.counts(strategy)[entered]}
    assert counted == {("OPEN", None): 2, ("SKIPPED", "MIN_EQUITY"): 1}
    assert other != follow

    history = desk.ask(
        "account_trade_history", "GET", "/v1/priv/account/trade/strategy/history", caller=claims(one.user_id)
    )
    (trade,) = history["items"]
    assert (trade["amount"], trade["leverage"], trade["StrategyAutomatedTrigger"]["tradeSide"]) == (0.175, 1, "BUY")

    closed = desk.send(strategy, {"action": "EXIT", "side": "LONG"})
    desk.deliver()
    newest, before = desk.executions(one, follow)["items"]
    assert (newest["signalId"], newest["status"], before) == (closed, "CLOSED", execution)
    assert (one.positions, one.open_orders) == ([], [])
    page = desk.executions(one, follow, limit="1")
    assert page["items"] == [newest]
    assert desk.executions(one, follow, limit="1", nextToken=page["nextToken"]) == {
        "items": [before],
        "nextToken": None,
    }


def test_a_trade_that_its_stop_has_ended_has_a_result(desk: Desk, strategy: str, paper: Paper) -> None:
    user, follow = desk.follower(strategy)
    desk.send(strategy, ENTER)
    desk.deliver()
    (before,) = desk.executions(user, follow)["items"]
    assert "result" not in before
    paper.prices(BTC_USDT="19000")
    desk.end_trades(user)
    (execution,) = desk.executions(user, follow)["items"]
    result = execution["result"]
    assert (result["reason"], result["amount"], result["entryPrice"], result["exitPrice"]) == (
        "STOP",
        0.175,
        20000,
        19000,
    )
    assert (result["profit"], result["funding"], result["otherFees"]) == (-175, 0, [])
    assert result["netProfit"] == pytest.approx(-175 - result["fees"])
    assert -1 < result["r"] < 0
    assert desk.handlers["booking_sweeper"].handler({"detail": {}}, LambdaContext()) == {"queued": 0}


def test_messages_that_come_twice_trade_once_and_leave_no_work(desk: Desk, strategy: str) -> None:
    user, follow = desk.follower(strategy)
    signal = desk.send(strategy, ENTER)
    message = {"strategyId": strategy, "signalId": signal}
    sent = desk.sqs.receive_message(QueueUrl=desk.aws.signal_queue_url, AttributeNames=["All"])["Messages"]
    for _ in range(2):
        desk.handlers["signal_fan_out_worker"].handler({"Records": [record(sent[0])]}, LambdaContext())
    desk.deliver()
    placed = user.orders
    assert len(desk.executions(user, follow)["items"]) == 1
    desk.deliver()
    assert user.orders == placed
    assert left(message) == []


def test_a_signal_that_is_planned_twice_counts_each_follower_once(desk: Desk, strategy: str) -> None:
    desk.follower(strategy)
    signal = desk.send(strategy, ENTER)
    fan_out = fan_out_worker()._store.get(strategy, signal)
    assert fan_out is not None
    # The first planner was killed when it had planned all jobs.
    fan_out_worker()._process(replace(fan_out, version=99))
    desk.deliver()
    assert [(each["state"], each["count"]) for each in desk.counts(strategy)[signal]] == [("OPEN", 1)]


def stop(desk: Desk, user: Trader, follow_id: str, method: str = "DELETE", body: Any = None) -> None:
    path, caller = f"/v1/priv/strategy/follow/{follow_id}", claims(user.user_id)
    answer = call(desk.handlers["strategy_automated"].handler, method, path, body, caller=caller)
    assert answer.status in (200, 204), answer.text


def test_a_follow_that_stops_closes_its_trade_or_keeps_it_as_its_user_wants(desk: Desk, strategy: str) -> None:
    pausing, paused = desk.follower(strategy, onStop="CLOSE")
    ending, ended = desk.follower(strategy, onStop="CLOSE")
    keeping, kept = desk.follower(strategy, onStop="KEEP")
    desk.send(strategy, ENTER)
    desk.deliver()
    stop(desk, pausing, paused, "PUT", {"active": False})
    stop(desk, ending, ended)
    stop(desk, keeping, kept)
    desk.deliver()
    for user in (pausing, ending):
        assert (user.positions, user.open_orders) == ([], [])
    assert [float(position["positionAmt"]) for position in keeping.positions] == [0.175]
    assert len(keeping.open_orders) == 2
    assert [each["status"] for each in desk.executions(pausing, paused)["items"]] == ["OPEN"]
    assert trade_closings().waiting(pausing.id) == trade_closings().waiting(ending.id) == []


def test_a_closing_whose_message_was_lost_is_found_by_the_sweeper(desk: Desk, strategy: str) -> None:
    user, follow = desk.follower(strategy, onStop="CLOSE")
    desk.send(strategy, ENTER)
    desk.deliver()
    stop(desk, user, follow)
    desk.sqs.receive_message(QueueUrl=desk.aws.execution_queue_url)
    swept = desk.handlers["job_sweeper"].handler({"detail": {"queueIsEmpty": True}}, LambdaContext())
    assert swept["tradeClosings"] == 1
    desk.deliver()
    assert (user.positions, user.open_orders) == ([], [])


def left(message: dict[str, str]) -> list[str]:
    """Return the work that is left of a signal."""
    from purser.bootstrap.adapters import table

    partitions = {"strategies_table": FAN_OUT_LAYOUT.shards, "orders_table": LAYOUT.shards}
    items = (
        item["SK"]
        for name, shards in partitions.items()
        for shard in shards
        for item in table(name).query("PK = :pk", {":pk": shard}, consistent=True)
    )
    return [sk for sk in items if message["signalId"] in sk]


def test_a_lost_message_is_sent_again_by_the_sweeper(
    desk: Desk, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, follow = desk.follower(strategy)
    desk.send(strategy, ENTER)
    desk.sqs.receive_message(QueueUrl=desk.aws.signal_queue_url)
    event = {"detail": {"queueIsEmpty": True}}
    swept = desk.handlers["job_sweeper"].handler(event, LambdaContext())
    assert swept["fanOuts"] >= 1
    desk.deliver()
    assert [each["status"] for each in desk.executions(user, follow)["items"]] == ["OPEN"]


def test_a_signal_whose_stop_is_on_the_wrong_side_of_the_market_is_refused(desk: Desk, strategy: str) -> None:
    user, follow = desk.follower(strategy)
    desk.send(strategy, ENTER | {"stop": 20500, "takeProfits": []})
    desk.deliver()
    listed = desk.ask("signal_admin", "GET", f"/v1/admin/strategy/{strategy}/signal/list")["items"]
    assert [(each["status"], each["reason"]) for each in listed] == [("REFUSED", "SUSPECT_PRICE")]
    assert (user.orders, desk.executions(user, follow)["items"]) == ([], [])


def test_the_executions_of_another_users_follow_are_not_found(desk: Desk, strategy: str) -> None:
    _, follow = desk.follower(strategy)
    path = f"/v1/priv/strategy/follow/{follow}/execution/list"
    other = call(desk.handlers["strategy_automated"].handler, "GET", path, caller=claims(str(uuid4())))
    unknown = path.replace(follow, str(uuid4()))
    missing = call(desk.handlers["strategy_automated"].handler, "GET", unknown, caller=claims(str(uuid4())))
    assert (other.status, other.body) == (missing.status, missing.body)
    assert other.status == 404
