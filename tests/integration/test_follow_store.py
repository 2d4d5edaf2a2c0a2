"""Test each condition of the store of follows on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import SymbolFollowed, TradingAccountInactive
from purser.follows.model import Follow, FollowChange, OnStop, Protections
from purser.follows.store import DynamoFollowStore
from purser.trading_accounts.model import TradingAccount
from tests.support.aws import Aws
from tests.support.functions import forget_process
from tests.support.stored_keys import NOW, Keys


@pytest.fixture
def keys(aws: Aws) -> Iterator[Keys]:
    forget_process()
    keys = Keys(Table(aws.tables["KEYS_TABLE"]))
    yield keys
    for account in keys.store.connected(keys.user_id).accounts:
        keys.table.delete("BACKFILLS", account.id)
    forget_process()


@pytest.fixture
def follows(keys: Keys) -> DynamoFollowStore:
    return DynamoFollowStore(keys.table)


def follow(account: TradingAccount, symbol: str = "BTC/USDT") -> Follow:
    return Follow(str(uuid4()), account.user_id, account.id, symbol, "strategy", "risk", True, NOW, NOW)


def test_a_follow_begins_only_on_an_active_account(keys: Keys, follows: DynamoFollowStore) -> None:
    account = keys.connected()
    keys.store.disable(keys.user_id, account.id, NOW)
    gone = replace(account, id=str(uuid4()))
    before = keys.items()
    for inactive in (account, gone):
        with pytest.raises(TradingAccountInactive):
            follows.add(follow(inactive))
    assert keys.items() == before


def test_beginning_a_follow_advances_the_version_of_the_account(keys: Keys, follows: DynamoFollowStore) -> None:
    account = keys.connected()
    follows.add(follow(account))
    assert keys.read(account) == replace(account, version=account.version + 1)


def test_an_account_has_one_follow_for_a_symbol(keys: Keys, follows: DynamoFollowStore) -> None:
    account = keys.connected()
    first = follows.add(follow(account))
    with pytest.raises(SymbolFollowed):
        follows.add(follow(account))
    assert follows.add(first) == first
    keys.store.disable(keys.user_id, account.id, NOW)
    assert follows.add(first) == first, "an existing follow is returned whatever the state of its account"
    with pytest.raises(SymbolFollowed):
        follows.add(follow(account))


def test_a_follow_is_activated_only_on_an_active_account(keys: Keys, follows: DynamoFollowStore) -> None:
    account = keys.connected()
    first = follows.add(follow(account))
    keys.store.disable(keys.user_id, account.id, NOW)
    before = keys.items()
    with pytest.raises(TradingAccountInactive):
        follows.change(first, FollowChange(active=True), NOW + 1)
    another = replace(first, id=str(uuid4()))
    assert follows.change(another, FollowChange(active=True), NOW + 1) is None
    assert follows.change(another, FollowChange(strategy_id="other"), NOW + 1) is None
    assert not follows.end(another)
    assert keys.items() == before


def test_protections_are_kept_changed_and_removed(keys: Keys, follows: DynamoFollowStore) -> None:
    account = keys.connected()
    protections = Protections(Decimal("0.3"), 5, Decimal(100), Decimal(2000), OnStop.CLOSE)
    first = follows.add(replace(follow(account), protections=protections))
    assert follows.find(keys.user_id, first.id) == first
    changed = follows.change(first, FollowChange(protections={"max_leverage": 3, "on_stop": None}), NOW + 1)
    wanted = replace(protections, max_leverage=3, on_stop=None)
    assert changed == replace(first, protections=wanted, updated_at=NOW + 1)


def test_a_follow_that_was_stored_before_there_were_protections_has_none(
    keys: Keys, follows: DynamoFollowStore
) -> None:
    first = follows.add(follow(keys.connected()))
    (item,) = (item for _, item in keys.items() if item.get("followId") == first.id)
    assert set(item) == {
        *("PK", "SK", "followId", "followerId", "symbol", "strategyId", "riskProfileId"),
        *("active", "createdAt", "updatedAt"),
    }
    assert follows.find(keys.user_id, first.id) == first
