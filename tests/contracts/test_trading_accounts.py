"""The contract of the trading account store, and of the index of active accounts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.disconnecting.model import Cancellation, StillCancelling
from purser.errors import AlreadyConnected, IdempotencyKeyReused
from purser.exchanges.model import TradeType, Venue
from purser.snapshots.ports import AccountStore, ActiveAccounts
from purser.trading_accounts.model import (
    AccountRef,
    AccountValuation,
    ApiKeyStatus,
    StaleAccounts,
    TradingAccount,
    TradingLimits,
)
from purser.trading_accounts.service import TradingAccountStore
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.accounts import sealed_credential, trading_account
from tests.support.fakes import FakeTradingAccounts

NOW = 1_700_000_000_000


class Store(TradingAccountStore, AccountStore, ActiveAccounts, Protocol):
    """Trading accounts, as their users and the workers change them."""


@pytest.fixture
def store(tables: dict[str, str] | None) -> Store:
    return DynamoTradingAccountStore(Table(tables["KEYS_TABLE"])) if tables else FakeTradingAccounts()


@pytest.fixture
def user() -> str:
    return str(uuid4())


def an_account(user: str, **given: Any) -> TradingAccount:
    return trading_account(str(uuid4()), user, **({"created_at": NOW, "updated_at": NOW} | given))


def connect(store: Store, account: TradingAccount) -> TradingAccount:
    store.connect(account, sealed_credential(account), store.connected(account.user_id).version)
    return account


def disconnect(store: Store, account: TradingAccount) -> bool:
    cancellation = Cancellation(account.id, account.trade_type, sealed_credential(account), NOW, due_at=NOW)
    return store.disconnect(account, cancellation, NOW + 9)


def is_active(store: Store, account: TradingAccount) -> bool:
    return AccountRef(account.user_id, account.id) in set(store.active())


def valued(at: int) -> AccountValuation:
    return AccountValuation(Decimal(at), at)


def test_a_connected_account_belongs_to_its_user(store: Store, user: str) -> None:
    assert store.connected(user).accounts == ()
    account = connect(store, an_account(user))
    assert store.connected(user).accounts == (account,)
    assert store.get(user, account.id) == store.known(user, account.id) == account
    assert store.with_credential(user, account.id) == (account, sealed_credential(account))
    other = str(uuid4())
    assert store.connected(other).accounts == ()
    assert store.get(other, account.id) is None
    assert store.known(other, account.id) is None
    assert store.with_credential(other, account.id) is None


def test_accounts_are_listed_oldest_first(store: Store, user: str) -> None:
    accounts = [an_account(user, created_at=NOW + age) for age in (2, 0, 1)]
    for account in accounts:
        connect(store, account)
    assert store.connected(user).accounts == (accounts[1], accounts[2], accounts[0])


def test_of_two_writers_of_one_version_of_the_set_one_connects(store: Store, user: str) -> None:
    version = store.connected(user).version
    first, second = an_account(user), an_account(user)
    store.connect(first, sealed_credential(first), version)
    with pytest.raises(StaleAccounts):
        store.connect(second, sealed_credential(second), version)
    assert store.connected(user).accounts == (first,)
    assert not store.is_claimed(str(uuid4()), Venue.BINANCE, second.api_key, TradeType.SPOT)


def test_an_account_connects_once(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    with pytest.raises(StaleAccounts):
        connect(store, replace(account, name="Again", api_key=str(uuid4())))
    assert store.get(user, account.id) == account


def test_an_api_key_belongs_to_one_user_and_connects_once_for_each_trade_type(store: Store, user: str) -> None:
    account = connect(store, an_account(user))

    def is_claimed(by: str, trade_type: TradeType) -> bool:
        return store.is_claimed(by, Venue.BINANCE, account.api_key, trade_type)

    assert is_claimed(user, TradeType.SPOT)
    assert not is_claimed(user, TradeType.FUTURES)
    other = str(uuid4())
    assert is_claimed(other, TradeType.FUTURES)
    for taken in (an_account(user, api_key=account.api_key), an_account(other, api_key=account.api_key)):
        with pytest.raises(AlreadyConnected):
            connect(store, taken)
        assert store.get(taken.user_id, taken.id) is None
    connect(store, an_account(user, api_key=account.api_key, trade_type=TradeType.FUTURES))
    assert is_claimed(user, TradeType.FUTURES)


def test_a_disconnected_account_is_known_but_not_listed_or_claimed(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    version = store.connected(user).version
    assert disconnect(store, account)
    assert store.connected(user).accounts == ()
    assert store.connected(user).version != version
    assert store.get(user, account.id) is None
    assert store.known(user, account.id) == replace(account, active=False, updated_at=NOW + 9, disconnected_at=NOW + 9)
    assert not is_active(store, account)
    assert not store.is_claimed(str(uuid4()), Venue.BINANCE, account.api_key, TradeType.SPOT)
    assert not disconnect(store, account)


def test_a_disconnected_account_cannot_be_changed(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    disconnect(store, account)
    known = store.known(user, account.id)
    assert store.rename(user, account.id, "New", NOW + 10) is None
    assert store.disable(user, account.id, NOW + 10) is None
    assert store.activate(account, valued(NOW), NOW + 10, store.connected(user).version) is None
    store.mark(account, ApiKeyStatus.FAILED, NOW + 10)
    store.record_valuation(user, account.id, valued(NOW))
    assert store.known(user, account.id) == known


def test_a_key_whose_orders_are_still_to_be_cancelled_does_not_connect(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    disconnect(store, account)
    with pytest.raises(StillCancelling):
        connect(store, an_account(user, api_key=account.api_key))
    connect(store, an_account(user, api_key=account.api_key, trade_type=TradeType.FUTURES))


def test_the_id_of_a_disconnected_account_cannot_be_connected_again(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    disconnect(store, account)
    with pytest.raises(IdempotencyKeyReused):
        connect(store, replace(account, api_key=str(uuid4())))


def test_each_change_makes_a_new_version(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    renamed = store.rename(user, account.id, "New", NOW + 1)
    assert renamed == replace(account, name="New", updated_at=NOW + 1, version=2)
    assert store.get(user, account.id) == renamed
    assert store.rename(str(uuid4()), account.id, "Theirs", NOW + 1) is None


def test_limits_are_set_changed_and_removed(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    store.limit(user, account.id, {"max_daily_loss_percent": Decimal("2.5"), "max_open_trades": 4}, NOW + 1)
    limited = store.get(user, account.id)
    limits = TradingLimits(Decimal("2.5"), 4)
    assert limited == replace(account, limits=limits, updated_at=NOW + 1, version=2)
    changed = store.limit(user, account.id, {"max_daily_loss_percent": None}, NOW + 2)
    assert changed == replace(account, limits=TradingLimits(None, 4), updated_at=NOW + 2, version=3)
    assert store.limit(str(uuid4()), account.id, {"max_open_trades": 1}, NOW + 2) is None


@pytest.mark.parametrize("by_user", [True, False])
def test_an_inactive_account_is_in_no_index(store: Store, user: str, by_user: bool) -> None:
    account = connect(store, an_account(user))
    assert is_active(store, account)
    off = store.disable(user, account.id, NOW + 1) if by_user else store.refuse(account, NOW + 1)
    expected = replace(account, active=False, updated_at=NOW + 1, version=2)
    if not by_user:
        expected = replace(expected, api_key_status=ApiKeyStatus.UNAUTHORIZED, resumes=True)
    assert off == expected
    assert not is_active(store, account)
    on = store.activate(off, valued(NOW), NOW + 2, store.connected(user).version)
    assert on == replace(account, valuation=valued(NOW), updated_at=NOW + 2, version=3, validations=1)
    assert is_active(store, account)


def test_a_refusal_is_recorded_whatever_else_has_changed(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    store.rename(user, account.id, "New", NOW + 1)
    store.record_valuation(user, account.id, valued(NOW + 1))
    store.mark(account, ApiKeyStatus.FAILED, NOW + 1)
    off = store.refuse(account, NOW + 2)
    assert off is not None
    assert (off.active, off.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)
    assert not is_active(store, account)


def test_an_account_disabled_by_a_refusal_resumes_when_its_key_is_accepted(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    off = store.refuse(account, NOW + 1)
    assert off is not None
    version = store.connected(user).version
    store.mark(off, ApiKeyStatus.AUTHORIZED, NOW + 2)
    assert store.get(user, account.id) == replace(account, updated_at=NOW + 2, version=3)
    assert is_active(store, account)
    assert store.connected(user).version != version


def test_an_account_disabled_by_its_user_does_not_resume(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    off = store.refuse(account, NOW + 1)
    assert off is not None
    store.disable(user, account.id, NOW + 2)
    store.mark(off, ApiKeyStatus.AUTHORIZED, NOW + 3)
    assert not is_active(store, account)
    by_user = connect(store, an_account(user))
    store.disable(user, by_user.id, NOW + 1)
    off = store.refuse(by_user, NOW + 2)
    assert off is not None
    store.mark(off, ApiKeyStatus.AUTHORIZED, NOW + 3)
    marked = store.get(user, by_user.id)
    assert marked is not None
    assert (marked.active, marked.api_key_status) == (False, ApiKeyStatus.AUTHORIZED)


@pytest.mark.parametrize("way", ["mark", "value", "activate"])
def test_the_first_ambiguous_refusal_is_kept_until_the_key_is_accepted(store: Store, user: str, way: str) -> None:
    account = connect(store, an_account(user))
    store.suspect(account, NOW + 1)
    doubted = replace(account, api_key_status=ApiKeyStatus.FAILED, refused_at=NOW + 1, updated_at=NOW + 1)
    doubted = replace(doubted, version=2)
    assert store.get(user, account.id) == doubted
    store.suspect(doubted, NOW + 2)
    assert store.get(user, account.id) == doubted
    if way == "mark":
        store.mark(doubted, ApiKeyStatus.AUTHORIZED, NOW + 3)
    elif way == "value":
        store.record_valuation(user, account.id, valued(NOW + 3))
    else:
        store.activate(doubted, valued(NOW + 3), NOW + 3, store.connected(user).version)
    accepted = store.get(user, account.id)
    assert accepted is not None
    assert (accepted.api_key_status, accepted.refused_at) == (ApiKeyStatus.AUTHORIZED, None)


def test_an_ambiguous_refusal_of_another_key_than_the_present_one_is_not_kept(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    store.activate(account, valued(NOW), NOW, store.connected(user).version)
    store.suspect(account, NOW + 1)
    known = store.get(user, account.id)
    assert known is not None
    assert (known.api_key_status, known.refused_at) == (ApiKeyStatus.AUTHORIZED, None)


def test_the_users_whose_keys_are_refused_within_minutes_are_counted(store: Store, user: str) -> None:
    long_ago = int(uuid4()) % 10**12  # The tables are shared: no other test has this time.
    accounts = [connect(store, an_account(f"{user} {i}")) for i in range(5)]
    assert [store.suspect(account, long_ago) for account in accounts] == [1, 2, 3, 3, 3]
    other = connect(store, an_account(f"{user} 1", refused_at=None))
    assert store.suspect(other, long_ago + 24 * 3600 * 1000) == 1
    refused_then = replace(accounts[0], refused_at=long_ago)
    assert store.suspect(refused_then, long_ago + 24 * 3600 * 1000) == 3


def test_a_refusal_is_recorded_once(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    off = store.refuse(account, NOW + 1)
    assert store.refuse(account, NOW + 2) is None
    assert store.get(user, account.id) == off


def test_a_refusal_does_not_disable_an_account_that_was_enabled_since(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    for now in (NOW, NOW + 5):
        read = store.get(user, account.id)
        assert read is not None
        store.disable(user, account.id, now)
        on = store.activate(read, valued(now), now, store.connected(user).version)
        assert on is not None
        assert store.refuse(read, now) is None
        assert store.get(user, account.id) == on
    read = store.get(user, account.id)
    assert read is not None
    assert store.refuse(read, NOW + 9) is not None


def test_an_account_is_activated_in_the_set_that_was_read(store: Store, user: str) -> None:
    account = connect(store, an_account(user, active=False))
    version = store.connected(user).version
    connect(store, an_account(user))
    with pytest.raises(StaleAccounts):
        store.activate(account, valued(NOW), NOW + 1, version)
    assert store.get(user, account.id) == account


def test_a_key_status_is_recorded_only_at_the_version_that_was_read(store: Store, user: str) -> None:
    account = connect(store, an_account(user))
    store.mark(account, ApiKeyStatus.FAILED, NOW + 1)
    marked = replace(account, api_key_status=ApiKeyStatus.FAILED, updated_at=NOW + 1, version=2)
    assert store.get(user, account.id) == marked
    store.mark(account, ApiKeyStatus.UNAUTHORIZED, NOW + 2)
    assert store.get(user, account.id) == marked


def test_active_accounts_can_be_read_from_any_on(store: Store, user: str) -> None:
    for _ in range(4):
        connect(store, an_account(user))

    def of_user(after: str | None = None) -> list[AccountRef]:
        return [ref for ref in store.active(after) if ref.user_id == user]

    every = of_user()
    assert len(every) == 4
    for place, ref in enumerate(every):
        assert of_user(ref.id) == every[place + 1 :]


def test_the_latest_valuation_of_an_active_account_is_kept(store: Store, user: str) -> None:
    account = connect(store, an_account(user, api_key_status=ApiKeyStatus.FAILED))
    for at in (NOW + 2, NOW + 1, NOW + 2):
        store.record_valuation(user, account.id, valued(at))
    valuated = replace(account, valuation=valued(NOW + 2), api_key_status=ApiKeyStatus.AUTHORIZED, version=2)
    assert store.get(user, account.id) == valuated
    off = store.disable(user, account.id, NOW + 3)
    store.record_valuation(user, account.id, valued(NOW + 4))
    assert store.get(user, account.id) == off
