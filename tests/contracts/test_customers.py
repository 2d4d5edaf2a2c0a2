"""The contract of the customer store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.customers.model import AccountType, Customer, CustomerExists, StaleCustomer
from purser.customers.service import CustomerStore
from purser.customers.store import DynamoCustomerStore
from purser.errors import ForeignIdTaken, TooManyAccounts
from tests.support.customers import FakeCustomers

NOW = 1_700_000_000_000


@pytest.fixture
def store(tables: dict[str, str] | None) -> CustomerStore:
    return DynamoCustomerStore(Table(tables["ACCOUNTS_TABLE"])) if tables else FakeCustomers()


@pytest.fixture
def owner() -> str:
    return str(uuid4())


def named(owner: str, name: str = "Ada", foreign_id: str | None = None, **given: Any) -> Customer:
    details: dict[str, Any] = {"profile": {"individual": {"name": {"firstName": name, "lastName": "L"}}}}
    details |= {"foreignID": foreign_id} if foreign_id else {}
    customer = Customer(str(uuid4()), owner, AccountType.INDIVIDUAL, details, created_at=NOW, updated_at=NOW)
    return replace(customer, **given)


def changed(customer: Customer, name: str = "Grace", foreign_id: str | None = None) -> Customer:
    return replace(customer, details=named("", name, foreign_id).details, version=customer.version + 1)


def test_a_customer_is_found_by_id_and_by_foreign_id(store: CustomerStore, owner: str) -> None:
    customer = named(owner, foreign_id="7")
    store.add(customer)
    assert store.get(customer.id) == customer
    assert store.by_foreign_id(owner, "7") == customer
    assert store.by_foreign_id(str(uuid4()), "7") is None
    assert store.by_foreign_id(owner, "8") is None


def test_a_customer_is_added_once(store: CustomerStore, owner: str) -> None:
    customer = named(owner)
    store.add(customer)
    with pytest.raises(CustomerExists):
        store.add(replace(customer, owner_id=str(uuid4())))
    assert store.get(customer.id) == customer


def test_a_foreign_id_names_one_customer_of_an_owner(store: CustomerStore, owner: str) -> None:
    first, second = named(owner, foreign_id="7"), named(owner, foreign_id="7")
    store.add(first)
    with pytest.raises(ForeignIdTaken):
        store.add(second)
    assert store.get(second.id) is None
    other = named(owner)
    store.add(other)
    with pytest.raises(ForeignIdTaken):
        store.replace(other, changed(other, foreign_id="7"))
    assert store.get(other.id) == other
    store.add(named(str(uuid4()), foreign_id="7"))


def test_a_foreign_id_that_is_given_up_is_free(store: CustomerStore, owner: str) -> None:
    first = named(owner, foreign_id="7")
    store.add(first)
    store.replace(first, changed(first, foreign_id="8"))
    assert store.by_foreign_id(owner, "7") is None
    second = named(owner, foreign_id="7")
    store.add(second)
    assert store.by_foreign_id(owner, "7") == second


def test_a_disconnected_customer_gives_up_its_foreign_id(store: CustomerStore, owner: str) -> None:
    first = named(owner, foreign_id="7")
    store.add(first)
    disconnected = first.disconnected(NOW)
    store.replace(first, disconnected)
    assert store.by_foreign_id(owner, "7") is None
    second = named(owner, foreign_id="7")
    store.add(second)
    assert store.by_foreign_id(owner, "7") == second
    assert {row.foreign_id for row in store.rows(owner, 10)} == {"7"}
    assert store.get(first.id) == disconnected


def test_an_owner_cannot_exceed_the_limit_of_active_customers(store: CustomerStore, owner: str) -> None:
    first, second = named(owner), named(owner)
    for customer in (first, second):
        store.add(customer, 2)
    with pytest.raises(TooManyAccounts):
        store.add(named(owner), 2)
    with pytest.raises(CustomerExists):
        store.add(first, 2)
    store.add(named(owner))
    for customer in (first, second):
        store.replace(customer, customer.disconnected(NOW))
    store.add(named(owner), 2)
    with pytest.raises(TooManyAccounts):
        store.add(named(owner), 2)


def test_of_two_writers_of_one_version_one_replaces_the_customer(store: CustomerStore, owner: str) -> None:
    customer = named(owner)
    store.add(customer)
    store.replace(customer, changed(customer))
    for name in ("Grace", "Ada"):
        with pytest.raises(StaleCustomer):
            store.replace(customer, changed(customer, name))
    assert store.get(customer.id) == changed(customer)


def test_an_unknown_customer_cannot_be_replaced(store: CustomerStore, owner: str) -> None:
    customer = named(owner)
    with pytest.raises(StaleCustomer):
        store.replace(customer, changed(customer))
    assert store.get(customer.id) is None


def test_customers_are_read_in_the_order_of_the_ids_and_unknown_ones_are_left_out(
    store: CustomerStore, owner: str
) -> None:
    first, second = named(owner), named(owner)
    store.add(first)
    store.add(second)
    assert store.get_many([second.id, str(uuid4()), first.id]) == [second, first]


def test_the_rows_of_an_owner_come_newest_first(store: CustomerStore, owner: str) -> None:
    old, new, between = (named(owner, created_at=NOW + age) for age in (0, 2, 1))
    for customer in (old, new, between, named(str(uuid4()))):
        store.add(customer)
    renamed = changed(old)
    store.replace(old, renamed)
    assert list(store.rows(owner, 10)) == [new.summary, between.summary, renamed.summary]
    assert list(store.rows(owner, 2)) == [new.summary, between.summary]
