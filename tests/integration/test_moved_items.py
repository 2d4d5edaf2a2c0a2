"""Test items that somebody copied to another user's or account's key: every store refuses them on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from purser.actor import SYSTEM
from purser.aws.integrity import ALARMING
from purser.aws.tables import Item, Table
from purser.bootstrap.adapters import recording
from purser.customers.model import AccountType, Customer, Search
from purser.customers.service import Customers
from purser.customers.store import DynamoCustomerStore
from purser.errors import StoredDataRefused
from purser.follows.model import Follow
from purser.follows.store import DynamoFollowStore
from purser.ledger.model import Wallet, WalletStatus, WalletType
from purser.ledger.store.wallet_store import DynamoWalletStore
from purser.operations.model import OperationFilter, OperationType, operation
from purser.operations.store import DynamoOperationStore
from purser.orders.intents import Intent, OrderLock
from purser.orders.store import DynamoIntentStore
from purser.trading_accounts.model import AccountRef
from tests.support.audit import FakeAudit, entry
from tests.support.aws import Aws
from tests.support.fakes import FakeVault
from tests.support.functions import forget_process
from tests.support.stored_keys import NOW, Keys

BTC = "BTC/USDT"


@pytest.fixture
def keys(aws: Aws) -> Iterator[Keys]:
    forget_process()
    yield Keys(Table(aws.tables["KEYS_TABLE"]))
    forget_process()


@pytest.fixture
def other(keys: Keys) -> Keys:
    return Keys(keys.table)


def refused(read: Callable[[], object], caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether a read raises, and writes the line of the log on which the alarm rings."""
    caplog.clear()
    with pytest.raises(StoredDataRefused):
        read()
    return [record.message for record in caplog.records] == [ALARMING]


