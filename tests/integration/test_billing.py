"""Test billing with webhook, worker and reconciler, SQS (moto), the Stripe double and DynamoDB Local."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any
from uuid import uuid4

import boto3
import pytest
import stripe

from local.doubles.stripe import StripeControl, StripeDouble
from purser.aws.tables import Table
from purser.billing.model import PaidSubscription, Status
from purser.billing.ports import StalePaidSubscription
from purser.billing.reconciling import YOUNG_MS
from purser.billing.store import (
    DynamoDueReadingStore,
    DynamoProgress,
    DynamoStripeCustomerStore,
    DynamoSubscriptionStore,
)
from purser.bootstrap.adapters import queue, recording
from purser.bootstrap.billing import (
    payment_gateway,
    prices,
    reconciliation,
    subscriptions,
    synchronization,
)
from purser.clock import now_ms
from purser.errors import Unavailable
from purser.plans.model import CATALOG
from purser.settings import settings
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.aws import Aws
from tests.support.catalog import connect
from tests.support.events import Answered, LambdaContext, call
from tests.support.functions import forget_process, load_function

BASIC, ADVANCED, PROFESSIONAL, _ = CATALOG
WEBHOOK = "/v1/pub/webhook/stripe"
GRACE_DAYS = 7


@dataclass
class Desk:
    """The functions, and the Stripe double that they call."""

    control: StripeControl
    client: stripe.StripeClient
    secret: str
    webhook: Any
    worker: Any
    reconciler: Any
    deliveries: int = 0
    seen: set[str] = field(default_factory=set)

    def post(self, body: str | bytes, signature: str, **more: Any) -> Answered:
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
        return call(self.webhook, "POST", WEBHOOK, body, headers=headers, **more)

    def sign(self, body: str, at: int | None = None) -> str:
        return str(stripe.WebhookSignature.generate_signature_header(body, self.secret, at or int(time.time())))

    def deliver(self, event: dict[str, Any]) -> None:
        """Deliver an event as Stripe does, with a new signature each time; a growing number makes bodies differ."""
        self.deliveries += 1
        body = json.dumps({"delivery": self.deliveries, **event}, indent=2, default=str)
        assert self.post(body, self.sign(body)).status == 200

    def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, oldest first."""
        newest_first = self.client.v1.events.list({"limit": 20}).auto_paging_iter()
        fresh = [each.to_dict() for each in takewhile(lambda each: each.id not in self.seen, newest_first)]
        self.seen |= {each["id"] for each in fresh}
        return fresh[::-1]

    def waiting(self) -> list[dict[str, Any]]:
        """Receive and delete the messages in the queue, and return them as the records of a Lambda event."""
        records: list[dict[str, Any]] = []
        sqs, url = boto3.client("sqs"), settings().require("billing_queue_url")
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            for each in found:
                attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "0"}
                records.append(
                    {
                        "messageId": each["MessageId"],
                        "receiptHandle": "r",
                        "body": each["Body"],
                        "attributes": attributes,
                        "eventSource": "aws:sqs",
                    }
                )
        return records

    def work(self) -> int:
        """Invoke the worker with the messages in the queue, except those about customers of other tests."""
        known = {each["id"] for each in self.control.state()["customer"]}
        records = [each for each in self.waiting() if json.loads(each["body"])["customerId"] in known]
        if records:
            assert self.worker({"Records": records}, LambdaContext()) == {"batchItemFailures": []}
        return len(records)

    def reconcile(self, detail: dict[str, str]) -> int:
        """Invoke the reconciler and then the worker, and return how many messages the worker got."""
        queued: int = self.reconciler({"detail": detail}, LambdaContext())["queued"]
        worked = self.work()
        assert worked <= queued
        return worked

    def deliver_all(self) -> None:
        for event in self.events():
            self.deliver(event)
        self.work()


@dataclass
class User:
    """A user who buys plans."""

    desk: Desk
    id: str = field(default_factory=lambda: str(uuid4()))

    def pay(self, plan: Any = BASIC, action: str = "pay") -> None:
        self.click(self.page(plan), action)

    def page(self, plan: Any) -> str:
        gateway = payment_gateway()
        customers = DynamoStripeCustomerStore(accounts_table())
        customer = customers.customer_of(self.id) or customers.link(self.id, gateway.create_customer(self.id))
        return gateway.open_checkout(customer, self.id, prices().of(plan) or "", str(uuid4())).url

    def click(self, page: str, action: str = "pay") -> None:
        self.desk.control.click(page, action)

    @property
    def customer(self) -> str:
        return DynamoStripeCustomerStore(accounts_table()).customer_of(self.id) or ""

    @property
    def stored(self) -> PaidSubscription:
        paid = DynamoSubscriptionStore(accounts_table(), recording).get(self.id).paid
        assert paid is not None
        return paid

    def plan(self) -> str | None:
        plan = subscriptions().plan_of(self.id)
        return plan.name if plan else None

    @property
    def keys(self) -> list[bool]:
        keys = DynamoTradingAccountStore(Table(settings().require("keys_table")))
        return [account.active for account in keys.connected(self.id).accounts]

    def at_stripe(self) -> list[tuple[str, Status]]:
        return [(each.id, each.status) for each in payment_gateway().subscriptions(self.customer)]


