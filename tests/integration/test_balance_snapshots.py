"""Test snapshots with planner, worker, sweeper, SQS and KMS (moto), the paper exchange and DynamoDB Local.

Each test has its own tables and queues, since the planner plans all active trading accounts of a table.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from purser.aws.clients import client
from purser.aws.key_vault import KeyVault
from purser.aws.tables import Table
from purser.credentials.model import sealing_context
from purser.exchanges.model import TradeType
from purser.exchanges.store import address_pk
from purser.keys_table import active_shard
from purser.snapshots import planner
from purser.snapshots.model import ACCOUNTS_A_JOB, Counts, Job, Run, Snapshot, Source, ready_at
from purser.snapshots.planner import JOBS_AT_ONCE
from purser.snapshots.store.backfills import DynamoBackfillStore
from purser.snapshots.store.runs import DynamoRunStore
from purser.snapshots.store.snapshots import DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef, AccountValuation, ApiKeyStatus, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.work.model import RESEND_AFTER_MS
from tests.support.accounts import sealed_credential, trading_account
from tests.support.aws import TABLE_PROPERTIES, Aws, put_items
from tests.support.aws_requests import aws_requests, first_answers_lost
from tests.support.crashes import Killed
from tests.support.effort import scaled
from tests.support.events import LambdaContext
from tests.support.functions import forget_process, load_function
from tests.support.paper import Paper
from tests.support.template import resources

MAX_RECEIVES = 5


class Stack:
    """Planner, worker and sweeper with their own tables and queues."""

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
        self.dead_letters = self.sqs.create_queue(QueueName=f"dead-{suffix}")["QueueUrl"]
        self.queue = self._queue(f"snapshots-{suffix}")
        self.cancellations = self._queue(f"cancellations-{suffix}")
        self.backfills = self._queue(f"backfills-{suffix}")
        patch.setenv("SNAPSHOT_QUEUE_URL", self.queue)
        patch.setenv("CANCELLATION_QUEUE_URL", self.cancellations)
        patch.setenv("BACKFILL_QUEUE_URL", self.backfills)
        patch.setenv("SNAPSHOT_WEIGHT_PER_MINUTE_SPOT", "60000")  # Tests don't wait for the pacer.
        paper.limits(spot=6000, futures=2400)
        forget_process()
        self.planner = load_function("balance_snapshot_planner")
        self.worker = load_function("balance_snapshot_worker")
        self.sweeper = load_function("job_sweeper")
        self.vault = KeyVault(aws.credential_key_id)

    def _queue(self, name: str) -> str:
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead_letters, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": MAX_RECEIVES}
        attributes = {"VisibilityTimeout": "1800", "RedrivePolicy": json.dumps(redrive)}
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def add_key(self, trade_type: TradeType = TradeType.SPOT, **given: Any) -> TradingAccount:
        """Connect a new key of the paper exchange."""
        key = self.paper.key(**({"spot": {"USDT": "1000"}, "futures": {"USDT": "500"}} | given))
        account_id, user_id, now = str(uuid4()), str(uuid4()), now_ms()
        facts = {"api_key": key["apiKey"], "created_at": now, "updated_at": now}
        account = trading_account(account_id, user_id, trade_type=trade_type, **facts)
        sealed = self.vault.encrypt(key["secret"], sealing_context(user_id, account_id))
        DynamoTradingAccountStore(self.keys).connect(account, sealed_credential(account, sealed), 0)
        return account

    def index_accounts(self, number: int) -> list[str]:
        """Store what the planner needs of active accounts, and return their ids."""
        ids = [str(uuid4()) for _ in range(number)]
        names = ("userId", "tradingAccountId")
        items = (
            {"PK": f"USER#{id}", "SK": f"KEY#{id}", "activeShard": active_shard(id)} | dict.fromkeys(names, id)
            for id in ids
        )
        put_items(self.keys.name, items)
        return ids

    def planned(self, run_id: str) -> list[str]:
        """Return the trading accounts in a run's jobs, sorted."""
        jobs = DynamoRunStore(self.snapshots).jobs(run_id)
        return sorted(ref.id for job in jobs for ref in job.pending)

    def account(self, account: TradingAccount) -> TradingAccount:
        """Return the account as it is stored now."""
        found = DynamoTradingAccountStore(self.keys).get(account.user_id, account.id)
        assert found is not None
        return found

    def plan(self, **event: Any) -> dict[str, Any]:
        given = {"time": datetime.now(UTC).isoformat(), "detail": {}} | event
        answer: dict[str, Any] = self.planner.handler(given, LambdaContext())
        return answer

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """Receive messages, and return them as the records of a Lambda event."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=most, AttributeNames=["All"])
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:snapshots",
                "awsRegion": "us-east-1",
            }
            for message in answer.get("Messages", [])
        ]

    def work(self, records: list[dict[str, Any]]) -> list[str]:
        """Invoke the worker, delete the acknowledged messages as Lambda does, and return the ids of the others."""
        answer = self.worker.handler({"Records": records}, LambdaContext())
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        for record in records:
            if record["messageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"])
        return failed

    def work_all(self) -> None:
        while records := self.receive():
            assert self.work(records) == []

    def waiting(self) -> Counter[str]:
        """Return how many messages are visible, in flight, or dead letters."""
        count = Counter[str]()
        for url, names in {self.queue: ("", "NotVisible"), self.dead_letters: ("",)}.items():
            answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for name in names:
                label = "Dead" if url == self.dead_letters else name or "Visible"
                count[label] = int(answer[f"ApproximateNumberOfMessages{name}"])
        return count

    def history(self, account: TradingAccount) -> list[Snapshot]:
        from purser.bootstrap.snapshots import balance_history

        rows, _ = balance_history().page(account.id, None, 1000, None)
        return rows

    def run(self, run_id: str) -> dict[str, Any]:
        item = self.snapshots.get("RUNS", run_id)
        assert item is not None
        return item

    def balance_requests(self) -> int:
        return sum(request["path"].endswith("/account") for request in self.paper.requests())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def stack(aws: Aws, paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    yield Stack(monkeypatch, aws, paper)
    forget_process()


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the log records about finished runs."""
    return [vars(record) for record in caplog.records if record.getMessage() == "balance snapshot run"]


