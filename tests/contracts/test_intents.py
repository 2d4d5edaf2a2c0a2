"""The contract of the intent store."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import Contended
from purser.exchanges.orders import Order, OrderStatus, Side
from purser.orders.ended import EndedTrade
from purser.orders.intents import Intent, OrderLock, State, StrategyTrade
from purser.orders.model import EntryType, ManualOrder
from purser.orders.ports import IntentStore, OrderLockLost, OrderLockTaken
from purser.orders.store import ENDED_TRADES, DynamoIntentStore
from purser.work.model import Postponed
from purser.work.ports import WorkStore
from purser.work.store import DynamoWorkStore
from tests.support.crashes import Scissors
from tests.support.intents import FakeIntents

NOW = 1_700_000_000_000
BTC = "BTC/USDT"


@pytest.fixture
def store(tables: dict[str, str] | None) -> IntentStore:
    return DynamoIntentStore(Table(tables["ORDERS_TABLE"])) if tables else FakeIntents(Scissors())


@pytest.fixture
def ended(store: IntentStore, tables: dict[str, str] | None) -> WorkStore[EndedTrade]:
    """The ended trades that the store notes."""
    if isinstance(store, FakeIntents):
        return store.ended_trades
    assert tables is not None
    return DynamoWorkStore(Table(tables["ORDERS_TABLE"]), ENDED_TRADES)


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


def a_trade(account: str, filled: int) -> Intent:
    """Return the open trade of a follow."""
    order = ManualOrder(BTC, EntryType.LIMIT, Side.BUY, Decimal(2), price=Decimal(20000))
    strategy = StrategyTrade(
        "Trend", "BINANCE", BTC, "BUY", 2, "strategy", "follow", Decimal("199.25"), Decimal("19999.5")
    )
    entry = Order(
        id="1", client_id="x", symbol=BTC, timestamp=NOW, type="limit", time_in_force=None, post_only=False,
        reduce_only=False, side="buy", price=None, stop_price=None, amount=Decimal(2), cost=Decimal(0), average=None,
        filled=Decimal(filled), remaining=None, status=OrderStatus.CLOSED,
    )  # fmt: skip
    return replace(an_intent(account), order=order, placed=(entry,), strategy=strategy, signal_id="signal")


def ends_of(ended: WorkStore[EndedTrade], account: str) -> list[EndedTrade]:
    return [each for each in ended.due(NOW + 1) if each.trading_account_id == account]


def test_a_trade_that_ends_leaves_its_books_to_be_closed(
    store: IntentStore, ended: WorkStore[EndedTrade], account: str
) -> None:
    trade = a_trade(account, filled=1)
    store.begin(trade, a_lock(trade))
    assert store.get(account, trade.id) == trade
    resting = trade.at(State.RESTING, NOW)
    store.keep(resting, a_lock(trade, version=2))
    assert ends_of(ended, account) == []
    store.finish(trade.at(State.DONE, NOW + 1), a_lock(trade, version=2))
    (left,) = ends_of(ended, account)
    assert (left.user_id, left.intent_id, left.ended_at, left.due_at) == ("user", trade.id, NOW + 1, NOW + 1)
    assert ended.finish(left)
    assert ends_of(ended, account) == []


def test_a_trade_that_gives_way_leaves_its_books_to_be_closed(
    store: IntentStore, ended: WorkStore[EndedTrade], account: str
) -> None:
    trade, next_one = a_trade(account, filled=1), an_intent(account)
    store.begin(trade, a_lock(trade))
    store.begin(next_one, a_lock(next_one, version=2), replaced=trade.at(State.DONE, NOW))
    (left,) = ends_of(ended, account)
    assert left.intent_id == trade.id
    # It has its lock back, and ends another time.
    store.keep(trade.at(State.RESTING, NOW), a_lock(trade, version=3), failed=next_one.at(State.FAILED, NOW))
    assert ended.advance(left.leased(NOW + 5))
    store.finish(trade.at(State.DONE, NOW + 1), a_lock(trade, version=3))
    (again,) = ends_of(ended, account)
    assert (again.ended_at, again.attempts) == (NOW + 1, 0)


@pytest.mark.parametrize("kind", ["manual", "nothing filled"])
def test_other_intents_have_no_books(store: IntentStore, ended: WorkStore[EndedTrade], account: str, kind: str) -> None:
    trade = a_trade(account, filled=0) if kind == "nothing filled" else replace(a_trade(account, 1), strategy=None)
    store.begin(trade, a_lock(trade))
    store.finish(trade.at(State.DONE, NOW), a_lock(trade))
    assert ends_of(ended, account) == []