def accounts_table() -> Table:
    return Table(settings().require("accounts_table"))


@pytest.fixture(scope="module")
def desk(aws: Aws) -> Iterator[Desk]:
    with StripeDouble() as double, double.serve() as served, pytest.MonkeyPatch.context() as patch:
        secret_id = f"stripe-{uuid4()}"
        boto3.client("secretsmanager").create_secret(Name=secret_id, SecretString=json.dumps(served.keys.secret))
        patch.setenv("STRIPE_SECRET_ID", secret_id)
        patch.setenv("STRIPE_ENDPOINT", served.url)
        priced = [f"{plan.name}=price_purser_{plan.name.lower()}" for plan in CATALOG if plan.public]
        patch.setenv("STRIPE_PRICES", ",".join(priced))
        patch.setenv("CHECKOUT_SUCCESS_URL", "https://example.com/paid")
        patch.setenv("CHECKOUT_CANCEL_URL", "https://example.com/not-paid")
        patch.setenv("BILLING_GRACE_DAYS", str(GRACE_DAYS))
        forget_process()
        names = ("stripe_webhook", "billing_worker", "billing_reconciler")
        webhook, worker, reconciler = (load_function(name).handler for name in names)
        client = stripe.StripeClient(served.keys.api_key, base_addresses={"api": served.url})
        yield Desk(served.control, client, served.keys.secret["webhookSecret"], webhook, worker, reconciler)
    forget_process()


@pytest.fixture
def user(desk: Desk) -> Iterator[User]:
    desk.events()
    desk.waiting()
    yield User(desk)
    desk.control.clear_faults()


BODY = json.dumps(
    {
        "id": "evt_1",
        "type": "invoice.paid",
        "livemode": False,
        "data": {"object": {"customer": "cus_1", "name": "Jenny Ö"}},
    },
    ensure_ascii=False,
)


def test_a_signed_event_is_queued_as_a_reference(desk: Desk, user: User) -> None:
    answer = desk.post(BODY, desk.sign(BODY))
    assert (answer.status, answer.text) == (200, "null")
    (record,) = desk.waiting()
    assert json.loads(record["body"]) == {
        "customerId": "cus_1",
        "eventId": "evt_1",
        "type": "invoice.paid",
        "correlationId": answer.headers["x-request-id"],
    }


def test_the_signature_of_a_base64_encoded_body_is_checked_on_the_decoded_body(desk: Desk, user: User) -> None:
    body = BODY + " "
    assert desk.post(body.encode(), desk.sign(body)).status == 200
    assert len(desk.waiting()) == 1


def test_forged_stale_altered_or_repeated_events_change_nothing(desk: Desk, user: User) -> None:
    now, body = int(time.time()), BODY + "\n"
    right = desk.sign(body)
    again = body.replace("evt_1", "evt_2")
    once = desk.sign(again)
    assert desk.post(again, once).status == 200
    desk.waiting()
    refused = [
        desk.post(body, ""),
        desk.post(body, f"t={now},v1={'0' * 64}"),
        desk.post(body, desk.sign(body, now - 301)),
        desk.post(body, f"t={now}," + desk.sign(body, now - 400).partition(",")[2]),
        desk.post(json.dumps(json.loads(body)), right),
        desk.post(body.encode("latin-1"), right),
        desk.post(b"\xff" * 10, right),
        desk.post(again, once),
        desk.post(again, once + ",v1=00"),
        desk.post(body + "x" * 600_000, desk.sign(body + "x" * 600_000)),
        desk.post("[]", desk.sign("[]")),
        desk.post("", desk.sign("")),
    ]
    assert [answer.status for answer in refused] == [400] * len(refused)
    assert all(answer.body.keys() == {"message"} for answer in refused)
    assert desk.waiting() == []


