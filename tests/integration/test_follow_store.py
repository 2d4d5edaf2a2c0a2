"""Test each condition of the store of follows on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import SymbolFollowed, TradingAccountInactive
from purser.follows.model import Follow, FollowChange, Follower, OnStop, Protections
from purser.follows.store import DynamoFollowStore, DynamoTradeClosingStore, follow_sk
from purser.orders.intents import Intent, OrderLock, StrategyTrade
from purser.orders.store import DynamoIntentStore
from purser.trading_accounts.model import TradingAccount
from scripts.index_follows import index_follows
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


def follow_ids(follows: DynamoFollowStore, strategy_id: str) -> set[str]:
    return {follower.follow_id for follower in follows.followers(strategy_id)}


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
    assert not follows.end(another, NOW)
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
        *("active", "createdAt", "updatedAt", "followedBy"),
    }
    assert follows.find(keys.user_id, first.id) == first


def test_followers_of_a_strategy_are_its_active_follows(keys: Keys, follows: DynamoFollowStore) -> None:
    one, two = str(uuid4()), str(uuid4())
    account = keys.connected()
    active = follows.add(replace(follow(account), strategy_id=one))
    paused = follows.add(replace(follow(account, "ETH/USDT"), strategy_id=one, active=False))
    assert [*follows.followers(one)] == [Follower(account.user_id, account.id, active.id)]
    follows.change(paused, FollowChange(active=True), NOW + 1)
    follows.change(active, FollowChange(active=False), NOW + 1)
    assert follow_ids(follows, one) == {paused.id}
    follows.change(paused, FollowChange(strategy_id=two), NOW + 2)
    assert (follow_ids(follows, one), follow_ids(follows, two)) == (set(), {paused.id})
    follows.end(paused, NOW)
    assert follow_ids(follows, two) == set()


def test_a_change_keeps_the_index_true_to_one_that_it_did_not_see(keys: Keys, follows: DynamoFollowStore) -> None:
    strategy = str(uuid4())
    before = follows.add(replace(follow(keys.connected()), strategy_id=strategy, active=False))
    follows.change(before, FollowChange(active=True), NOW + 1)
    other = str(uuid4())
    changed = follows.change(before, FollowChange(strategy_id=other), NOW + 2)
    assert changed is not None
    assert changed.active
    assert (follow_ids(follows, strategy), follow_ids(follows, other)) == (set(), {before.id})


def test_a_follow_that_was_stored_before_there_was_an_index_is_indexed_once(
    keys: Keys, follows: DynamoFollowStore
) -> None:
    strategy, account = str(uuid4()), keys.connected()
    earlier = follows.add(replace(follow(account), strategy_id=strategy))
    paused = follows.add(replace(follow(account, "ETH/USDT"), strategy_id=strategy, active=False))
    for one in (earlier, paused):
        keys.table.update(f"USER#{one.user_id}", follow_sk(one), "REMOVE followedBy", {})
    assert index_follows(keys.table.name)
    assert follow_ids(follows, strategy) == {earlier.id}
    assert index_follows(keys.table.name) == 0
    assert not follows.index(paused)


CLOSE = Protections(on_stop=OnStop.CLOSE)
STOPS = [FollowChange(active=False), FollowChange(strategy_id="other"), None]


class Trades:
    """The trades of follows, and the closings of those whose follow has stopped."""

    def __init__(self, aws: Aws, keys: Keys) -> None:
        orders = Table(aws.tables["ORDERS_TABLE"])
        self.intents = DynamoIntentStore(orders)
        self.closings = DynamoTradeClosingStore(orders, self.intents)
        self.follows = DynamoFollowStore(keys.table, self.closings)

    def enter(self, follow: Follow, strategy_id: str | None = None) -> str:
        """Open a trade for a follow, by its strategy or by another one, and return its id."""
        trade = StrategyTrade("Trend", "BINANCE", follow.symbol, "BUY", 1, strategy_id or follow.strategy_id, follow.id)
        owner = str(uuid4()), follow.user_id, follow.trading_account_id, follow.symbol
        self.take(Intent(*owner, NOW, NOW, strategy=trade))
        return owner[0]

    def take(self, intent: Intent) -> None:
        """Take the order lock of a symbol for an intent, from another if it has it."""
        key = intent.trading_account_id, intent.symbol
        before = self.intents.locks.get(*key)
        lock = OrderLock(intent.user_id, *key, intent.id, due_at=NOW, version=before.version + 1 if before else 1)
        self.intents.begin(intent, lock)

    def stop(self, follow: Follow, change: FollowChange | None) -> None:
        """Change a follow, or end it."""
        if change:
            self.follows.change(follow, change, NOW)
        else:
            self.follows.end(follow, NOW)

    def closing(self, follow: Follow) -> list[str]:
        return [closing.trade_id for closing in self.closings.waiting(follow.trading_account_id)]


@pytest.fixture
def trades(aws: Aws, keys: Keys) -> Iterator[Trades]:
    trades = Trades(aws, keys)
    yield trades
    for closing in trades.closings.due(NOW * 2):
        trades.closings.finish(closing)


@pytest.mark.parametrize("change", STOPS)
def test_a_follow_that_stops_stores_the_closing_of_its_trade(
    keys: Keys, trades: Trades, change: FollowChange | None
) -> None:
    first = trades.follows.add(replace(follow(keys.connected()), protections=CLOSE))
    trade_id = trades.enter(first)
    trades.stop(first, change)
    assert trades.closing(first) == [trade_id]


@pytest.mark.parametrize("change", STOPS)
def test_a_follow_that_keeps_its_trade_or_has_none_closes_nothing(
    keys: Keys, trades: Trades, change: FollowChange | None
) -> None:
    account = keys.connected()
    keeps = trades.follows.add(follow(account))
    without = trades.follows.add(replace(follow(account, "ETH/USDT"), protections=CLOSE))
    foreign = trades.follows.add(replace(follow(account, "SOL/USDT"), protections=CLOSE))
    trades.enter(keeps)
    trades.enter(foreign, strategy_id="its strategy before")
    for each in (keeps, without, foreign):
        trades.stop(each, change)
    assert trades.closing(keeps) == []


def test_a_follow_that_is_changed_and_goes_on_keeps_its_trade(keys: Keys, trades: Trades) -> None:
    first = trades.follows.add(replace(follow(keys.connected()), protections=CLOSE))
    trades.enter(first)
    trades.stop(first, FollowChange(active=True, strategy_id=first.strategy_id, risk_profile_id="other"))
    assert trades.closing(first) == []


def test_a_pause_closes_a_trade_once_by_what_it_says_itself(keys: Keys, trades: Trades) -> None:
    first = trades.follows.add(follow(keys.connected()))
    trade_id = trades.enter(first)
    for _ in range(2):
        trades.stop(first, FollowChange(active=False, protections={"on_stop": OnStop.CLOSE}))
    assert trades.closing(first) == [trade_id]


def test_a_trade_that_begins_while_its_follow_stops_is_closed(
    keys: Keys, trades: Trades, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trades.follows.add(replace(follow(keys.connected()), protections=CLOSE))
    locks, begun = trades.intents.locks, list[str]()
    get = locks.get

    def get_before_it_begins(*key: str) -> OrderLock | None:
        lock = get(*key)
        monkeypatch.undo()
        begun.append(trades.enter(first))
        return lock

    monkeypatch.setattr(locks, "get", get_before_it_begins)
    trades.stop(first, None)
    assert trades.closing(first) == begun
    assert trades.follows.find(keys.user_id, first.id) is None


def test_a_trade_that_gave_way_to_a_clearing_is_closed_if_that_fails(keys: Keys, trades: Trades) -> None:
    first = trades.follows.add(replace(follow(keys.connected()), protections=CLOSE))
    trade_id = trades.enter(first)
    owner = first.user_id, first.trading_account_id, first.symbol
    trades.take(Intent(str(uuid4()), *owner, NOW, NOW, replaces=trade_id))
    trades.stop(first, FollowChange(active=False))
    assert trades.closing(first) == [trade_id]
