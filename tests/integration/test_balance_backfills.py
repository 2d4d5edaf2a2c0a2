"""Test backfills with worker, sweeper, SQS and KMS (moto), the paper exchange and DynamoDB Local."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.aws.key_vault import KeyVault
from purser.aws.tables import Table
from purser.credentials.model import sealing_context
from purser.exchanges.budget import Cooldown
from purser.exchanges.model import Prices, TradeType
from purser.exchanges.store import DynamoBudgetStore, address_pk
from purser.exchanges.valuation import value_totals
from purser.snapshots.model import READY_MS, Backfill, Snapshot, Source, past_days
from purser.snapshots.store.backfills import DynamoBackfillStore, DynamoRateGate
from purser.snapshots.store.snapshots import DynamoBalanceHistoryStore, DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef, AccountValuation, ApiKeyStatus, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.work.model import FIRST_MESSAGE_MS
from tests.support.accounts import sealed_credential, trading_account
from tests.support.aws import TABLE_PROPERTIES, Aws
from tests.support.events import LambdaContext
from tests.support.functions import forget_process, load_function
from tests.support.paper import Paper
from tests.support.template import resources

History = dict[str, dict[str, dict[str, str]]]
SNAPSHOT = "/sapi/v1/accountSnapshot"
CLOSES = "/api/v3/klines"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"


class Stack:
    """Worker and sweeper with their own tables and queue."""

    def __init__(self, patch: pytest.MonkeyPatch, aws: Aws, paper: Paper) -> None:
        self.paper = paper
        suffix = uuid4().hex
        tables = resources("AWS::DynamoDB::Table")
        for logical_id in ("KeysTable", "SnapshotsTable", "VenuesTable"):
            given = {name: tables[logical_id][name] for name in TABLE_PROPERTIES if name in tables[logical_id]}
            boto3.client("dynamodb").create_table(TableName=f"{logical_id}-{suffix}", **given)
            patch.setenv(f"{logical_id.removesuffix('Table').upper()}_TABLE", f"{logical_id}-{suffix}")
        self.keys, self.snapshots = Table(f"KeysTable-{suffix}"), Table(f"SnapshotsTable-{suffix}")
        self.venues = Table(f"VenuesTable-{suffix}")
        self.sqs = boto3.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"backfills-{suffix}")["QueueUrl"]
        patch.setenv("BACKFILL_QUEUE_URL", self.queue)
        patch.setenv("BACKFILL_WEIGHT_PER_MINUTE", "100000000")  # Tests don't wait for permits.
        paper.limits(spot=6000, futures=2400, snapshots=1_000_000)
        self.vault = KeyVault(aws.credential_key_id)
        self.restart()

    def restart(self) -> None:
        """Load the functions anew, as in new processes."""
        forget_process()
        self.worker = load_function("balance_backfill_worker").handler
        self.sweeper = load_function("job_sweeper").handler

    def add_key(self, history: History, trade_type: TradeType = TradeType.SPOT) -> TradingAccount:
        """Connect a key of the paper exchange with these past balances."""
        key = self.paper.key(spot={"USDT": "10"}, futures={"USDT": "10"}, history=history)
        account_id, user_id, now = str(uuid4()), str(uuid4()), now_ms()
        facts = {"api_key": key["apiKey"], "created_at": now, "updated_at": now}
        account = trading_account(
            account_id, user_id, trade_type=trade_type, **facts, valuation=AccountValuation(Decimal(10), now)
        )
        sealed = self.vault.encrypt(key["secret"], sealing_context(user_id, account_id))
        DynamoTradingAccountStore(self.keys).connect(account, sealed_credential(account, sealed), 0)
        return account

    def work(self, account: TradingAccount, attempt: int = 1) -> bool:
        """Deliver a message to the worker once, and return whether it was acknowledged."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"tradingAccountId": account.id}))
        (message,) = self.sqs.receive_message(QueueUrl=self.queue, AttributeNames=["All"])["Messages"]
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"] | {"ApproximateReceiveCount": str(attempt)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:backfills",
            "awsRegion": "us-east-1",
        }
        answer = self.worker({"Records": [record]}, LambdaContext())
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(answer == {"batchItemFailures": []})

    def sent(self) -> list[str]:
        """Return the accounts of the messages that can be received."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["tradingAccountId"] for message in found]

    def stored(self, account: TradingAccount) -> dict[str, Snapshot]:
        rows = DynamoBalanceHistoryStore(self.snapshots).page(account.id, "0001-01-01", "9999-12-31", 1000)
        return {row.date: row for row in rows}

    def backfilled(self, account: TradingAccount) -> dict[str, Decimal]:
        return {d: s.total_usd for d, s in self.stored(account).items() if s.source is Source.BACKFILLED}

    def record(self, account: TradingAccount) -> Backfill | None:
        return DynamoBackfillStore(self.keys).get(account.id)

    def asked(self, path: str) -> int:
        return sum(request["path"] == path for request in self.paper.requests())

    def closes(self, market: str) -> dict[str, Decimal]:
        """Return the closing prices that the exchange publishes, by day."""
        import requests

        answer = requests.get(
            f"{self.paper.url}{CLOSES}", {"symbol": market, "interval": "1d", "limit": "40"}, timeout=10
        )
        return {f"{datetime.fromtimestamp(row[0] / 1000, UTC):%Y-%m-%d}": Decimal(row[4]) for row in answer.json()}


@pytest.fixture
def stack(aws: Aws, paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    yield Stack(monkeypatch, aws, paper)
    forget_process()


def test_a_backfill_stores_the_value_of_each_day_that_the_exchange_knows(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [n for n in range(1, 31) if n % 7]
    account = stack.add_key({ago(n): {"spot": {"USDT": f"{n}", "BTC": "0.01", "ETH": f"0.{n}"}} for n in days})
    stack.paper.clear_requests()
    assert stack.work(account)

    markets = {market: stack.closes(market) for market in ("USDCUSDT", "BTCUSDT", "ETHUSDT")}
    expected = {}
    for n in days:
        totals = (("USDT", Decimal(n)), ("BTC", Decimal("0.01")), ("ETH", Decimal(f"0.{n}")))
        prices = Prices({market: closes[ago(n)] for market, closes in markets.items()})
        expected[ago(n)] = value_totals(totals, prices).total_usd
    assert stack.backfilled(account) == expected
    assert len(set(expected.values())) == len(days)
    assert stack.stored(account)[ago(0)].source is Source.LIVE
    assert stack.asked(SNAPSHOT) == 1
    metrics, work = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert (work["kind"], work["WorkDone"]) == ("Backfill", [1.0])
    assert (metrics["DaysBackfilled"], metrics["UnpricedAssets"]) == ([float(len(days))], [0.0])

    # The exchange may deliver yesterday only some hours after midnight.
    is_over = now_ms() % 86_400_000 >= READY_MS or 1 in days
    assert (stack.record(account) is None) == is_over
    assert stack.work(account)
    assert stack.asked(SNAPSHOT) == 1 or not is_over


def test_exactly_thirty_days_are_backfilled(stack: Stack) -> None:
    account = stack.add_key({ago(n): {"spot": {"USDC": "5"}} for n in range(1, 33)})
    assert stack.work(account)
    assert stack.backfilled(account) == dict.fromkeys(past_days(now_ms()), Decimal(5))
    assert stack.record(account) is None


def test_a_futures_account_is_valued_by_its_wallet_balance_of_the_day(stack: Stack) -> None:
    history: History = {
        ago(2): {"futures": {"USDT": "41.5", "USDC": "3"}, "spot": {"USDT": "1000"}},
        ago(3): {"futures": {}},
    }
    account = stack.add_key(history, TradeType.FUTURES)
    assert stack.work(account)
    usdt = 1 / stack.closes("USDCUSDT")[ago(2)]
    assert stack.backfilled(account) == {ago(2): round(Decimal("41.5") * usdt + 3, 8), ago(3): Decimal(0)}


def test_a_live_snapshot_is_never_replaced_and_replaces_a_backfilled_one(stack: Stack) -> None:
    account = stack.add_key({ago(n): {"spot": {"USDC": "5"}} for n in range(1, 31)})
    store = DynamoSnapshotStore(stack.snapshots, stack.keys)
    before, after = (Snapshot(account.id, ago(n), Decimal(9), Source.LIVE, now_ms(), "a run") for n in (4, 5))
    assert store.keep(before) == before
    assert stack.work(account)
    assert stack.stored(account)[ago(4)] == before
    assert stack.stored(account)[ago(5)].source is Source.BACKFILLED
    assert store.keep(after) == after
    assert stack.stored(account)[ago(5)] == after
    assert store.keep(Snapshot(account.id, ago(5), Decimal(1), Source.LIVE, now_ms())) == after
    assert store.keep(Snapshot(account.id, ago(5), Decimal(1), Source.BACKFILLED, now_ms())) == after


def test_a_rate_limit_stops_all_workers_until_the_cooldown_ends(stack: Stack) -> None:
    history = {ago(n): {"spot": {"USDT": "5", "BTC": "1"}} for n in range(1, 31)}
    account, other = stack.add_key(history), stack.add_key(history)
    stack.paper.fault(CLOSES, "rate_limit", skip=1, retryAfter=120)
    before = now_ms()
    assert not stack.work(account)
    assert stack.backfilled(account) == {}
    cooldown = stack.venues.get(address_pk(), "COOLDOWN#SPOT")
    assert cooldown is not None
    assert before + 119_000 <= cooldown["heldUntil"] <= now_ms() + 121_000

    stack.restart()
    asked = len(stack.paper.requests())
    assert stack.work(other)
    assert len(stack.paper.requests()) == asked
    assert stack.record(other) is not None

    stack.venues.update(address_pk(), "COOLDOWN#SPOT", "SET heldUntil = :now", {":now": now_ms() - 1})
    stack.restart()
    assert stack.work(account, attempt=2)
    assert stack.work(other)
    assert len(stack.backfilled(account)) == 30
    assert stack.backfilled(account) == stack.backfilled(other)


def test_a_backfill_ends_when_the_exchange_refuses_its_key(stack: Stack) -> None:
    account = stack.add_key({ago(n): {"spot": {"USDT": "5"}} for n in range(1, 31)})
    stack.paper.fault(CLOSES, "http_503")
    assert not stack.work(account)
    stack.paper.change_key(account.api_key, revoked=True)
    assert stack.work(account, attempt=2)
    assert (stack.backfilled(account), stack.record(account)) == ({}, None)
    dead = DynamoTradingAccountStore(stack.keys).get(account.user_id, account.id)
    assert dead is not None
    assert (dead.active, dead.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)


def test_a_backfill_of_a_missing_account_ends_without_a_request(stack: Stack) -> None:
    account = stack.add_key({ago(1): {"spot": {"USDT": "5"}}})
    stack.keys.delete(f"USER#{account.user_id}", f"KEY#{account.id}")
    stack.paper.clear_requests()
    assert stack.work(account)
    assert (stack.stored(account), stack.record(account), stack.asked(SNAPSHOT)) == ({}, None, 0)


def test_a_worker_continues_a_backfill_after_the_lease_of_a_killed_worker(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    account = stack.add_key({ago(n): {"spot": {"USDC": "5"}} for n in range(1, 31)})
    keep, kept = DynamoSnapshotStore.keep, 0

    def dying(self: DynamoSnapshotStore, snapshot: Snapshot) -> Snapshot:
        nonlocal kept
        kept += 1
        if kept == 12:
            raise Killed
        return keep(self, snapshot)

    with monkeypatch.context() as patch:
        patch.setattr(DynamoSnapshotStore, "keep", dying)
        with pytest.raises(Killed):
            stack.work(account)
    half = stack.stored(account)
    assert len(half) == 11
    stack.restart()
    assert not stack.work(account, attempt=2), "the killed worker still has its lease"
    stack.keys.update("BACKFILLS", account.id, "SET leasedUntil = :past", {":past": now_ms()})
    assert stack.work(account, attempt=3)
    assert len(stack.backfilled(account)) == 30
    assert half.items() <= stack.stored(account).items()


def test_after_the_last_delivery_a_backfill_is_a_dead_letter_until_it_is_redriven(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    account = stack.add_key({ago(n): {"spot": {"USDC": "5"}} for n in range(1, 31)})
    stack.paper.fault(SNAPSHOT, "http_503", times=1)
    assert not stack.work(account, attempt=5)
    record = stack.record(account)
    assert record is not None
    assert record.dead
    item = stack.keys.get("BACKFILLS", account.id)
    assert item is not None
    assert item["expiresAt"] > now_ms() // 1000 + 30 * 86_400
    assert list(DynamoBackfillStore(stack.keys).due(now_ms(), queue_is_empty=True)) == []
    assert '"BackfillsFailed":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert stack.work(account)
    assert len(stack.backfilled(account)) == 30


def test_all_workers_share_the_permits_of_the_rate_gate(stack: Stack) -> None:
    one, two = DynamoRateGate(stack.venues, 60_000), DynamoRateGate(stack.venues, 60_000)
    now = now_ms()
    assert one.take("account", now) == 0
    assert two.take("account", now + 1_000) == 59_000
    assert two.take("account", now + 60_000) == 0
    DynamoBudgetStore(stack.venues).start_cooldown("PAST_BALANCES", Cooldown(now + 300_000))
    assert one.take("account", now + 120_000) == 180_000
    assert one.take("account", now + 300_000) == 0


def test_a_backfill_without_a_permit_goes_back_to_the_queue(stack: Stack) -> None:
    account = stack.add_key({ago(1): {"spot": {"USDC": "5"}}})
    DynamoRateGate(stack.venues, 600_000).take("account", now_ms())
    stack.paper.clear_requests()
    assert stack.work(account)
    assert (stack.asked(SNAPSHOT), stack.backfilled(account)) == (0, {})
    attributes = stack.sqs.get_queue_attributes(QueueUrl=stack.queue, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"


def test_the_sweeper_enqueues_due_backfills_once(stack: Stack) -> None:
    waiting = stack.add_key({})
    later, store = AccountRef("someone", str(uuid4())), DynamoBackfillStore(stack.keys)
    store.add(Backfill(later, now_ms(), due_at=now_ms() + 3_600_000))
    assert stack.sweeper({"detail": {}}, LambdaContext())["backfills"] == 0, "its first message may still arrive"
    store.add(Backfill(AccountRef(waiting.user_id, waiting.id), now_ms(), due_at=now_ms()))
    assert stack.sweeper({"detail": {}}, LambdaContext())["backfills"] == 1
    assert stack.sent() == [waiting.id]
    assert stack.sweeper({"detail": {}}, LambdaContext())["backfills"] == 0
    assert stack.sweeper({"detail": {"queueIsEmpty": True}}, LambdaContext())["backfills"] == 2
    assert sorted(stack.sent()) == sorted([waiting.id, later.id])


def test_a_backfill_that_is_requested_again_meanwhile_is_not_finished(stack: Stack) -> None:
    account = stack.add_key({})
    store = DynamoBackfillStore(stack.keys)
    stored = stack.record(account)
    assert stored is not None
    store.add(Backfill(stored.ref, stored.requested_at, due_at=stored.due_at + 1))
    again = store.get(account.id)
    assert again == replace(stored, due_at=stored.due_at + 1, version=stored.version + 1)
    assert not store.finish(stored)
    assert not store.advance(stored.exhausted(now_ms()))
    assert not store.advance(stored.queued(now_ms()))
    assert store.get(account.id) == again
    assert store.finish(again)
    assert store.get(account.id) is None
    assert not store.advance(again.queued(now_ms()))


def test_a_late_worker_does_not_finish_a_newer_backfill_request(stack: Stack) -> None:
    account = stack.add_key({})
    store, stored = DynamoBackfillStore(stack.keys), stack.record(account)
    assert stored is not None
    store.finish(stored)
    store.add(Backfill(stored.ref, stored.requested_at + 1, due_at=stored.due_at))
    assert not store.finish(stored)
    assert not store.advance(stored.exhausted(now_ms()))
    again = store.get(account.id)
    assert again is not None
    assert not again.dead


def test_of_two_concurrent_claims_one_succeeds(stack: Stack) -> None:
    account = stack.add_key({})
    stored = stack.record(account)
    assert stored is not None
    store, due = DynamoBackfillStore(stack.keys), now_ms() + 1
    assert store.advance(stored.queued(due))
    assert not store.advance(stored.queued(due))


def test_connecting_an_account_stores_its_backfill_in_the_same_write(stack: Stack) -> None:
    account = stack.add_key({})
    connected_at = account.created_at
    expected = Backfill(
        AccountRef(account.user_id, account.id),
        connected_at,
        due_at=connected_at + FIRST_MESSAGE_MS,
        version=connected_at,
    )
    assert stack.record(account) == expected


def test_the_secret_is_in_no_message_and_no_record(stack: Stack) -> None:
    account = stack.add_key({})
    item: Any = stack.keys.get("BACKFILLS", account.id)
    assert item.keys() == {"PK", "SK", "userId", "requestedAt", "dueAt", "version"}