def test_an_event_is_answered_503_while_the_queue_is_down(
    desk: Desk, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, now = BODY + "\t", int(time.time())

    def down(*_: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(queue("billing_queue_url"), "_send_batch", down)
    assert desk.post(body, desk.sign(body, now)).status == 503
    monkeypatch.undo()
    assert desk.post(body, desk.sign(body, now - 1)).status == 200
    assert len(desk.waiting()) == 1


def test_the_plan_and_the_keys_follow_a_subscription_that_ends_and_is_bought_again(desk: Desk, user: User) -> None:
    user.pay(ADVANCED)
    desk.deliver_all()
    assert (user.plan(), user.stored.status) == ("ADVANCED", Status.ACTIVE)
    for n in range(3):
        connect(user.id, created_at=n + 1)
    desk.client.v1.subscriptions.update(user.stored.subscription_id, {"cancel_at_period_end": True})
    desk.deliver_all()
    assert user.plan() == "ADVANCED"
    desk.control.advance(days=32)
    desk.deliver_all()
    assert (user.plan(), user.stored.status, user.keys) == (None, Status.CANCELED, [False, False, False])
    user.pay(BASIC)
    desk.deliver_all()
    assert (user.plan(), user.keys) == ("BASIC", [True, True, False])


def test_a_plan_outlasts_a_failed_payment_by_the_grace_time(
    desk: Desk, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.pay(BASIC, "pay_declined_later")
    desk.deliver_all()
    connect(user.id)
    desk.control.advance(days=32)
    desk.deliver_all()
    assert (user.plan(), user.stored.status, user.keys) == ("BASIC", Status.PAST_DUE, [True])
    assert desk.reconcile({"only": "due"}) == 0
    later = now_ms() + GRACE_DAYS * 24 * 3600 * 1000 + 1
    for service in (synchronization(), reconciliation(), subscriptions()):
        monkeypatch.setattr(service, "_now", lambda: later)
    monkeypatch.setattr("functions_billing_reconciler_app.now_ms", lambda: later)
    assert desk.reconcile({"only": "due"}) == 1
    assert (user.plan(), user.keys) == (None, [False])
    assert desk.reconcile({"only": "due"}) == 0


def test_of_two_concurrent_purchases_the_newer_is_cancelled_and_refunded(desk: Desk, user: User) -> None:
    pages = [user.page(plan) for plan in (BASIC, PROFESSIONAL)]
    user.click(pages[0])
    desk.control.advance(seconds=2)
    user.click(pages[1])
    desk.deliver_all()
    assert user.plan() == "BASIC"
    (newer, ended), (older, kept_on) = user.at_stripe()
    assert (ended, kept_on, user.stored.subscription_id) == (Status.CANCELED, Status.ACTIVE, older)
    for _ in range(2):
        desk.deliver_all()
        synchronization().sync(user.customer)
    assert refunded(desk, user) == [(6000, 6000), (2000, 0)]
    assert user.stored.duplicates == {}
    assert newer != older


def test_a_duplicate_is_refunded_though_stripe_repeats_a_failure(desk: Desk, user: User) -> None:
    user.pay(BASIC)
    desk.control.advance(seconds=2)
    user.pay(PROFESSIONAL)
    desk.control.fault("http_500", "/v1/refunds", method="POST", kept=True)
    desk.deliver_all()
    desk.control.clear_faults()
    assert refunded(desk, user) == [(6000, 6000), (2000, 0)]
    assert user.stored.duplicates == {}


def refunded(desk: Desk, user: User) -> list[tuple[int, int]]:
    """Return the amount and the refunded amount of each charge of the user, newest first."""
    charges = desk.client.v1.charges.list({"customer": user.customer}).data
    return [(each.amount, each.amount_refunded) for each in charges]


def test_what_events_have_missed_is_found_by_the_comparison(desk: Desk, user: User) -> None:
    user.pay(BASIC)
    (bought,) = payment_gateway().subscriptions(user.customer)
    desk.deliver_all()
    payment_gateway().update(bought, cancel_at_period_end=None, price_id=prices().of(ADVANCED))
    assert desk.events()
    later = max(now_ms(), desk.control.now() * 1000) + YOUNG_MS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciliation(), "_now", lambda: later)
        patch.setattr("functions_billing_reconciler_app.now_ms", lambda: later)
        assert desk.reconcile({}) == 1
        assert desk.reconcile({}) == 0
    assert user.plan() == "ADVANCED"
    assert DynamoProgress(accounts_table()).get() is None


def test_concurrent_synchronizations_end_in_the_state_of_stripe(desk: Desk, user: User) -> None:
    user.pay(BASIC)
    connect(user.id)
    sync, gateway = synchronization().sync, payment_gateway()
    (bought,) = gateway.subscriptions(user.customer)

    def change_and_sync(plan: Any) -> None:
        gateway.update(bought, cancel_at_period_end=None, price_id=prices().of(plan))
        sync(user.customer)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change_and_sync, [ADVANCED, PROFESSIONAL, BASIC, ADVANCED, BASIC, PROFESSIONAL]))
    (at_stripe,) = gateway.subscriptions(user.customer)
    assert user.stored.plan == prices().plan(at_stripe.price_id)
    assert (user.stored.due_at, user.keys) == (None, [True])