def move(table: Table, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Copy all attributes of an item to another key."""
    item: Item = table.get(*source) or {}
    table.put(item | {"PK": target[0], "SK": target[1]})


def test_a_credential(keys: Keys, other: Keys, caplog: pytest.LogCaptureFixture) -> None:
    mine, theirs = keys.connected(), other.connected()
    source = f"USER#{keys.user_id}", f"CREDENTIAL#{mine.credential_id}"
    move(keys.table, source, (f"USER#{other.user_id}", f"CREDENTIAL#{theirs.credential_id}"))
    assert refused(lambda: other.store.with_credential(other.user_id, theirs.id), caplog)
    assert refused(lambda: other.credentials.get(other.user_id, theirs.credential_id), caplog)
    assert refused(lambda: other.credentials.of(other.user_id), caplog)
    assert refused(lambda: other.store.disconnect(theirs, keys.cancellation(mine), NOW), caplog)


@pytest.mark.parametrize("kept_id", [True, False])
def test_a_trading_account(keys: Keys, other: Keys, kept_id: bool, caplog: pytest.LogCaptureFixture) -> None:
    mine = keys.connected()
    id = mine.id if kept_id else str(uuid4())
    move(keys.table, (f"USER#{keys.user_id}", f"KEY#{mine.id}"), (f"USER#{other.user_id}", f"KEY#{id}"))
    assert refused(lambda: other.store.get(other.user_id, id), caplog)
    assert refused(lambda: other.store.connected(other.user_id), caplog)
    caplog.clear()
    active = [ref for ref in other.store.active() if ref.user_id in (keys.user_id, other.user_id)]
    assert active == [AccountRef(keys.user_id, mine.id)], "an account that was moved does not delay the others"
    assert [record.message for record in caplog.records] == [ALARMING]
    keys.table.delete(f"USER#{other.user_id}", f"KEY#{id}")  # the index of active accounts is everybody's


@pytest.mark.parametrize("account", [True, False])
def test_a_credential_in_a_cancellation(
    keys: Keys, other: Keys, account: bool, caplog: pytest.LogCaptureFixture
) -> None:
    mine = keys.connected()
    theirs = (other if account else keys).connected()
    for each in (mine, theirs):
        (keys if each.user_id == keys.user_id else other).disconnect(each)
    item = keys.table.get("CANCELLATIONS", mine.id)
    assert item is not None
    keys.table.put(item | {"SK": theirs.id})
    assert refused(lambda: keys.cancellations.get(theirs.id), caplog)
    assert keys.cancellations.get(mine.id) is not None


def test_an_operation(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    made, elsewhere = operation(OperationType.CONNECT, keys.user_id, str(uuid4()), SYSTEM, NOW), str(uuid4())
    account = keys.new()[0]
    keys.store.connect(replace(account), keys.new()[1], keys.version, made)
    store, sk = DynamoOperationStore(keys.table), f"{made.created_at:013d}#{made.id}"
    move(keys.table, (f"OPERATIONS#{keys.user_id}", sk), (f"OPERATIONS#{elsewhere}", sk))
    assert store.page(keys.user_id, OperationFilter(), 9) == ([made], None)
    assert refused(lambda: store.page(elsewhere, OperationFilter(), 9), caplog)


def test_a_follow(keys: Keys, other: Keys, caplog: pytest.LogCaptureFixture) -> None:
    mine, theirs = keys.connected(), other.connected()
    store = DynamoFollowStore(keys.table)
    store.add(Follow(str(uuid4()), keys.user_id, mine.id, BTC, "strategy", "risk", True, NOW, NOW))
    source = f"USER#{keys.user_id}", f"FOLLOW#{mine.id}#{BTC}"
    move(keys.table, source, (f"USER#{other.user_id}", f"FOLLOW#{theirs.id}#{BTC}"))
    assert refused(lambda: store.of_account(other.user_id, theirs.id), caplog)


def test_an_intent_and_its_lock(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    table = Table(aws.tables["ORDERS_TABLE"])
    store, mine, theirs = DynamoIntentStore(table), str(uuid4()), str(uuid4())
    intent = Intent(str(uuid4()), "user", mine, BTC, created_at=NOW, updated_at=NOW)
    lock = OrderLock("user", mine, BTC, intent.id, leased_until=NOW, due_at=NOW, version=1)
    store.begin(intent, lock)
    assert (store.get(mine, intent.id), store.locks.get(mine, BTC)) == (intent, lock)
    move(table, (f"KEY#{mine}", f"INTENT#{intent.id}"), (f"KEY#{theirs}", f"INTENT#{intent.id}"))
    assert refused(lambda: store.get(theirs, intent.id), caplog)
    shard = next(s for s in range(8) if table.get(f"OPEN#{s}", f"{mine}#{BTC}"))
    move(table, (f"OPEN#{shard}", f"{mine}#{BTC}"), (f"OPEN#{shard}", f"{theirs}#{BTC}"))
    caplog.clear()
    due = [lock for lock in store.locks.due(NOW + 1) if lock.trading_account_id in (mine, theirs)]
    assert due == [lock], "a lock that was moved does not delay the others"
    assert [record.message for record in caplog.records] == [ALARMING]
    for account in (mine, theirs):  # locks are everybody's
        table.delete(f"OPEN#{shard}", f"{account}#{BTC}")


def test_a_wallet(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    table = Table(aws.tables["WALLETS_TABLE"])
    store, mine, theirs = DynamoWalletStore(table, recording), str(uuid4()), str(uuid4())
    store.create(Wallet(mine, "owner", WalletType.CLIENT, WalletStatus.ACTIVE, False, {}, NOW, NOW), entry())
    move(table, (f"WALLET#{mine}", "WALLET"), (f"WALLET#{theirs}", "WALLET"))
    assert refused(lambda: store.get(theirs), caplog)
    assert refused(lambda: store.find([mine, theirs]), caplog)
    table.delete(f"WALLET#{theirs}", "WALLET")


def test_a_customer(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    table = Table(aws.tables["ACCOUNTS_TABLE"])
    store, owner, other = DynamoCustomerStore(table), str(uuid4()), str(uuid4())
    details = {"profile": {"individual": {"name": {"firstName": "Ada", "lastName": "L"}}}, "foreignID": "7"}
    customer = Customer(str(uuid4()), owner, AccountType.INDIVIDUAL, details, created_at=NOW, updated_at=NOW)
    store.add(customer)
    copy = str(uuid4())
    move(table, (f"CUSTOMER#{customer.id}", "CUSTOMER"), (f"CUSTOMER#{copy}", "CUSTOMER"))
    assert refused(lambda: store.get(copy), caplog)
    # The owner's list and foreign ids only point to a customer, who says whose they are.
    for item in list(table.query("PK = :pk", {":pk": f"OWNER#{owner}"})):
        table.put(item | {"PK": f"OWNER#{other}"})
    customers = Customers(store, FakeVault(), FakeAudit(), lambda: NOW)
    assert customers.find(owner, Search(), skip=0, count=9) == [customer]
    assert customers.find(other, Search(), skip=0, count=9) == []
    assert customers.find(other, Search(foreign_id="7"), skip=0, count=9) == []
