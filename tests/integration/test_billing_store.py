"""Test the stores of subscriptions and of links to Stripe customers on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.billing.model import Entitlements, PaidSubscription, PaymentType, Status, Subscription
from purser.billing.ports import StalePaidSubscription
from purser.billing.store import DynamoStripeCustomerStore, DynamoSubscriptionStore
from purser.bootstrap.adapters import recording
from purser.plans.model import CATALOG
from tests.support.audit import entry
from tests.support.aws import Aws
from tests.support.functions import forget_process

BASIC, ADVANCED, _, _ = CATALOG


@pytest.fixture(scope="module")
def table(aws: Aws) -> Iterator[Table]:
    forget_process()
    yield Table(aws.tables["ACCOUNTS_TABLE"])
    forget_process()


@pytest.fixture
def store(table: Table) -> DynamoSubscriptionStore:
    return DynamoSubscriptionStore(table, recording)


@pytest.fixture
def customers(table: Table) -> DynamoStripeCustomerStore:
    return DynamoStripeCustomerStore(table)


@pytest.fixture
def user() -> str:
    return str(uuid4())


def paid_by(user: str) -> PaidSubscription:
    return PaidSubscription(user, f"cus_{user}", f"sub_{user}", Status.PAST_DUE, ADVANCED, 5, 1, 2)


def test_a_grant_and_a_paid_subscription_are_stored_separately(store: DynamoSubscriptionStore, user: str) -> None:
    paid, grant = paid_by(user), Subscription(user, BASIC, PaymentType.ADMIN, 1, 2)
    assert store.get(user) == Entitlements()
    store.put_paid(paid)
    store.put_grant(grant, entry())
    assert store.get(user) == Entitlements(grant, replace(paid, version=1))
    store.remove_grant(user, entry())
    store.remove_grant(user, entry())
    assert store.get(user) == Entitlements(None, replace(paid, version=1))


def test_missing_values_stay_missing(store: DynamoSubscriptionStore, user: str) -> None:
    paid = replace(paid_by(user), plan=None, past_due_since=None)
    store.put_paid(paid)
    assert store.get(user).paid == replace(paid, version=1)


def test_duplicates_that_an_earlier_version_stored_ran_beside_the_recorded_subscription(
    store: DynamoSubscriptionStore, table: Table, user: str
) -> None:
    store.put_paid(paid_by(user))
    stored = table.get(f"USER#{user}", "SUBSCRIPTION#STRIPE") or {}
    table.put(stored | {"duplicates": ["sub_a", "sub_b"]})
    read = store.get(user).paid
    assert read
    assert read.duplicates == {"sub_a": read.subscription_id, "sub_b": read.subscription_id}
    ended = replace(read, duplicates={"sub_a": read.subscription_id})
    store.put_paid(ended)
    assert store.get(user).paid == replace(ended, version=2)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_write_at_another_version_than_the_stored_one_is_refused(
    store: DynamoSubscriptionStore, user: str, version: int
) -> None:
    for _ in range(2):
        store.put_paid(store.get(user).paid or paid_by(user))
    before = store.get(user)
    with pytest.raises(StalePaidSubscription):
        store.put_paid(replace(paid_by(user), status=Status.ACTIVE, version=version))
    assert store.get(user) == before


def test_of_concurrent_links_of_a_user_the_first_stays(customers: DynamoStripeCustomerStore, user: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        linked_ids = set(pool.map(lambda number: customers.link(user, f"cus_{user}_{number}"), range(6)))
    (first,) = linked_ids
    assert customers.customer_of(user) == first
    linked = [customers.user_of(f"cus_{user}_{number}") for number in range(6)]
    assert [each for each in linked if each] == [user]
    assert customers.user_of(first) == user


def test_a_deleted_customer_is_replaced_by_one_new_customer(customers: DynamoStripeCustomerStore, user: str) -> None:
    former = customers.link(user, f"cus_{user}")
    with ThreadPoolExecutor(6) as pool:
        linked_ids = set(pool.map(lambda number: customers.link(user, f"cus_{user}_{number}", former), range(6)))
    (first,) = linked_ids
    assert customers.customer_of(user) == first != former
    assert (customers.user_of(former), customers.user_of(first)) == (user, user)
    assert customers.customers_of(user) == [first, former]
    assert customers.link(user, f"cus_{user}_late", former) == first
    assert customers.link(user, f"cus_{user}_third", first) == f"cus_{user}_third"
    assert customers.customers_of(user) == [f"cus_{user}_third", first, former]
    assert customers.user_of(f"cus_{user}_late") is None


def test_unlinked_ids_are_not_found(customers: DynamoStripeCustomerStore, user: str) -> None:
    assert customers.customers_of(user) == []
    assert customers.customer_of(user) is None
    assert customers.user_of(f"cus_{user}") is None
