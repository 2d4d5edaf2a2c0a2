"""Test that work that an earlier release has stored is done after a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from purser.aws.tables import Item, Table
from purser.billing.model import DueReading, PaidSubscription, Status
from purser.billing.store import DynamoDueReadingStore, DynamoSubscriptionStore
from purser.bootstrap.adapters import recording
from purser.credentials.model import SealedCredential
from purser.disconnecting import model as disconnecting
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS, Cancellation
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.errors import Contended
from purser.exchanges.model import TradeType, Venue
from purser.orders.intents import Intent, OrderLock, State
from purser.orders.store import LOCKS, DynamoIntentStore
from purser.plans.model import CATALOG
from purser.snapshots.model import Backfill, Counts, Job
from purser.snapshots.store.backfills import DynamoBackfillStore
from purser.snapshots.store.runs import DynamoRunStore
from purser.trading_accounts.model import AccountRef
from purser.work.model import RESEND_AFTER_MS
from purser.work.worker import lease
from tests.support.aws import Aws
from tests.support.functions import forget_process

NOW = 1_700_000_000_000


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    forget_process()
    yield
    forget_process()


@pytest.fixture
def account_id(aws: Aws) -> Iterator[str]:
    name = str(uuid4())
    yield name
    for pk in ("BACKFILLS", "CANCELLATIONS"):
        Table(aws.tables["KEYS_TABLE"]).delete(pk, name)


@pytest.mark.parametrize(
    ("stored", "dead"),
    [
        ({"dueAt": NOW, "version": NOW}, False),
        ({"dueAt": NOW, "version": NOW + 1, "claimedBy": "another sweep"}, False),
        ({"dueAt": NOW, "version": NOW + 2, "claimedBy": "a worker", "dead": True, "expiresAt": 2_000_000_000}, True),
    ],
)
def test_a_backfill_of_an_earlier_release_is_read_and_finished(
    aws: Aws, account_id: str, stored: Item, dead: bool
) -> None:
    table = Table(aws.tables["KEYS_TABLE"])
    table.put({"PK": "BACKFILLS", "SK": account_id, "userId": "user", "requestedAt": NOW - 5} | stored)
    store = DynamoBackfillStore(table)
    backfill = store.get(account_id)
    expected = Backfill(AccountRef("user", account_id), NOW - 5, due_at=NOW, dead=dead, version=stored["version"])
    assert backfill == expected
    assert (expected in store.due(NOW)) is not dead
    assert expected not in store.due(NOW - 1)
    leased = expected.leased(NOW + 9)
    assert store.advance(leased)
    assert store.get(account_id) == leased
    assert store.finish(leased)


@pytest.mark.parametrize(
    ("stored", "leased_until", "version"),
    [
        ({"version": 1}, 0, 1),
        ({"version": 3, "claimedBy": "a sweep"}, 0, 3),
        ({"version": 3, "claimedBy": "an attempt", "heldUntil": NOW + 25_000}, NOW + 25_000, 3),
    ],
)
def test_a_cancellation_of_an_earlier_release_is_read_and_finished(
    aws: Aws, account_id: str, stored: Item, leased_until: int, version: int
) -> None:
    table = Table(aws.tables["KEYS_TABLE"])
    credential = {
        "credentialId": account_id,
        "userId": "user",
        "venue": "BINANCE",
        "apiKey": account_id,
        "ciphertext": b"sealed",
        "createdAt": NOW,
    }
    item = {"PK": "CANCELLATIONS", "SK": account_id, "tradeType": "SPOT", "credential": credential}
    table.put(item | {"requestedAt": NOW - 5, "queuedAt": NOW} | stored)
    table.put({"PK": "USER#user", "SK": f"ENDED#{account_id}", "credentialId": account_id})
    store = DynamoCancellationStore(table)
    waiting = store.get(account_id)
    sealed = SealedCredential(account_id, "user", Venue.BINANCE, account_id, b"sealed", NOW, version=0)
    assert waiting == Cancellation(
        account_id,
        TradeType.SPOT,
        sealed,
        NOW - 5,
        due_at=NOW + disconnecting.RESEND_AFTER_MS,
        leased_until=leased_until,
        version=version,
    )
    assert waiting in store.due(NOW + disconnecting.RESEND_AFTER_MS)
    assert waiting not in store.due(NOW + disconnecting.RESEND_AFTER_MS - 1)
    assert waiting in store.due(NOW - 5 + CANCELLATION_LIFETIME_MS), "its credential must be destroyed"
    queued = waiting.queued(NOW + 7 + disconnecting.RESEND_AFTER_MS)
    assert store.advance(queued)
    kept = table.get("CANCELLATIONS", account_id)
    assert kept is not None
    assert (kept["queuedAt"], kept["heldUntil"]) == (NOW + 7, leased_until), "an earlier release can read it"
    if leased_until:
        with pytest.raises(Contended):
            lease(store, queued, leased_until - 1, leased_until + 5)
    assert store.finish(lease(store, queued, leased_until, leased_until + 5))
    assert store.get(account_id) is None


def test_a_due_reading_of_an_earlier_release_is_swept_and_read(aws: Aws) -> None:
    table, user = Table(aws.tables["ACCOUNTS_TABLE"]), str(uuid4())
    pk, sk = f"USER#{user}", "SUBSCRIPTION#STRIPE"
    stored: Item = {
        "PK": pk,
        "SK": sk,
        "customerId": f"cus_{user}",
        "subscriptionId": f"sub_{user}",
        "status": "past_due",
        "planId": CATALOG[0].id,
        "pastDueSince": NOW - 9,
        "createdAt": NOW - 99,
        "updatedAt": NOW - 9,
        "runningShard": "0",
        "subscribedAt": NOW - 99,
        "dueShard": "DUE",
        "dueAt": NOW,
        "version": 7,
    }
    table.put(stored)
    subscriptions, readings = DynamoSubscriptionStore(table, recording), DynamoDueReadingStore(table)
    reading = DueReading(user, f"cus_{user}", due_at=NOW, version=7)
    assert reading in readings.due(NOW)
    assert reading not in readings.due(NOW - 1)
    assert reading.message == {"customerId": f"cus_{user}", "type": "due"}
    assert readings.advance(reading.queued(NOW + 5))
    swept = table.get(pk, sk)
    assert swept is not None
    assert (stored | {"dueAt": NOW + 5, "version": 8}).items() <= swept.items(), "an earlier release can read it"
    paid = subscriptions.get(user).paid
    assert paid == PaidSubscription(
        user,
        f"cus_{user}",
        f"sub_{user}",
        Status.PAST_DUE,
        CATALOG[0],
        NOW - 9,
        NOW - 99,
        NOW - 9,
        due_at=NOW + 5,
        version=8,
    )
    subscriptions.put_paid(replace(paid, status=Status.CANCELED, due_at=None))
    assert readings.get(user) is None


def test_an_order_lock_of_an_earlier_release_is_read_and_released(aws: Aws) -> None:
    table, account = Table(aws.tables["ORDERS_TABLE"]), str(uuid4())
    intent = Intent(str(uuid4()), "user", account, "BTC/USDT", created_at=NOW, updated_at=NOW)
    store = DynamoIntentStore(table)
    begun = OrderLock("user", account, "BTC/USDT", intent.id, leased_until=NOW + 60_000, due_at=NOW + 60_000)
    store.begin(intent, begun)
    pk, sk = LOCKS.key(*begun.key)
    table.put(
        {
            "PK": pk,
            "SK": sk,
            "userId": "user",
            "tradingAccountId": account,
            "symbol": "BTC/USDT",
            "intentId": intent.id,
            "leasedUntil": NOW + 60_000,
            "dueAt": NOW + 60_000,
            "version": 1,
        }
    )
    lock = store.locks.get(account, "BTC/USDT")
    assert lock == begun
    assert lock not in store.locks.due(NOW + 59_999)
    assert lock in store.locks.due(NOW + 60_000)
    taken = lock.leased(NOW + 120_000)
    assert store.locks.advance(taken)
    kept = table.get(pk, sk)
    assert kept is not None
    read_before = {"leasedUntil": NOW + 120_000, "dueAt": NOW + 120_000, "version": 2, "intentId": intent.id}
    assert read_before.items() <= kept.items(), "an earlier release can read it"
    store.finish(intent.at(State.DONE, NOW + 1), taken)
    assert store.locks.get(account, "BTC/USDT") is None


def test_a_snapshot_job_of_an_earlier_release_is_read_and_finished(aws: Aws) -> None:
    table, run_id = Table(aws.tables["SNAPSHOTS_TABLE"]), str(uuid4())
    counts: Item = {"stored": 0, "skipped": 0, "unauthorized": 0, "failed": 0, "done": 0}
    table.put({"PK": "RUNS", "SK": run_id, "date": "2026-11-20", "startedAt": NOW, "planned": 2, **counts})
    table.put(
        {
            "PK": f"RUN#{run_id}",
            "SK": "JOB#000001",
            "date": "2026-11-20",
            "pending": [["user", "one"], ["user", "two"]],
            "dueAt": NOW,
            "dead": False,
            "version": 3,
            "expiresAt": 2_000_000_000,
            "claimedBy": "a sweep",
        }
    )
    store = DynamoRunStore(table)
    (job,) = store.jobs(run_id)
    pending = AccountRef("user", "one"), AccountRef("user", "two")
    assert job == Job(run_id, "000001", "2026-11-20", pending, due_at=NOW + RESEND_AFTER_MS, version=3)
    assert not job.is_due(NOW + RESEND_AFTER_MS - 1), "its message may still arrive"
    queued = job.queued(NOW + 7 + RESEND_AFTER_MS)
    assert store.advance(queued)
    item = table.get(f"RUN#{run_id}", "JOB#000001")
    assert item is not None
    assert (item["dueAt"], item["dead"], item["version"]) == (NOW + 7, False, 4), "an earlier release can read it"
    progress = queued.progress({}, exhausted=True, due_at=NOW + RESEND_AFTER_MS)
    store.record(progress)
    assert store.get(run_id, "000001") == progress.job
    assert progress.counts == Counts(failed=2)
