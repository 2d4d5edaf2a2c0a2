"""The contract of the plan usage store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.credentials.model import SealedCredential
from purser.enforcement.model import Change, PlanUsage
from purser.enforcement.service import MOST_CHANGES, PlanUsageStore
from purser.enforcement.store import DynamoPlanUsageStore
from purser.follows.model import Follow
from purser.follows.store import DynamoFollowStore
from purser.snapshots.ports import ActiveAccounts
from purser.trading_accounts.model import ApiKeyStatus, StaleAccounts, TradingAccount
from purser.trading_accounts.service import TradingAccountStore
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.fakes import FakePlanUsage, FakeTradingAccounts, connected_account

NOW = 1_700_000_000_000


class Accounts(TradingAccountStore, ActiveAccounts, Protocol):
    """Trading accounts, and the index of those that are active."""


@dataclass
class World:
    """The store, and a user whose trading accounts and follows it reads."""

    usage: PlanUsageStore
    accounts: Accounts
    add_follow: Callable[[Follow], Any]
    user: str

    @property
    def version(self) -> int:
        return self.usage.of(self.user).version

    def connect(self) -> TradingAccount:
        account = connected_account(self.user, str(uuid4()))
        sealed = SealedCredential(account.credential_id, self.user, account.venue, account.api_key, b"sealed", NOW)
        self.accounts.connect(account, sealed, self.version)
        return account

    def follow(self, account: TradingAccount, symbol: str = "BTC/USDT") -> Follow:
        follow = Follow(str(uuid4()), self.user, account.id, symbol, "strategy", "risk", True, NOW, NOW)
        self.add_follow(follow)
        return follow

    def apply(self, *changes: Change, version: int | None = None) -> None:
        self.usage.apply(self.user, changes, self.version if version is None else version, NOW + 5)

    def states(self) -> dict[str, tuple[bool, bool]]:
        """Return whether each account and follow is active, and whether it is suspended."""
        usage = self.usage.of(self.user)
        limited: list[TradingAccount | Follow] = [*usage.accounts, *usage.follows]
        return {each.id: (each.active, each.suspended) for each in limited}

    def refuses(self, *changes: Change) -> None:
        before = self.usage.of(self.user)
        with pytest.raises(StaleAccounts):
            self.apply(*changes)
        assert self.usage.of(self.user) == before


@pytest.fixture
def world(tables: dict[str, str] | None) -> World:
    user = str(uuid4())
    if tables:
        table = Table(tables["KEYS_TABLE"])
        accounts = DynamoTradingAccountStore(table)
        return World(DynamoPlanUsageStore(table), accounts, DynamoFollowStore(table).add, user)
    memory = FakeTradingAccounts()
    usage = FakePlanUsage(memory)
    return World(usage, memory, lambda follow: usage.follows.update({follow.id: follow}), user)


ACTIVE, INACTIVE, SUSPENDED = (True, False), (False, False), (False, True)


def suspend(of: TradingAccount | Follow) -> Change:
    return Change(of, suspend=True)


def resume(of: TradingAccount | Follow) -> Change:
    return Change(of, suspend=False)


def test_usage_has_the_users_accounts_oldest_first_and_follows(world: World) -> None:
    assert world.usage.of(world.user) == PlanUsage(0, (), ())
    ids = {world.connect().id for _ in range(3)}
    account = world.accounts.connected(world.user).accounts[0]
    follows = {world.follow(account), world.follow(account, "ETH/USDT")}
    usage = world.usage.of(world.user)
    assert usage.accounts == world.accounts.connected(world.user).accounts
    assert {each.id for each in usage.accounts} == ids
    assert set(usage.follows) == follows
    assert usage.version == world.accounts.connected(world.user).version


def test_suspended_accounts_and_follows_resume_in_their_former_state(world: World) -> None:
    account = world.connect()
    follow = world.follow(account)
    before = world.usage.of(world.user)
    world.apply(suspend(account), suspend(follow))
    assert world.states() == {account.id: SUSPENDED, follow.id: SUSPENDED}
    assert account.id not in {ref.id for ref in world.accounts.active()}
    world.apply(resume(account), resume(follow))
    after = world.usage.of(world.user)
    assert after.version == before.version + 2
    assert after.follows == (replace(before.follows[0], updated_at=NOW + 5),)
    assert after.accounts == (replace(before.accounts[0], updated_at=NOW + 5, version=before.accounts[0].version + 2),)
    assert account.id in {ref.id for ref in world.accounts.active()}


def test_changes_apply_only_to_the_version_of_the_set_that_was_read(world: World) -> None:
    account = world.connect()
    version = world.version
    world.connect()
    before = world.usage.of(world.user)
    for changes in ([suspend(account)], []):
        for stale in (version, version + 2):
            with pytest.raises(StaleAccounts):
                world.apply(*changes, version=stale)
    assert world.usage.of(world.user) == before


def test_applying_no_changes_advances_the_version(world: World) -> None:
    version = world.version
    world.apply()
    assert world.version == version + 1


def test_of_two_writers_of_one_version_of_the_set_one_succeeds(world: World) -> None:
    version = world.version
    world.apply(version=version)
    account = connected_account(world.user, str(uuid4()))
    sealed = SealedCredential(account.credential_id, world.user, account.venue, account.api_key, b"sealed", NOW)
    with pytest.raises(StaleAccounts):
        world.accounts.connect(account, sealed, version)


def test_only_active_accounts_are_suspended_and_only_suspended_ones_resume(world: World) -> None:
    account = world.connect()
    follow = world.follow(account)
    for each in (account, follow):
        world.refuses(resume(each))
        world.apply(suspend(each))
        world.refuses(suspend(each))


def test_an_account_that_its_user_disabled_stays_disabled(world: World) -> None:
    account = world.connect()
    world.apply(suspend(account))
    world.accounts.disable(world.user, account.id, NOW)
    assert world.states() == {account.id: INACTIVE}
    world.refuses(resume(account))


def test_an_account_that_a_refusal_disabled_does_not_resume_beyond_the_plan(world: World) -> None:
    account = world.connect()
    off = world.accounts.refuse(account, NOW)
    assert off is not None
    world.apply(suspend(off))
    assert world.states() == {account.id: INACTIVE}
    world.accounts.mark(off, ApiKeyStatus.AUTHORIZED, NOW)
    assert world.states() == {account.id: INACTIVE}


def test_a_follow_that_ended_and_began_again_is_not_changed(world: World) -> None:
    account = world.connect()
    follow = world.follow(account)
    world.refuses(suspend(replace(follow, id=str(uuid4()))))
    world.apply(suspend(follow))
    world.refuses(resume(replace(follow, id=str(uuid4()))))


def test_an_unknown_account_is_not_changed(world: World) -> None:
    gone = connected_account(world.user, str(uuid4()))
    world.refuses(suspend(gone))
    world.refuses(resume(gone))


def test_all_changes_apply_or_none(world: World) -> None:
    first, second = world.connect(), world.connect()
    follow = world.follow(first)
    world.apply(suspend(second))
    world.refuses(suspend(first), suspend(follow), suspend(second))


def test_one_call_applies_as_many_changes_as_a_transaction_takes(world: World) -> None:
    accounts = [world.connect() for _ in range(MOST_CHANGES)]
    world.apply(*map(suspend, accounts))
    assert world.states() == {account.id: SUSPENDED for account in accounts}
