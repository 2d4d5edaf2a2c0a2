"""The contract of the intent store, kept by DynamoDB and by the fake that unit and property tests use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import Contended
from purser.orders.intents import Intent, OrderLock, State
from purser.orders.ports import IntentStore, OrderLockLost, OrderLockTaken
from purser.orders.store import DynamoIntentStore
from tests.support.functions import forget_process
from tests.support.intents import FakeIntents, Scissors

NOW = 1_700_000_000_000
SYMBOL = "BTC/USDT"


@pytest.fixture(params=["fake", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Iterator[IntentStore]:
    if request.param == "fake":
        yield FakeIntents(Scissors())
        return
    aws = request.getfixturevalue("aws")
    forget_process()
    yield DynamoIntentStore(Table(aws.tables["ORDERS_TABLE"]))
    forget_process()


@pytest.fixture
def intent() -> Intent:
    return Intent(str(uuid4()), str(uuid4()), str(uuid4()), SYMBOL, created_at=NOW, updated_at=NOW)


def lock_of(intent: Intent, version: int = 1) -> OrderLock:
    return OrderLock(intent.user_id, intent.trading_account_id, SYMBOL, intent.id, NOW, NOW, version)


def another(intent: Intent) -> Intent:
    """Another intent of the same trading account and symbol."""
    return replace(intent, id=str(uuid4()))


def test_of_two_intents_of_a_symbol_one_begins(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    second = another(intent)
    with pytest.raises(OrderLockTaken) as taken:
        store.begin(second, lock_of(second))
    assert taken.value.lock == lock_of(intent)
    assert store.get(second.trading_account_id, second.id) is None
    assert store.lock(intent.trading_account_id, SYMBOL) == lock_of(intent)


def test_an_intent_takes_the_place_of_another_whose_lock_is_as_it_was_read(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    second, replaced = another(intent), intent.at(State.DONE, NOW + 1)
    for version in (1, 3):
        with pytest.raises(OrderLockTaken):
            store.begin(second, lock_of(second, version), replaced)
    assert store.get(intent.trading_account_id, intent.id) == intent
    store.begin(second, lock_of(second, 2), replaced)
    assert store.get(intent.trading_account_id, intent.id) == replaced
    assert store.lock(intent.trading_account_id, SYMBOL) == lock_of(second, 2)


def test_an_intent_does_not_take_a_place_that_is_free_by_then(store: IntentStore, intent: Intent) -> None:
    with pytest.raises(Contended):
        store.begin(intent, lock_of(intent, 2))
    assert store.get(intent.trading_account_id, intent.id) is None
    assert store.lock(intent.trading_account_id, SYMBOL) is None


def test_an_intent_begins_once_in_each_generation(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    store.finish(intent.at(State.FAILED, NOW), lock_of(intent))
    with pytest.raises(Contended):
        store.begin(intent, lock_of(intent))
    with pytest.raises(Contended):
        store.begin(replace(intent, generation=3), lock_of(intent))
    assert store.lock(intent.trading_account_id, SYMBOL) is None
    store.begin(replace(intent, generation=2), lock_of(intent))


def test_of_two_that_read_a_lock_one_leases_it(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    leased = store.lease(lock_of(intent), NOW + 5)
    assert leased == replace(lock_of(intent), leased_until=NOW + 5, due_at=NOW + 5, version=2)
    assert store.lock(intent.trading_account_id, SYMBOL) == leased
    with pytest.raises(OrderLockLost):
        store.lease(lock_of(intent), NOW + 5)


def test_only_who_has_the_lock_keeps_what_became_of_the_intent(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    store.lease(lock_of(intent), NOW + 5)
    unknown = intent.at(State.UNKNOWN, NOW + 1)
    with pytest.raises(OrderLockLost):
        store.keep(unknown, lock_of(intent, 2))
    assert store.get(intent.trading_account_id, intent.id) == intent
    store.keep(unknown, lock_of(intent, 3))
    assert store.get(intent.trading_account_id, intent.id) == unknown
    assert store.lock(intent.trading_account_id, SYMBOL) == lock_of(intent, 3)


def test_only_who_has_the_lock_releases_it(store: IntentStore, intent: Intent) -> None:
    store.begin(intent, lock_of(intent))
    leased = store.lease(lock_of(intent), NOW + 5)
    done = intent.at(State.FAILED, NOW + 1)
    with pytest.raises(OrderLockLost):
        store.finish(done, lock_of(intent))
    assert store.get(intent.trading_account_id, intent.id) == intent
    assert store.lock(intent.trading_account_id, SYMBOL) == leased
    store.finish(done, leased)
    assert store.lock(intent.trading_account_id, SYMBOL) is None
    with pytest.raises(OrderLockLost):
        store.finish(done, leased)
    with pytest.raises(OrderLockLost):
        store.keep(done, replace(leased, version=3))
    with pytest.raises(OrderLockLost):
        store.lease(leased, NOW + 9)
