"""Test on DynamoDB Local that plans suspend and bring back keys and follows, also in races."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from purser.actor import SYSTEM
from purser.aws.tables import Table
from purser.bootstrap.billing import enforcement, subscriptions
from purser.bootstrap.snapshots import backfill_requests
from purser.bootstrap.strategies import strategies
from purser.bootstrap.trading_accounts import cancellations
from purser.clock import now_ms
from purser.enforcement.service import MOST_CHANGES
from purser.errors import FeatureNotInPlan, KeyLimitExceeded, TradingAccountInactive
from purser.exchanges.model import TradeType, Venue
from purser.follows.model import Follow, FollowChange
from purser.follows.store import DynamoFollowStore
from purser.plans.model import CATALOG
from purser.settings import settings
from purser.trading_accounts.model import AccountRef, StrategyType, TradingAccount
from purser.trading_accounts.service import NewConnection, TradingAccounts
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.aws import Aws
from tests.support.catalog import connect
from tests.support.events import Answered, call, claims
from tests.support.fakes import FakeExchange, FakeVault
from tests.support.functions import forget_process, load_function

BASIC, _, PROFESSIONAL, _ = CATALOG
KEYS = "/v1/priv/account/exchange/key"
FOLLOWS = "/v1/priv/strategy/follow"


@pytest.fixture(scope="module")
def process(aws: Aws) -> Iterator[None]:
    forget_process()
    yield
    forget_process()


@pytest.fixture(scope="module")
def key_handler(process: None) -> Any:
    return load_function("account_exchange").handler


@pytest.fixture(scope="module")
def follow_handler(process: None) -> Any:
    return load_function("strategy_automated").handler


@pytest.fixture
def user_id(process: None) -> str:
    return str(uuid4())


@pytest.fixture
def keys(user_id: str) -> list[TradingAccount]:
    return [connect(user_id, created_at=n, updated_at=n) for n in range(1, 4)]


def on(user_id: str, plan_id: str | None) -> list[bool]:
    """Grant a plan, enforce it, and return which keys are active, oldest first."""
    subscriptions().grant(user_id, plan_id)
    enforcement().enforce(user_id)
    return [account.active for account in accounts().connected(user_id).accounts]


def accounts() -> DynamoTradingAccountStore:
    return DynamoTradingAccountStore(table())


def table() -> Table:
    return Table(settings().require("keys_table"))


def follow(key: TradingAccount, symbol: str = "BTC/USDT") -> Follow:
    created = Follow(str(uuid4()), key.user_id, key.id, symbol, str(uuid4()), str(uuid4()), True, 1, 1)
    return DynamoFollowStore(table()).add(created)


def follows(key: TradingAccount) -> list[bool]:
    return [each.active for each in DynamoFollowStore(table()).of_account(key.user_id, key.id)]


def test_keys_and_follows_are_suspended_with_the_plan_and_come_back_with_it(
    user_id: str, keys: list[TradingAccount]
) -> None:
    follow(keys[0])
    assert on(user_id, PROFESSIONAL.id) == [True, True, True]
    assert on(user_id, BASIC.id) == [True, True, False]
    assert follows(keys[0]) == [True]
    assert on(user_id, None) == [False, False, False]
    assert follows(keys[0]) == [False]
    assert on(user_id, PROFESSIONAL.id) == [True, True, True]
    assert follows(keys[0]) == [True]


def test_suspended_accounts_get_no_snapshots(user_id: str, keys: list[TradingAccount]) -> None:
    def planned() -> int:
        return len({AccountRef(user_id, key.id) for key in keys} & set(accounts().active()))

    on(user_id, PROFESSIONAL.id)
    assert planned() == 3
    on(user_id, None)
    assert planned() == 0
    on(user_id, BASIC.id)
    assert planned() == 2


def test_a_suspended_key_looks_like_a_disabled_one_and_needs_a_plan_to_be_enabled(
    user_id: str, keys: list[TradingAccount], key_handler: Any
) -> None:
    def ask(method: str, path: str, body: Any = None) -> Answered:
        return call(key_handler, method, f"{KEYS}/{path}", body, caller=claims(user_id))

    on(user_id, PROFESSIONAL.id)
    before = ask("GET", "list").body["items"]
    on(user_id, None)
    after = ask("GET", "list").body["items"]
    assert [key.keys() for key in after] == [key.keys() for key in before]
    assert [key["active"] for key in after] == [False, False, False]
    refused = ask("PUT", keys[0].id, {"active": True})
    assert (refused.status, refused.body) == (433, {"error": "exceed subscription max API key limit (2129a)"})
    assert ask("PUT", keys[0].id, {"active": False}).status == 200
    assert on(user_id, PROFESSIONAL.id) == [False, True, True]


def test_a_suspended_follow_looks_like_a_stopped_one_and_needs_a_plan_to_start(
    user_id: str, keys: list[TradingAccount], follow_handler: Any
) -> None:
    on(user_id, PROFESSIONAL.id)
    strategy = strategies().publish(SYSTEM, new_strategy())
    profile = strategies().publish_risk_profile(SYSTEM, str(uuid4()), "CONSERVATIVE", Decimal(1))
    path = f"{FOLLOWS}/exchange/key/{keys[0].id}"

    def ask(method: str, path: str, body: Any = None) -> Answered:
        return call(follow_handler, method, path, body, caller=claims(user_id))

    created = ask("POST", path, {"strategyAutomatedId": strategy.id, "strategyRiskProfileId": profile.id}).body
    on(user_id, None)
    (stopped,) = ask("GET", path).body["items"]
    assert stopped == created | {"active": False, "updatedAt": stopped["updatedAt"]}
    refused = ask("PUT", f"{FOLLOWS}/{created['id']}", {"active": True})
    assert (refused.status, refused.body) == (433, {"error": f"{FeatureNotInPlan.default} (2103)"})
    assert ask("PUT", f"{FOLLOWS}/{created['id']}", {"active": False}).body["active"] is False
    on(user_id, PROFESSIONAL.id)
    assert ask("GET", path).body["items"][0]["active"] is False
    assert ask("PUT", f"{FOLLOWS}/{created['id']}", {"active": True}).body["active"] is True


def new_strategy() -> Any:
    from purser.strategies.service import NewStrategy

    return NewStrategy(str(uuid4()), "STRATEGY", None, "BINANCE", "BTC/USDT", True)


def test_a_follow_cannot_start_on_a_key_that_has_been_suspended_meanwhile(
    user_id: str, keys: list[TradingAccount]
) -> None:
    on(user_id, PROFESSIONAL.id)
    begun = follow(keys[0])
    on(user_id, None)
    with pytest.raises(TradingAccountInactive):
        DynamoFollowStore(table()).change(begun, FollowChange(active=True), 5)
    assert follows(keys[0]) == [False]


def test_a_key_cannot_be_connected_when_the_plan_ends_meanwhile(user_id: str) -> None:
    exchange = FakeExchange()
    exchange.add(api_key := uuid4().hex)

    def end_the_plan() -> None:
        on(user_id, None)

    exchange.meanwhile = end_the_plan
    subscriptions().grant(user_id, BASIC.id)
    service = TradingAccounts(
        store=accounts(),
        vault=FakeVault(),
        gateway=exchange,
        plans=subscriptions(),
        cancellations=cancellations(),
        backfills=backfill_requests(),
        now=now_ms,
        usdc_usd=Decimal(1),
    )
    new = NewConnection(
        str(uuid4()), user_id, Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "Late", api_key, "secret"
    )
    with pytest.raises(KeyLimitExceeded):
        service.connect(new)
    assert accounts().connected(user_id).accounts == ()


def test_concurrent_enforcements_end_in_the_state_of_the_plan(user_id: str, keys: list[TradingAccount]) -> None:
    for key in keys:
        follow(key)
    subscriptions().grant(user_id, BASIC.id)
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: enforcement().enforce(user_id), range(4)))
    assert sum(changed) == 2  # The third key and its follow.
    assert on(user_id, BASIC.id) == [True, True, False]
    assert [follows(key) for key in keys] == [[True], [True], [False]]


def test_more_follows_than_fit_into_one_transaction_are_suspended(user_id: str) -> None:
    subscriptions().grant(user_id, BASIC.id)
    key = connect(user_id)
    for n in range(MOST_CHANGES + 3):
        follow(key, f"S{n}/USDT")
    assert on(user_id, None) == [False]
    assert follows(key) == [False] * (MOST_CHANGES + 3)
