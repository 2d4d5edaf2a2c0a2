"""Enforcing a plan suspends what it does not allow, and reactivates exactly that when the plan allows it again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser import retrying
from purser.enforcement.model import Change, PlanUsage, changes
from purser.enforcement.service import MOST_CHANGES, Enforcement
from purser.errors import Contended
from purser.exchanges.model import TradeType
from purser.follows.model import Follow
from purser.plans.model import CATALOG, Plan
from purser.trading_accounts.model import AccountValuation, StrategyType, TradingAccount
from tests.support.accounts import trading_account
from tests.support.fakes import FakeClock, FakePlans, FakePlanUsage, FakeTradingAccounts

BASIC, ADVANCED, PROFESSIONAL, PARTNER = CATALOG


def account(number: int, usd: int = 100, **given: Any) -> TradingAccount:
    facts = {
        "trade_type": TradeType.FUTURES,
        "strategy_type": StrategyType.AUTOMATED,
        "created_at": number,
        "updated_at": number,
        "valuation": AccountValuation(Decimal(usd), 1),
    }
    return trading_account(f"key{number}", "user", **(facts | given))


def follow(account_id: str, symbol: str = "BTC/USDT", *, active: bool = True) -> Follow:
    return Follow(f"{account_id} {symbol}", "user", account_id, symbol, "strategy", "profile", active, 1, 1)


class World:
    """A user with accounts, follows and a plan."""

    def __init__(self, *accounts: TradingAccount, plan: Plan | None = PROFESSIONAL) -> None:
        self.accounts, self.plans, self.clock = FakeTradingAccounts(), FakePlans(plan), FakeClock()
        self.accounts.accounts = {each.id: each for each in accounts}
        self.usage = FakePlanUsage(self.accounts)
        self.enforcement = Enforcement(self.usage, self.plans, self.clock)

    def follow(self, *follows: Follow) -> None:
        self.usage.follows |= {each.id: each for each in follows}

    def on(self, plan: Plan | None) -> list[str]:
        """Enforce a plan, and return the ids of active accounts and follows."""
        self.plans.plan = plan
        self.enforcement.enforce("user")
        return self.active

    @property
    def active(self) -> list[str]:
        things: list[TradingAccount | Follow] = [*self.accounts.accounts.values(), *self.usage.follows.values()]
        return [thing.id for thing in things if thing.active]


@pytest.fixture
def world() -> World:
    return World(*map(account, range(1, 6)))


def test_within_the_plan_nothing_changes(world: World) -> None:
    before = dict(world.accounts.accounts)
    assert world.enforcement.enforce("user") == 0
    assert world.accounts.accounts == before


def test_without_a_plan_everything_is_suspended_until_the_plan_returns(world: World) -> None:
    world.follow(follow("key1"), follow("key2", active=False))
    everything = world.active
    assert world.on(None) == []
    assert len(world.accounts.accounts) == 5
    assert world.on(PROFESSIONAL) == everything


def test_the_newest_accounts_beyond_the_plan_are_suspended_with_their_follows(world: World) -> None:
    world.follow(follow("key2"), follow("key3"))
    assert world.on(BASIC) == ["key1", "key2", "key2 BTC/USDT"]
    assert world.on(ADVANCED) == ["key1", "key2", "key3", "key2 BTC/USDT", "key3 BTC/USDT"]


def test_the_oldest_accounts_are_reactivated_first(world: World) -> None:
    world.on(None)
    assert world.on(BASIC) == ["key1", "key2"]


def test_accounts_disabled_before_suspension_stay_disabled() -> None:
    world = World(account(1, active=False), account(2))
    assert world.on(None) == []
    assert world.on(BASIC) == ["key2"]


def test_accounts_disabled_during_suspension_stay_disabled(world: World) -> None:
    world.on(None)
    world.accounts.disable("user", "key1", 1)
    assert world.on(PROFESSIONAL) == ["key2", "key3", "key4", "key5"]


def test_accounts_rejected_by_the_exchange_stay_inactive(world: World) -> None:
    world.on(None)
    world.accounts.refuse(world.accounts.accounts["key1"], 1)
    assert "key1" not in world.on(PROFESSIONAL)


def test_accounts_are_reactivated_only_within_the_balance_limit() -> None:
    world = World(account(1, 2000), account(2, 501), account(3, 500), plan=PROFESSIONAL)
    world.on(None)
    three_keys = replace(BASIC, max_api_key=3)
    assert world.on(three_keys) == ["key1", "key3"]
    assert world.on(PROFESSIONAL) == ["key1", "key2", "key3"]


def test_an_account_that_outgrows_the_balance_limit_stays_active() -> None:
    assert World(account(1, 9000)).on(BASIC) == ["key1"]


def test_a_plan_without_automated_strategies_suspends_only_follows(world: World) -> None:
    world.follow(follow("key1"))
    assert world.on(replace(PROFESSIONAL, strategy_automated=False)) == ["key1", "key2", "key3", "key4", "key5"]
    assert "key1 BTC/USDT" in world.on(PROFESSIONAL)


def test_enforcement_advances_the_version_even_if_nothing_changes(world: World) -> None:
    world.enforcement.enforce("user")
    assert world.accounts.versions["user"] == 1


def test_enforcement_retries_when_the_accounts_have_changed(world: World) -> None:
    world.usage.stale = 3
    assert world.on(BASIC) == ["key1", "key2"]


def test_enforcement_gives_up_when_the_accounts_keep_changing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "backoff", lambda tried: None)
    world.usage.stale = 100
    with pytest.raises(Contended):
        world.enforcement.enforce("user")


def test_more_changes_than_fit_into_one_transaction_are_made() -> None:
    world = World(account(1))
    world.follow(*(follow("key1", f"S{n}/USDT") for n in range(2 * MOST_CHANGES + 1)))
    assert world.on(None) == []
    assert world.enforcement.enforce("user") == 0


plans = st.sampled_from([None, *CATALOG])
owned = st.lists(st.tuples(st.booleans(), st.integers(0, 6000)), max_size=7)


def world_of(specification: list[tuple[bool, int]]) -> World:
    accounts = [account(n, usd, active=active) for n, (active, usd) in enumerate(specification, 1)]
    world = World(*accounts, plan=PARTNER)
    world.follow(*(follow(each.id) for each in accounts))
    return world


@given(owned, st.lists(plans))
def test_the_largest_plan_restores_everything_after_any_other_plans(
    specification: list[tuple[bool, int]], between: list[Plan | None]
) -> None:
    world = world_of(specification)
    before = world.active
    for plan in between:
        world.on(plan)
    assert world.on(PARTNER) == before


@given(owned, st.lists(plans, min_size=1))
def test_enforcement_keeps_the_key_limit_and_is_idempotent(
    specification: list[tuple[bool, int]], sequence: list[Plan | None]
) -> None:
    world = world_of(specification)
    for plan in sequence:
        active = world.on(plan)
        assert sum(name in world.accounts.accounts for name in active) <= (plan.max_api_key if plan else 0)
        assert world.enforcement.enforce("user") == 0


@given(owned, plans, st.integers(0, 20))
def test_an_interrupted_enforcement_is_completed_by_the_next(
    specification: list[tuple[bool, int]], plan: Plan | None, done: int
) -> None:
    world, whole = world_of(specification), world_of(specification)
    usage: PlanUsage = world.usage.of("user")
    begun: list[Change] = list(changes(usage, plan))[:done]
    world.usage.apply("user", begun, usage.version, 1)
    assert world.on(plan) == whole.on(plan)