def counts(item: dict[str, Any]) -> Counts:
    return Counts(*(int(item[name]) for name in ("stored", "skipped", "unauthorized", "failed")))


def test_a_run_stores_one_snapshot_of_each_account_and_a_second_run_skips_them(
    stack: Stack, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.paper.prices(USDC_USDT="1", BTC_USDT="20000")
    spot = stack.add_key(spot={"USDT": "2383.52587258", "BTC": "0.5"})
    futures = stack.add_key(TradeType.FUTURES, futures={"USDT": "41.5"})
    run = stack.plan()
    assert (run["date"], run["planned"]) == (today(), 2)
    stack.work_all()

    (snapshot,) = stack.history(spot)
    assert (snapshot.date, snapshot.total_usd, snapshot.source) == (today(), Decimal("12383.52587258"), Source.LIVE)
    assert stack.history(futures)[0].total_usd == Decimal("41.5")
    assert stack.account(spot).valuation == AccountValuation(snapshot.total_usd, snapshot.taken_at)
    (line,) = lines(caplog)
    expected = {"date": today(), "planned": 2, "stored": 2, "skipped": 0, "unauthorized": 0, "failed": 0}
    assert line.items() >= (expected | {"runId": run["runId"]}).items()
    # A slow machine may need a second invocation, which writes metrics of its own.
    embedded = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    metrics = [each for each in embedded if "kind" not in each]
    assert sum(sum(each.get("WorkDone", [])) for each in embedded if each.get("kind") == "Job") == 1
    totals = [sum(sum(m[name]) for m in metrics) for name in ("SnapshotsStored", "SnapshotsFailed", "UnpricedAssets")]
    assert totals == [2, 0, 0]
    assert stack.waiting().total() == 0

    asked = stack.balance_requests()
    again = stack.plan()
    stack.work_all()
    assert stack.balance_requests() == asked
    assert counts(stack.run(again["runId"])) == Counts(skipped=2)
    assert stack.history(spot) == [snapshot]


def test_a_credential_that_cannot_be_decrypted_is_logged_without_a_secret(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    account, other = stack.add_key(), stack.add_key()
    sealed = stack.vault.encrypt("a-secret", {"userId": "another", "keyId": account.id})
    stack.keys.update(
        f"USER#{account.user_id}", f"CREDENTIAL#{account.id}", "SET ciphertext = :sealed", {":sealed": sealed}
    )
    stack.plan()
    assert len(stack.work(stack.receive())) == 1
    assert len(stack.history(other)) == 1
    logged = "".join(f"{vars(record)}" for record in caplog.records)
    assert account.id in logged
    assert "a-secret" not in logged
    assert account.api_key not in logged


def test_a_refused_key_deactivates_its_account_and_affects_no_other(stack: Stack) -> None:
    accounts = [stack.add_key() for _ in range(3)]
    stack.paper.change_key(accounts[1].api_key, revoked=True)
    run = stack.plan()
    stack.work_all()
    assert counts(stack.run(run["runId"])) == Counts(stored=2, unauthorized=1)
    dead = stack.account(accounts[1])
    assert (dead.active, dead.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)
    assert [len(stack.history(account)) for account in accounts] == [1, 0, 1]
    assert stack.plan()["planned"] == 2


def test_an_outage_is_retried_later(stack: Stack) -> None:
    accounts = [stack.add_key() for _ in range(3)]
    run = stack.plan()
    stack.paper.fault("/api/v3/account", "http_503")
    records = stack.receive()
    assert stack.work(records) == [records[0]["messageId"]]
    assert counts(stack.run(run["runId"])) == Counts(stored=2)
    assert sorted(stack.account(a).api_key_status for a in accounts) == ["AUTHORIZED", "AUTHORIZED", "FAILED"]
    assert stack.receive() == []
    assert stack.waiting()["NotVisible"] == 1
    assert stack.work(again(stack, records)) == []
    assert counts(stack.run(run["runId"])) == Counts(stored=3)
    assert {stack.account(a).api_key_status for a in accounts} == {ApiKeyStatus.AUTHORIZED}


def again(stack: Stack, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make messages visible now, and receive them again."""
    for record in records:
        stack.sqs.change_message_visibility(
            QueueUrl=stack.queue, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        )
    return stack.receive()


def test_a_rate_limit_stops_all_workers_until_the_cooldown_ends(stack: Stack) -> None:
    for _ in range(2):
        stack.add_key()
    run = stack.plan()
    stack.paper.fault("/api/v3/ticker/price", "rate_limit", retryAfter=120)
    records = stack.receive()
    before = now_ms()
    assert len(stack.work(records)) == 1
    cooldown = stack.venues.get(address_pk(), "COOLDOWN#SPOT")
    assert cooldown is not None
    assert before + 119_000 <= cooldown["heldUntil"] <= now_ms() + 121_000
    asked = len(stack.paper.requests())

    forget_process()  # The next worker is a new process.
    stack.worker = load_function("balance_snapshot_worker")
    assert len(stack.work(again(stack, records))) == 1
    assert len(stack.paper.requests()) == asked
    assert counts(stack.run(run["runId"])) == Counts()

    stack.venues.update(address_pk(), "COOLDOWN#SPOT", "SET heldUntil = :now", {":now": now_ms()})
    forget_process()
    stack.worker = load_function("balance_snapshot_worker")
    assert stack.work(again(stack, records)) == []
    assert counts(stack.run(run["runId"])) == Counts(stored=2)


def test_after_the_last_delivery_the_rest_of_a_job_counts_as_failed_until_it_is_redriven(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    account = stack.add_key()
    run = stack.plan()
    stack.paper.fault("/api/v3/account", "http_503", times=MAX_RECEIVES)
    records = stack.receive()
    for _ in range(MAX_RECEIVES - 1):
        assert len(stack.work(records)) == 1
        assert stack.run(run["runId"])["failed"] == 0
        records = again(stack, records)
    assert len(stack.work(records)) == 1
    assert counts(stack.run(run["runId"])) == Counts(failed=1)
    (line,) = lines(caplog)
    assert (line["planned"], line["failed"]) == (1, 1)
    assert again(stack, records) == []
    assert stack.waiting() == Counter(Dead=1, Visible=0, NotVisible=0)

    stack.sqs.send_message(QueueUrl=stack.queue, MessageBody=records[0]["body"])
    stack.work_all()
    assert counts(stack.run(run["runId"])) == Counts(stored=1)
    assert len(stack.history(account)) == 1


def test_concurrent_deliveries_of_one_job_count_once(stack: Stack) -> None:
    accounts = [stack.add_key() for _ in range(6)]
    run = stack.plan()
    (record,) = stack.receive()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stack.worker.handler({"Records": [dict(record)]}, LambdaContext()), range(4)))
    assert answers == [{"batchItemFailures": []}] * 4
    assert counts(stack.run(run["runId"])) == Counts(stored=6)
    assert all(len(stack.history(account)) == 1 for account in accounts)


def test_a_snapshot_after_a_missed_day_requests_a_backfill(stack: Stack) -> None:
    missed, unbroken, new = (stack.add_key() for _ in range(3))
    backfills = DynamoBackfillStore(stack.keys)
    for account in (missed, unbroken, new):
        record = backfills.get(account.id)
        assert record is not None
        backfills.finish(record)
    for account in (missed, unbroken):
        key = f"USER#{account.user_id}", f"KEY#{account.id}"
        stack.keys.update(*key, "SET createdAt = :then", {":then": now_ms() - 2 * 86_400_000})
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    store = DynamoSnapshotStore(stack.snapshots, stack.keys)
    store.keep(Snapshot(unbroken.id, yesterday, Decimal(1), Source.LIVE, now_ms()))
    handler = stack.worker.handler
    stack.plan()
    assert handler({"Records": stack.receive()}, LambdaContext()) == {"batchItemFailures": []}
    assert all(len(stack.history(account)) == 1 for account in (missed, new))
    waiting = list(backfills.due(now_ms(), queue_is_empty=True))
    assert [(each.ref, each.due_at) for each in waiting] == [(AccountRef(missed.user_id, missed.id), ready_at(today()))]


def test_a_run_of_a_past_day_takes_stored_valuations_and_asks_no_exchange(stack: Stack) -> None:
    known, unknown = stack.add_key(), stack.add_key()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    valuation = AccountValuation(Decimal("12.5"), int(yesterday.timestamp() * 1000))
    DynamoTradingAccountStore(stack.keys).record_valuation(known.user_id, known.id, valuation)
    asked = len(stack.paper.requests())
    run = stack.plan(detail={"date": f"{yesterday:%Y-%m-%d}"})
    stack.work_all()
    assert len(stack.paper.requests()) == asked
    assert counts(stack.run(run["runId"])) == Counts(stored=1, skipped=1)
    assert [(s.date, s.total_usd) for s in stack.history(known)] == [(f"{yesterday:%Y-%m-%d}", Decimal("12.5"))]
    assert stack.history(unknown) == []


def test_a_valuation_is_not_replaced_by_an_earlier_one_and_does_not_reactivate_an_account(stack: Stack) -> None:
    account, store = stack.add_key(), DynamoTradingAccountStore(stack.keys)
    store.record_valuation(account.user_id, account.id, AccountValuation(Decimal(2), 2000))
    store.record_valuation(account.user_id, account.id, AccountValuation(Decimal(1), 1000))
    assert stack.account(account).valuation == AccountValuation(Decimal(2), 2000)
    store.refuse(account, now_ms())
    store.record_valuation(account.user_id, account.id, AccountValuation(Decimal(3), 3000))
    assert stack.account(account).api_key_status is ApiKeyStatus.UNAUTHORIZED
    store.record_valuation(account.user_id, "gone", AccountValuation(Decimal(3), 3000))
    assert store.get(account.user_id, "gone") is None


def test_an_account_with_a_shared_credential_gets_a_snapshot(stack: Stack) -> None:
    account = stack.add_key()
    pk = f"USER#{account.user_id}"
    credential = stack.keys.get(pk, f"CREDENTIAL#{account.id}")
    assert credential is not None
    shared = str(uuid4())
    sealed = stack.vault.encrypt(
        stack.vault.decrypt(credential["ciphertext"], sealing_context(account.user_id, account.id)),
        sealing_context(account.user_id, shared),
    )
    stack.keys.put(credential | {"SK": f"CREDENTIAL#{shared}", "credentialId": shared, "ciphertext": sealed})
    stack.keys.delete(pk, f"CREDENTIAL#{account.id}")
    stack.keys.update(pk, f"KEY#{account.id}", "SET credentialId = :shared", {":shared": shared})
    stack.plan()
    stack.work_all()
    assert len(stack.history(account)) == 1


def test_a_job_that_the_queue_has_lost_is_enqueued_again_once(stack: Stack) -> None:
    account = stack.add_key()
    run = stack.plan()
    stack.sqs.purge_queue(QueueUrl=stack.queue)
    assert stack.sweeper.handler({"time": "2026-11-20T00:05:00Z", "detail": {}}, LambdaContext())["snapshotJobs"] == 0
    overdue = now_ms() - RESEND_AFTER_MS
    stack.snapshots.update(f"RUN#{run['runId']}", "JOB#000001", "SET dueAt = :due", {":due": overdue})
    with ThreadPoolExecutor(4) as pool:
        sent = list(
            pool.map(lambda _: stack.sweeper.handler({"detail": "{}"}, LambdaContext())["snapshotJobs"], range(4))
        )
    assert sum(sent) == 1
    stack.work_all()
    assert len(stack.history(account)) == 1


def test_a_sweep_ends_a_job_whose_last_attempt_was_killed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    stack.add_key()
    run = stack.plan()
    (record,) = stack.receive()
    record["attributes"]["ApproximateReceiveCount"] = str(MAX_RECEIVES)
    monkeypatch.setattr(DynamoSnapshotStore, "known", die)
    with pytest.raises(Killed):
        stack.work([record])
    last = stack.snapshots.get(f"RUN#{run['runId']}", "JOB#000001")
    assert last is not None
    assert last["leasedUntil"] > now_ms()
    assert stack.sweeper.handler({"detail": {"queueIsEmpty": True}}, LambdaContext())["snapshotJobs"] == 0
    assert stack.snapshots.get(f"RUN#{run['runId']}", "JOB#000001") == last

    over = {":due": now_ms() - RESEND_AFTER_MS, ":over": now_ms() - 1}
    stack.snapshots.update(f"RUN#{run['runId']}", "JOB#000001", "SET dueAt = :due, leasedUntil = :over", over)
    assert stack.sweeper.handler({"detail": {}}, LambdaContext())["snapshotJobs"] == 0
    job = stack.snapshots.get(f"RUN#{run['runId']}", "JOB#000001")
    assert job is not None
    assert (job["dead"], job["leasedUntil"]) == (True, 0)
    ended = stack.snapshots.get("RUNS", run["runId"])
    assert ended is not None
    assert (ended["failed"], "closedAt" in ended) == (run["planned"], True)


def test_a_sweep_with_an_empty_queue_enqueues_open_jobs_immediately(stack: Stack) -> None:
    account = stack.add_key()
    stack.plan()
    stack.sqs.purge_queue(QueueUrl=stack.queue)
    assert stack.sweeper.handler({"detail": {"queueIsEmpty": True}}, LambdaContext())["snapshotJobs"] == 1
    stack.work_all()
    assert len(stack.history(account)) == 1
    assert stack.sweeper.handler({"detail": {"queueIsEmpty": True}}, LambdaContext())["snapshotJobs"] == 0


def test_thousands_of_accounts_are_planned_in_a_bounded_number_of_requests(stack: Stack) -> None:
    ids = stack.index_accounts(scaled(4_000))
    with aws_requests("dynamodb", "sqs") as sent:
        run = stack.plan()
    requests = Counter(sent)
    jobs = -(-len(ids) // ACCOUNTS_A_JOB)
    assert run["planned"] == len(ids)
    # The run is looked for and stored when it begins, and looked at when it may be complete. A last transaction without
    # jobs stores that it is planned.
    assert requests == {
        "dynamodb.Query": 1 + 16,
        "dynamodb.PutItem": 1,
        "dynamodb.TransactWriteItems": -(-jobs // JOBS_AT_ONCE) + 1,
        "sqs.SendMessageBatch": -(-jobs // JOBS_AT_ONCE),
        "dynamodb.UpdateItem": 1,
    }

    assert stack.planned(run["runId"]) == sorted(ids)


@contextmanager
def slow_writes(most: int, killing: int) -> Iterator[None]:
    """Let transactions of more jobs than ``most`` time out, half of them after they were made.

    The planner whose transaction is number ``killing`` is killed after it.
    """
    numbers = itertools.count(1)
    timed_out = ReadTimeoutError(endpoint_url="the store")
    number = threading.local()

    def before(params: dict[str, Any], **_: Any) -> None:
        number.value, number.late = next(numbers), len(params["TransactItems"]) - 1 > most
        if number.late and number.value % 2:
            raise timed_out

    def after(**_: Any) -> None:
        if number.value == killing:
            raise Killed
        if number.late:
            raise timed_out

    events = client("dynamodb").meta.events
    events.register("provide-client-params.dynamodb.TransactWriteItems", before)
    events.register("after-call.dynamodb.TransactWriteItems", after)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb.TransactWriteItems", before)
        events.unregister("after-call.dynamodb.TransactWriteItems", after)


def test_planners_at_once_on_a_slow_store_plan_each_account_once_and_a_retry_completes_their_run(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "ACCOUNTS_A_JOB", 2)
    ids = stack.index_accounts(60)
    due = datetime.now(UTC).isoformat()
    with slow_writes(most=3, killing=8), ThreadPoolExecutor(3) as pool:
        planners = [pool.submit(stack.plan, time=due) for _ in range(3)]
        ends = [type(each.exception()) for each in planners]
    assert ends.count(Killed) == 1
    run = stack.plan(time=due)
    assert run["planned"] == len(ids)
    assert stack.planned(run["runId"]) == sorted(ids)
    assert [item["SK"] for item in stack.snapshots.query("PK = :pk", {":pk": "RUNS"})] == [run["runId"]]


def test_an_unfinished_run_without_a_record_of_its_progress_is_left_alone(stack: Stack) -> None:
    runs, old = DynamoRunStore(stack.snapshots), Run(f"{now_ms():013d}-1234abcd", today(), now_ms())
    runs.begin(old)
    stack.snapshots.update("RUNS", old.id, "REMOVE jobs, accounts", {})
    stack.add_key()
    assert stack.plan()["runId"] != old.id
    stack.sweeper.handler({"detail": {"queueIsEmpty": True}}, LambdaContext())
    assert "planned" not in stack.run(old.id)
    assert list(runs.jobs(old.id)) == []


def test_a_page_of_the_history_is_one_query(stack: Stack) -> None:
    from purser.bootstrap.snapshots import balance_history
    from purser.snapshots.store.snapshots import DynamoSnapshotStore

    store = DynamoSnapshotStore(stack.snapshots, stack.keys)
    first_day = datetime(2026, 1, 1, tzinfo=UTC)
    days = [f"{first_day + timedelta(days=n):%Y-%m-%d}" for n in range(90)]
    for number, day in enumerate(days):
        store.keep(Snapshot("key", day, Decimal(f"{number}.123456789012345678901234567"), Source.LIVE, 0))
    with aws_requests("dynamodb") as sent:
        rows, position = balance_history().page("key", None, 60, None)
    assert sent == ["dynamodb.Query"]
    assert [row.date for row in rows] == days[:29:-1]
    assert rows[0].total_usd == Decimal("89.123456789012345678901234567")
    with aws_requests("dynamodb") as sent:
        rows, position = balance_history().page("key", days[10], 60, position)
    assert sent == ["dynamodb.Query"]
    assert [row.date for row in rows] == days[29:9:-1]
    assert position is None


def test_a_stored_snapshot_is_not_replaced(stack: Stack) -> None:
    from purser.snapshots.store.snapshots import DynamoSnapshotStore

    store = DynamoSnapshotStore(stack.snapshots, stack.keys)
    first = Snapshot("key", "2026-01-01", Decimal(1), Source.LIVE, 1, "run")
    assert store.keep(first) == first
    assert store.keep(Snapshot("key", "2026-01-01", Decimal(2), Source.LIVE, 2, "other")) == first


def test_runs_and_jobs_expire_and_snapshots_do_not(stack: Stack) -> None:
    account = stack.add_key()
    run = stack.plan()
    stack.work_all()
    in_35_days = time.time() + 35 * 24 * 3600
    job = stack.snapshots.get(f"RUN#{run['runId']}", "JOB#000001")
    assert job is not None
    for item in (stack.run(run["runId"]), job):
        assert abs(int(item["expiresAt"]) - in_35_days) < 120
    snapshot = stack.snapshots.get(f"KEY#{account.id}", today())
    assert snapshot is not None
    assert "expiresAt" not in snapshot


def test_beginning_a_run_survives_a_lost_answer(stack: Stack) -> None:
    runs, run = DynamoRunStore(stack.snapshots), Run(f"{now_ms():013d}-begun", today(), now_ms())
    with first_answers_lost("PutItem") as sent:
        runs.begin(run)
    assert sent == [1, 2]
    assert [found.id for found in runs.open_runs(0)] == [run.id]


def test_closing_a_run_survives_a_lost_answer(stack: Stack) -> None:
    runs, run = DynamoRunStore(stack.snapshots), Run(f"{now_ms():013d}-closed", today(), now_ms())
    runs.extend(runs.begin(run).extended([], now_ms()), [])
    with first_answers_lost("UpdateItem") as sent:
        assert runs.close(run.id, now_ms()) == replace(run, planned=0)
        assert runs.close(run.id, now_ms()) is None
    assert sent == [1, 2, 1, 2]


def test_claiming_a_job_survives_a_lost_answer(stack: Stack) -> None:
    runs, job = DynamoRunStore(stack.snapshots), Job("run", "000001", today(), (AccountRef("user", "key"),), due_at=1)
    runs.extend(runs.begin(Run("run", today(), now_ms())).extended([job], now_ms()), [job])
    with first_answers_lost("UpdateItem") as sent:
        assert runs.advance(job.queued(5))
        assert not runs.advance(job.queued(6))
    assert sent == [1, 2, 1, 2]
