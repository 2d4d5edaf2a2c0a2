"""The contract of the intent store."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import Contended
from purser.exchanges.orders import Order
from purser.orders.intents import Intent, OrderLock, State
from purser.orders.ports import IntentStore, OrderLockLost, OrderLockTaken
from purser.orders.store import DynamoIntentStore
from purser.work.model import Postponed
from tests.support.crashes import Scissors
from tests.support.intents import FakeIntents

NOW = 1_700_000_000_000
BTC = "BTC/USDT"


@pytest.fixture
def store(tables: dict[str, str] | None) -> IntentStore:
    return DynamoIntentStore(Table(tables["ORDERS_TABLE"])) if tables else FakeIntents(Scissors())


@pytest.fixture
def account() -> str:
    return str(uuid4())


def an_intent(account: str, generation: int = 1) -> Intent:
    return Intent(str(uuid4()), "user", account, BTC, created_at=NOW, updated_at=NOW, generation=generation)


def a_lock(intent: Intent, version: int = 1) -> OrderLock:
    owner = "user", intent.trading_account_id, BTC, intent.id
    return OrderLock(*owner, leased_until=NOW + 10, due_at=NOW + 10, version=version)


def leased(store: IntentStore, lock: OrderLock) -> OrderLock:
    after = lock.leased(NOW + 20)
    assert store.locks.advance(after)
    return after


def test_an_intent_begins_with_its_lock(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    assert store.get(account, intent.id) is None
    assert store.locks.get(account, BTC) is None
    store.begin(intent, a_lock(intent))
    assert store.get(account, intent.id) == intent
    assert store.locks.get(account, BTC) == a_lock(intent)


def test_orders_of_unknown_status_are_read_as_they_were_stored(store: IntentStore, account: str) -> None:
    order = Order(
        id="1", client_id="x", symbol=BTC, timestamp=NOW, type="limit", time_in_force=None, post_only=False,
        reduce_only=False, side="buy", price=None, stop_price=None, amount=None, cost=Decimal(0), average=None,
        filled=Decimal(0), remaining=None, status=None,
    )  # fmt: skip
    intent = replace(an_intent(account), placed=(order, replace(order, triggering_since=NOW, updated_at=NOW)))
    store.begin(intent, a_lock(intent))
    read = store.get(account, intent.id)
    assert read == intent
    assert [type(read.placed[1].triggering_since), type(read.placed[1].updated_at)] == [int, int]


def test_a_taken_lock_refuses_another_intent(store: IntentStore, account: str) -> None:
    first, second = an_intent(account), an_intent(account)
    store.begin(first, a_lock(first))
    with pytest.raises(OrderLockTaken) as refused:
        store.begin(second, a_lock(second))
    assert refused.value.lock == a_lock(first)
    assert store.get(account, second.id) is None
    assert store.locks.get(account, BTC) == a_lock(first)


def test_an_intent_gives_way_to_its_next_generation_only(store: IntentStore, account: str) -> None:
    failed = replace(an_intent(account), state=State.FAILED)
    store.begin(failed, a_lock(failed))
    store.finish(failed, a_lock(failed))
    for generation in (1, 3):
        again = replace(failed, state=State.PENDING, generation=generation)
        with pytest.raises(Contended):
            store.begin(again, a_lock(again))
        assert store.locks.get(account, BTC) is None, "the lock is taken with the intent or not at all"
    again = replace(failed, state=State.PENDING, generation=2)
    store.begin(again, a_lock(again))
    assert store.get(account, failed.id) == again


def test_an_intent_takes_over_the_lock_of_another(store: IntentStore, account: str) -> None:
    first, second = an_intent(account), an_intent(account)
    store.begin(first, a_lock(first))
    left = first.at(State.DONE, NOW + 1)
    store.begin(second, a_lock(second, version=2), replaced=left)
    assert store.get(account, first.id) == left
    assert store.get(account, second.id) == second
    assert store.locks.get(account, BTC) == a_lock(second, version=2)


def test_a_lock_that_has_moved_on_is_not_taken_over(store: IntentStore, account: str) -> None:
    first, second = an_intent(account), an_intent(account)
    store.begin(first, a_lock(first))
    moved = leased(store, a_lock(first))
    with pytest.raises(OrderLockTaken) as refused:
        store.begin(second, a_lock(second, version=2), replaced=first.at(State.DONE, NOW + 1))
    assert refused.value.lock == moved
    assert store.get(account, first.id) == first
    assert store.get(account, second.id) is None


def test_a_lock_that_is_free_by_now_cannot_be_taken_over(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    with pytest.raises(Contended):
        store.begin(intent, a_lock(intent, version=2))
    assert store.get(account, intent.id) is None


def test_one_of_two_that_read_the_same_leases_a_lock(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    store.begin(intent, a_lock(intent))
    taken = leased(store, a_lock(intent))
    assert taken == replace(a_lock(intent, 2), leased_until=NOW + 20, due_at=NOW + 20, attempts=1)
    assert not store.locks.advance(taken)
    assert store.locks.get(account, BTC) == taken


def test_who_has_lost_the_lock_changes_nothing(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    store.begin(intent, a_lock(intent))
    taken = leased(store, a_lock(intent))
    for write, lock in ((store.keep, a_lock(intent, version=2)), (store.finish, a_lock(intent))):
        with pytest.raises(OrderLockLost):
            write(intent.at(State.DONE, NOW + 5), lock)
    assert store.get(account, intent.id) == intent
    assert store.locks.get(account, BTC) == taken


def test_what_stays_under_way_keeps_its_lock(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    store.begin(intent, a_lock(intent))
    resting = intent.at(State.RESTING, NOW + 5)
    store.keep(resting, a_lock(intent, version=2))
    assert store.get(account, intent.id) == resting
    assert store.locks.get(account, BTC) == a_lock(intent, version=2)


def test_what_is_finished_frees_its_lock(store: IntentStore, account: str) -> None:
    intent = an_intent(account)
    store.begin(intent, a_lock(intent))
    done = intent.at(State.DONE, NOW + 5)
    store.finish(done, a_lock(intent))
    assert store.get(account, intent.id) == done
    assert store.locks.get(account, BTC) is None
    for write in (store.finish, lambda intent, lock: store.keep(intent, replace(lock, version=2))):
        with pytest.raises(OrderLockLost):
            write(done, a_lock(intent))
    assert not store.locks.advance(a_lock(intent).leased(NOW + 20))


def test_a_lock_is_due_once_nobody_works_on_it(store: IntentStore, account: str) -> None:
    def due(now: int) -> list[OrderLock]:
        return [lock for lock in store.locks.due(now) if lock.trading_account_id == account]

    intent = an_intent(account)
    store.begin(intent, a_lock(intent))
    assert due(NOW + 9) == []
    assert due(NOW + 10) == [a_lock(intent)]
    taken = leased(store, a_lock(intent))
    assert due(NOW + 19) == []
    assert due(NOW + 20) == [taken]
    unknown = taken.left(NOW + 30)
    store.keep(intent.at(State.UNKNOWN, NOW + 1), unknown)
    assert store.locks.get(account, BTC) == unknown
    assert unknown.leased_until == NOW + 30, "what was sent may act until then"
    assert due(NOW + 29) == []
    assert due(NOW + 30) == [unknown]
    store.keep(intent.at(State.RESTING, NOW + 1), unknown.postponed(Postponed(NOW + 40, succeeded=True)))
    assert due(NOW + 39) == []
    assert len(due(NOW + 40)) == 1


@pytest.mark.parametrize("version", [1, 3])
def test_a_lock_is_taken_over_at_the_version_that_was_read(store: IntentStore, account: str, version: int) -> None:
    first, second = an_intent(account), an_intent(account)
    store.begin(first, a_lock(first))
    with pytest.raises(OrderLockTaken):
        store.begin(second, a_lock(second, version), first.at(State.DONE, NOW + 1))
    assert store.get(account, first.id) == first
    assert store.locks.get(account, BTC) == a_lock(first)


def test_a_failed_intent_hands_its_lock_back(store: IntentStore, account: str) -> None:
    resting = replace(an_intent(account), state=State.RESTING)
    failed = replace(an_intent(account), state=State.FAILED, replaces=resting.id)
    lock = a_lock(failed)
    store.begin(failed, lock)
    back = lock.handed_back(resting.id, NOW + 30)
    store.keep(resting, back, failed=failed)
    assert store.locks.get(account, BTC) == back
    assert (back.intent_id, back.due_at, back.leased_until) == (resting.id, NOW + 30, NOW + 30)
    assert store.get(account, failed.id) == failed
    assert store.get(account, resting.id) == resting
    with pytest.raises(OrderLockLost):
        store.keep(resting, back, failed=failed)
