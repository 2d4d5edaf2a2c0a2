"""The contracts of the stores of billing: subscriptions, their index, due readings, customers at Stripe, progress."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.billing.model import DueReading, Entitlements, PaidSubscription, PaymentType, Status, Subscription
from purser.billing.ports import (
    DueReadingStore,
    StalePaidSubscription,
    StripeCustomerStore,
    SubscriptionIndex,
    SubscriptionStore,
)
from purser.billing.reconciling import Progress
from purser.billing.store import (
    DynamoDueReadingStore,
    DynamoProgress,
    DynamoStripeCustomerStore,
    DynamoSubscriptionStore,
)
from purser.correlation import correlated
from purser.errors import Contended
from purser.plans.model import CATALOG
from tests.support.audit import entry, recording
from tests.support.billing import FakeCustomers, FakeDueReadings, FakeProgress, FakeSubscriptions

NOW = 1_700_000_000_000


class Store(SubscriptionStore, SubscriptionIndex, Protocol):
    """Subscriptions and their index."""


@pytest.fixture
def store(tables: dict[str, str] | None) -> Store:
    return (
        DynamoSubscriptionStore(Table(tables["ACCOUNTS_TABLE"]), recording(tables)) if tables else FakeSubscriptions()
    )


@pytest.fixture
def readings(tables: dict[str, str] | None, store: Store) -> DueReadingStore:
    if tables:
        return DynamoDueReadingStore(Table(tables["ACCOUNTS_TABLE"]))
    assert isinstance(store, FakeSubscriptions)
    return FakeDueReadings(store)


@pytest.fixture
def customers(tables: dict[str, str] | None) -> StripeCustomerStore:
    return DynamoStripeCustomerStore(Table(tables["ACCOUNTS_TABLE"])) if tables else FakeCustomers()


@pytest.fixture
def progress(tables: dict[str, str] | None) -> Progress:
    return DynamoProgress(Table(tables["ACCOUNTS_TABLE"])) if tables else FakeProgress()


@pytest.fixture
def user() -> str:
    return str(uuid4())


def paid_by(user: str, created_at: int = NOW) -> PaidSubscription:
    return PaidSubscription(user, f"cus_{user}", f"sub_{user}", Status.ACTIVE, CATALOG[0], None, created_at, created_at)


def ended(user: str, due_at: int | None = None) -> PaidSubscription:
    """Return a subscription that no comparison with Stripe asks for."""
    return replace(paid_by(user), status=Status.CANCELED, due_at=due_at)


def test_a_new_user_has_no_subscription(store: Store, user: str) -> None:
    assert store.get(user) == Entitlements(None, None)


def test_a_new_grant_replaces_the_former_one(store: Store, user: str) -> None:
    for plan in CATALOG[:2]:
        grant = Subscription(user, plan, PaymentType.ADMIN, NOW, NOW)
        store.put_grant(grant, entry())
        assert store.get(user) == Entitlements(grant, None)
    store.remove_grant(user, entry())
    store.remove_grant(user, entry())
    assert store.get(user) == Entitlements(None, None)


def test_of_two_writers_of_one_version_one_stores_the_subscription(store: Store, user: str) -> None:
    store.put_paid(paid_by(user))
    read = store.get(user).paid
    assert read == replace(paid_by(user), version=1)
    store.put_paid(replace(read, status=Status.PAST_DUE, past_due_since=NOW))
    for stale in (read, paid_by(user), replace(read, version=3)):
        with pytest.raises(StalePaidSubscription):
            store.put_paid(stale)
    assert store.get(user).paid == replace(read, status=Status.PAST_DUE, past_due_since=NOW, version=2)


def test_the_index_lists_running_subscriptions_newest_first(store: Store) -> None:
    users = [str(uuid4()) for _ in range(4)]
    for age, user in enumerate(users):
        store.put_paid(paid_by(user, NOW - age))
    store.put_paid(replace(paid_by(users[1], NOW - 1), status=Status.CANCELED, version=1))

    def running(until: int) -> list[str]:
        return [each.user_id for each in store.running(until) if each.user_id in users]

    assert running(NOW) == [users[0], users[2], users[3]]
    assert running(NOW - 3) == [users[3]]
    assert running(NOW - 4) == []


def test_due_readings_come_longest_due_first(store: Store, readings: DueReadingStore) -> None:
    users = [str(uuid4()) for _ in range(4)]
    for user, due_at in zip(users, (NOW, NOW - 2, NOW - 1, None), strict=True):
        store.put_paid(ended(user, due_at))

    def due(now: int) -> list[str]:
        return [each.user_id for each in readings.due(now) if each.user_id in users]

    assert due(NOW - 3) == []
    assert due(NOW - 1) == [users[1], users[2]]
    assert due(NOW) == [users[1], users[2], users[0]]


def test_a_subscription_has_a_reading_while_one_is_to_come(store: Store, readings: DueReadingStore, user: str) -> None:
    assert readings.get(user) is None
    store.put_paid(ended(user, NOW + 9))
    assert readings.get(user) == DueReading(user, f"cus_{user}", due_at=NOW + 9)
    store.put_paid(replace(ended(user), version=1))
    assert readings.get(user) is None


def test_a_reading_that_is_queued_is_due_later_and_its_subscription_stays(
    store: Store, readings: DueReadingStore, user: str
) -> None:
    paid = ended(user, NOW)
    store.put_paid(paid)
    reading = readings.get(user)
    assert reading is not None
    queued = reading.queued(NOW + 5)
    assert readings.advance(queued)
    assert readings.get(user) == queued
    assert store.get(user).paid == replace(paid, due_at=NOW + 5, version=2)
    assert user not in {each.user_id for each in readings.due(NOW + 4)}
    assert user in {each.user_id for each in readings.due(NOW + 5)}


def test_of_a_sweep_and_a_write_of_the_record_the_second_is_refused(
    store: Store, readings: DueReadingStore, user: str
) -> None:
    store.put_paid(ended(user, NOW))
    read, reading = store.get(user).paid, readings.get(user)
    assert read is not None
    assert reading is not None
    assert readings.advance(reading.queued(NOW + 5))
    assert not readings.advance(reading.queued(NOW + 5)), "with the very same change"
    with pytest.raises(StalePaidSubscription):
        store.put_paid(read)
    store.put_paid(replace(read, due_at=None, version=2))
    assert not readings.advance(reading.queued(NOW + 7).queued(NOW + 7))
    assert store.get(user).paid == replace(read, due_at=None, version=3)


def test_a_reading_carries_the_correlation_id_of_what_stored_it(
    store: Store, readings: DueReadingStore, user: str
) -> None:
    with correlated("an event"):
        store.put_paid(ended(user, NOW))
    reading = readings.get(user)
    assert reading is not None
    with correlated("a sweep"):
        assert readings.advance(reading.queued(NOW + 5))
        again = readings.get(user)
    assert again is not None
    assert again.message == {"customerId": f"cus_{user}", "type": "due", "correlationId": "an event"}


def test_a_user_keeps_the_customer_that_was_linked_first(customers: StripeCustomerStore, user: str) -> None:
    first, second = f"cus_{uuid4()}", f"cus_{uuid4()}"
    assert customers.customer_of(user) is None
    assert customers.user_of(first) is None
    assert customers.link(user, first) == first
    assert customers.link(user, second) == first
    assert customers.link(user, first) == first
    assert customers.customer_of(user) == first
    assert customers.user_of(first) == user
    assert customers.user_of(second) is None


def test_a_customer_replaces_another(customers: StripeCustomerStore, user: str) -> None:
    former, present, other = (f"cus_{uuid4()}" for _ in range(3))
    customers.link(user, former)
    assert customers.link(user, other, instead_of=present) == former
    assert customers.link(user, present, instead_of=former) == present
    assert customers.link(user, other, instead_of=former) == present
    assert customers.customer_of(user) == present
    assert (customers.user_of(former), customers.user_of(present)) == (user, user)
    assert customers.user_of(other) is None


def test_the_customer_of_another_user_is_not_linked(customers: StripeCustomerStore, user: str) -> None:
    owner, customer, former = str(uuid4()), f"cus_{uuid4()}", f"cus_{uuid4()}"
    customers.link(owner, customer)
    with pytest.raises(Contended):
        customers.link(user, customer)
    assert customers.customer_of(user) is None
    customers.link(user, former)
    with pytest.raises(Contended):
        customers.link(user, customer, instead_of=former)
    assert customers.customer_of(user) == former
    assert customers.user_of(customer) == owner


def test_a_customer_that_was_never_linked_cannot_be_replaced(customers: StripeCustomerStore, user: str) -> None:
    with pytest.raises(Contended):
        customers.link(user, f"cus_{uuid4()}", instead_of=f"cus_{uuid4()}")
    assert customers.customer_of(user) is None


def test_progress_is_kept_until_it_is_finished(progress: Progress) -> None:
    progress.finish()
    assert progress.get() is None
    progress.keep(NOW)
    progress.keep(NOW - 1)
    assert progress.get() == NOW - 1
    progress.finish()
    progress.finish()
    assert progress.get() is None