def test_late_events_of_a_deleted_customer_do_not_affect_its_successor(desk: Desk, user: User) -> None:
    user.pay(ADVANCED)
    desk.deliver_all()
    former, gateway = user.customer, payment_gateway()
    desk.client.v1.customers.delete(former)
    late = desk.events()
    assert user.plan() == "ADVANCED"
    successor = gateway.create_customer(user.id, former)
    assert DynamoStripeCustomerStore(accounts_table()).link(user.id, successor, former) == successor
    synchronization().sync(former)
    assert (user.plan(), user.stored.status) == (None, Status.CANCELED)
    user.pay(BASIC)
    desk.deliver_all()
    for event in late:
        desk.deliver(event)
    desk.work()
    assert (user.plan(), user.stored.customer_id, user.stored.status) == ("BASIC", successor, Status.ACTIVE)


def test_an_unlinked_customer_is_linked_by_the_metadata_of_its_subscription(desk: Desk, user: User) -> None:
    gateway = payment_gateway()
    customer = gateway.create_customer(user.id)
    price = prices().of(BASIC) or ""
    user.click(gateway.open_checkout(customer, user.id, price, str(uuid4())).url)
    desk.deliver_all()
    assert (user.customer, user.plan()) == (customer, "BASIC")


def test_a_customer_without_a_subscription_is_not_linked(desk: Desk, user: User) -> None:
    synchronization().sync("cus_of_nobody")
    assert DynamoStripeCustomerStore(accounts_table()).user_of("cus_of_nobody") is None


def test_a_message_is_retried_while_stripe_is_down(desk: Desk, user: User) -> None:
    user.pay(BASIC)
    (begun,) = [event for event in desk.events() if event["type"] == "customer.subscription.created"]
    desk.deliver(begun)
    desk.control.fault("http_500", times=100)
    records = desk.waiting()
    answer = desk.worker({"Records": records}, LambdaContext())
    desk.control.clear_faults()
    assert len(answer["batchItemFailures"]) == len(records) == 1
    assert DynamoSubscriptionStore(accounts_table(), recording).get(user.id).paid is None


def paid(**given: Any) -> PaidSubscription:
    user_id = str(uuid4())
    subscriptions = PaidSubscription(user_id, f"cus_{user_id}", f"sub_{user_id}", Status.ACTIVE, BASIC, None, 5000, 1)
    return replace(subscriptions, **given)


def test_the_indexes_list_running_and_due_subscriptions(desk: Desk) -> None:
    store = DynamoSubscriptionStore(accounts_table(), recording)
    at = 1_000_000_000_000
    subscriptions = [paid(created_at=at + n * 1000, due_at=at + n) for n in range(6)]
    for each in subscriptions:
        store.put_paid(each)
    ended = replace(subscriptions[5], status=Status.CANCELED, due_at=None, version=1)
    store.put_paid(ended)

    def ours(found: Any, among: list[str]) -> list[str]:
        return [each for each in found if each in among]

    running = [each.subscription_id for each in store.running(at + 4000)]
    assert ours(running, [each.subscription_id for each in subscriptions]) == [
        each.subscription_id for each in subscriptions[4::-1]
    ]
    customers = [each.customer_id for each in subscriptions]
    readings = DynamoDueReadingStore(accounts_table())

    def due(now: int) -> list[str]:
        return ours([each.customer_id for each in readings.due(now)], customers)

    assert due(at + 3) == customers[:4]
    assert due(at + 10) == customers[:5]


def test_a_paid_subscription_is_stored_whole_and_only_at_the_version_that_was_read(desk: Desk) -> None:
    store = DynamoSubscriptionStore(accounts_table(), recording)
    duplicates = {"sub_a": "sub_in_use", "sub_b": "sub_ended"}
    first = paid(past_due_since=7, status=Status.PAST_DUE, duplicates=duplicates, due_at=9)
    store.put_paid(first)
    assert store.get(first.user_id).paid == replace(first, version=1)
    with pytest.raises(StalePaidSubscription):
        store.put_paid(first)
    store.put_paid(replace(first, plan=None, version=1))
    with pytest.raises(StalePaidSubscription):
        store.put_paid(replace(first, version=1))
    assert store.get(first.user_id).paid == replace(first, plan=None, version=2)
