"""Connecting, changing and disconnecting trading accounts (contract.md: Create key, Update key, apiKeyStatus)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from purser import errors
from purser.actor import Actor
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS
from purser.disconnecting.service import ATTEMPT_MS, GRACE_MS, Cancellations
from purser.exchanges.model import AccountBalance, ApiCredential, TradeType, Venue
from purser.plans.model import CATALOG
from purser.snapshots.backfilling import BackfillRequests
from purser.trading_accounts.key_status import CONFIRMING_MS, LONGEST_BAN_MS, WIDESPREAD
from purser.trading_accounts.model import AccountStatus, ApiKeyStatus, StrategyType
from purser.trading_accounts.service import NewConnection, TradingAccounts
from tests.support.fakes import (
    FakeCancellations,
    FakeClock,
    FakeExchange,
    FakePlans,
    FakeQueue,
    FakeTradingAccounts,
    FakeVault,
    connected_account,
)
from tests.support.work import FakeWorkTelemetry

BASIC, _, PROFESSIONAL, _ = CATALOG


class World:
    """The service over fakes."""

    def __init__(self) -> None:
        self.store, self.exchange, self.plans = FakeTradingAccounts(), FakeExchange(), FakePlans(BASIC)
        self.queue, self.backfill_queue, self.clock = FakeQueue(), FakeQueue(), FakeClock()
        self.cancellations = Cancellations(
            FakeCancellations(self.store), FakeVault(), self.exchange, self.queue, FakeWorkTelemetry(), self.clock
        )
        self.service = TradingAccounts(
            self.store,
            FakeVault(),
            self.exchange,
            self.plans,
            self.cancellations,
            BackfillRequests(self.backfill_queue),
            self.clock,
            Decimal(1),
        )

    def connect(self, api_key: str, user: str = "user", **given: Any) -> str:
        fields: dict[str, Any] = {
            "id": str(uuid4()),
            "user_id": user,
            "venue": Venue.BINANCE,
            "trade_type": TradeType.SPOT,
            "strategy_type": StrategyType.MANUAL,
            "name": "Default",
            "api_key": api_key,
            "secret": "secret",
        }
        return self.service.connect(NewConnection(**(fields | given))).id


@pytest.fixture
def world() -> World:
    return World()


def test_a_connected_account_is_listed_authorized_and_valued(world: World) -> None:
    world.exchange.add("key", USDT="1000", BTC="0.01")
    account_id = world.connect("key")
    (account,) = world.service.of("user")
    assert (account.id, account.active, account.api_key_status) == (account_id, True, ApiKeyStatus.AUTHORIZED)
    assert world.service.total_usd("user") == Decimal(1200)


def test_connecting_an_account_requests_a_backfill(world: World) -> None:
    world.exchange.add("key")
    assert world.backfill_queue.sent == []
    account_id = world.connect("key")
    assert world.backfill_queue.sent == [{"tradingAccountId": account_id}]
    with pytest.raises(errors.AlreadyConnected):
        world.connect("key")
    assert len(world.backfill_queue.sent) == 1


def test_connecting_without_a_plan_is_refused_before_the_exchange_is_asked(world: World) -> None:
    world.plans.plan = None
    world.exchange.add("key")
    with pytest.raises(errors.KeyLimitExceeded):
        world.connect("key")
    assert world.exchange.calls == []


def test_inactive_accounts_count_towards_the_key_limit(world: World) -> None:
    for name in ("a", "b", "c"):
        world.exchange.add(name)
    first = world.connect("a")
    world.service.update("user", first, active=False)
    world.connect("b")
    with pytest.raises(errors.KeyLimitExceeded):
        world.connect("c")


def test_connecting_checks_in_the_order_of_the_contract(world: World) -> None:
    """2129a, 1109, 1103, 1130, 2129b: if several apply, the first one is answered."""
    world.exchange.add("theirs", secret="theirs", USDT="1")
    world.connect("theirs", user="other", secret="theirs")
    world.exchange.add("theirs", secret="theirs", withdrawals=True, USDT="9999")
    with pytest.raises(errors.AlreadyConnected):
        world.connect("theirs", secret="wrong")
    world.exchange.add("greedy", withdrawals=True, USDT="9999")
    with pytest.raises(errors.ExchangeAuthorizationFailed):
        world.connect("greedy", secret="wrong")
    with pytest.raises(errors.WithdrawalsAllowed):
        world.connect("greedy")
    world.exchange.keys["greedy"].withdrawals = False
    with pytest.raises(errors.BalanceLimitExceeded):
        world.connect("greedy")
    world.plans.plan = None
    with pytest.raises(errors.KeyLimitExceeded):
        world.connect("theirs", secret="wrong")


@pytest.mark.parametrize(
    "failure", [errors.ExchangeUnavailable(), errors.ExchangeRateLimited(), errors.ExchangeBadRequest()]
)
def test_a_failed_connection_stores_nothing(world: World, failure: errors.PurserError) -> None:
    world.exchange.add("key")
    world.exchange.failing = failure
    with pytest.raises(type(failure)):
        world.connect("key")
    assert not world.store.accounts
    assert not world.store.credentials
    world.exchange.failing = None
    world.connect("key")


def test_one_api_key_serves_spot_and_futures_of_one_user_only(world: World) -> None:
    world.exchange.add("key")
    world.connect("key")
    with pytest.raises(errors.AlreadyConnected):
        world.connect("key")
    with pytest.raises(errors.AlreadyConnected):
        world.connect("key", user="other", trade_type=TradeType.FUTURES)
    world.connect("key", trade_type=TradeType.FUTURES)


def test_the_balance_limit_counts_all_accounts_together(world: World) -> None:
    world.exchange.add("a", USDT="1500")
    world.exchange.add("b", USDT="1000.00000001")
    world.connect("a")
    with pytest.raises(errors.BalanceLimitExceeded):
        world.connect("b")
    world.exchange.keys["b"].balances["USDT"] = Decimal(1000)
    world.connect("b")


def test_concurrent_connections_cannot_exceed_the_key_limit(world: World) -> None:
    world.plans.plan = PROFESSIONAL
    keys = [world.exchange.add(f"key{i}") for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(world.connect, key) for key in keys]
    failures = [f.exception() for f in futures if f.exception()]
    assert [type(f) for f in failures] == [errors.KeyLimitExceeded]
    assert len(world.service.of("user")) == 5


def test_concurrent_connections_cannot_exceed_the_balance_limit(world: World) -> None:
    for name in ("a", "b"):
        world.exchange.add(name, USDT="2000")
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(world.connect, key) for key in ("a", "b")]
    failures = [f.exception() for f in futures if f.exception()]
    assert [type(f) for f in failures] == [errors.BalanceLimitExceeded]


def test_connecting_again_with_the_same_id_returns_the_same_account(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key", id="11111111-1111-4111-8111-111111111111")
    assert world.connect("key", id=account_id) == account_id
    assert len(world.service.of("user")) == 1


def test_the_account_of_another_user_is_not_found(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    for attempt in (world.service.known, world.service.balance, world.service.disconnect):
        with pytest.raises(errors.NotFound):
            attempt("other", account_id)
    with pytest.raises(errors.NotFound):
        world.service.update("other", account_id, name="mine now")
    assert world.service.known("user", account_id).name == "Default"


def test_a_key_that_the_exchange_rejects_becomes_unauthorized_and_inactive(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    del world.exchange.keys["key"]
    with pytest.raises(errors.ExchangeAuthorizationFailed):
        world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)


def test_an_outage_marks_a_key_failed_until_the_next_success_and_leaves_it_active(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.failing = errors.ExchangeUnavailable()
    with pytest.raises(errors.ExchangeUnavailable):
        world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (True, ApiKeyStatus.FAILED)
    world.exchange.failing = None
    world.service.balance("user", account_id)
    assert world.service.known("user", account_id).api_key_status is ApiKeyStatus.AUTHORIZED


def test_an_account_that_a_refusal_disabled_is_active_again_when_its_key_is_accepted(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    alive = world.exchange.keys.pop("key")
    with pytest.raises(errors.ExchangeAuthorizationFailed):
        world.service.balance("user", account_id)
    world.exchange.keys["key"] = alive
    world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (True, ApiKeyStatus.AUTHORIZED)


def test_an_account_that_its_user_disabled_stays_disabled_when_its_key_is_accepted(world: World) -> None:
    world.exchange.add("key")
    for disabled_before in (True, False):
        account_id = world.connect("key")
        if disabled_before:
            world.service.update("user", account_id, active=False)
        alive = world.exchange.keys.pop("key")
        with pytest.raises(errors.ExchangeAuthorizationFailed):
            world.service.balance("user", account_id)
        if not disabled_before:
            world.service.update("user", account_id, active=False)
        world.exchange.keys["key"] = alive
        world.service.balance("user", account_id)
        account = world.service.known("user", account_id)
        assert (account.active, account.api_key_status) == (False, ApiKeyStatus.AUTHORIZED)
        world.service.disconnect("user", account_id)


class TestAnAmbiguousRefusal:
    """The exchange may mean our IP address, which it bans for a while."""

    def refused(self, world: World, account_id: str, user: str = "user") -> tuple[bool, ApiKeyStatus]:
        """Ask for a balance while every key is refused. Return the state of the account."""
        world.exchange.failing = errors.ExchangeAuthorizationFailed(is_ambiguous=True)
        with pytest.raises(errors.ExchangeAuthorizationFailed):
            world.service.balance(user, account_id)
        world.exchange.failing = None
        account = world.service.known(user, account_id)
        return account.active, account.api_key_status

    def test_counts_after_a_second_one_later(self, world: World) -> None:
        world.exchange.add("key")
        account_id = world.connect("key")
        for _ in range(3):
            assert self.refused(world, account_id) == (True, ApiKeyStatus.FAILED)
        world.clock.advance(CONFIRMING_MS - 1)
        assert self.refused(world, account_id) == (True, ApiKeyStatus.FAILED)
        world.clock.advance(1)
        assert self.refused(world, account_id) == (False, ApiKeyStatus.UNAUTHORIZED)
        assert [each.type.value for each in world.store.operations] == ["CONNECT", "DISABLE"]
        world.service.balance("user", account_id)
        account = world.service.known("user", account_id)
        assert (account.active, account.api_key_status) == (True, ApiKeyStatus.AUTHORIZED)

    def test_begins_anew_after_the_key_was_accepted(self, world: World) -> None:
        world.exchange.add("key")
        account_id = world.connect("key")
        self.refused(world, account_id)
        world.clock.advance(CONFIRMING_MS)
        world.service.balance("user", account_id)
        assert world.service.known("user", account_id).api_key_status is ApiKeyStatus.AUTHORIZED
        assert self.refused(world, account_id) == (True, ApiKeyStatus.FAILED)

    def test_is_no_reason_to_wait_once_the_key_is_refused_for_certain(self, world: World) -> None:
        world.exchange.add("key")
        account_id = world.connect("key")
        self.refused(world, account_id)
        del world.exchange.keys["key"]
        with pytest.raises(errors.ExchangeAuthorizationFailed):
            world.service.balance("user", account_id)
        account = world.service.known("user", account_id)
        assert (account.active, account.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)

    def test_of_several_users_is_attributed_to_our_address_until_the_longest_ban_is_over(self, world: World) -> None:
        users = [f"user {i}" for i in range(WIDESPREAD)]
        accounts = {user: world.connect(world.exchange.add(f"key of {user}"), user) for user in users}
        for wait in (0, CONFIRMING_MS, 3 * 24 * 3600 * 1000):
            world.clock.advance(wait)
            for user, account_id in accounts.items():
                assert self.refused(world, account_id, user) == (True, ApiKeyStatus.FAILED)
        world.clock.advance(LONGEST_BAN_MS)
        for user, account_id in accounts.items():
            assert self.refused(world, account_id, user) == (False, ApiKeyStatus.UNAUTHORIZED)

    def test_of_one_user_with_many_keys_is_attributed_to_the_user(self, world: World) -> None:
        world.plans.plan = PROFESSIONAL
        accounts = [world.connect(world.exchange.add(f"key {i}")) for i in range(WIDESPREAD)]
        for account_id in accounts:
            self.refused(world, account_id)
        world.clock.advance(CONFIRMING_MS)
        assert [self.refused(world, account_id)[0] for account_id in accounts] == [False] * WIDESPREAD

    def test_leaves_the_orders_of_a_disconnected_account_to_be_cancelled(self, world: World) -> None:
        world.exchange.add("key")
        world.exchange.keys["key"].open_orders = 2
        account_id = world.connect("key")
        world.exchange.failing = errors.ExchangeAuthorizationFailed(is_ambiguous=True)
        world.service.disconnect("user", account_id)
        assert world.store.outcomes == {}
        world.exchange.failing = None
        world.clock.advance(ATTEMPT_MS + GRACE_MS)
        world.cancellations.resume(account_id)
        assert (world.exchange.keys["key"].open_orders, world.store.outcomes) == (0, {account_id: "SUCCESS"})


@pytest.mark.parametrize("failure", [errors.ExchangeRateLimited(), errors.ExchangeBadRequest()])
def test_other_failures_leave_the_account_unchanged(world: World, failure: errors.PurserError) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.failing = failure
    with pytest.raises(type(failure)):
        world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (True, ApiKeyStatus.AUTHORIZED)


def test_enabling_checks_the_key_and_the_limits_again(world: World) -> None:
    world.exchange.add("key", USDT="100")
    account_id = world.connect("key", active=False)
    world.exchange.keys["key"].withdrawals = True
    with pytest.raises(errors.WithdrawalsAllowed):
        world.service.update("user", account_id, active=True, name="Renamed")
    assert world.service.known("user", account_id).name == "Default", "a refusal changes nothing"
    world.exchange.keys["key"].withdrawals = False
    world.exchange.keys["key"].balances["USDT"] = Decimal(2501)
    with pytest.raises(errors.BalanceLimitExceeded):
        world.service.update("user", account_id, active=True)
    world.exchange.keys["key"].balances["USDT"] = Decimal(200)
    account = world.service.update("user", account_id, active=True, name="Renamed")
    assert (account.active, account.name) == (True, "Renamed")
    assert world.service.total_usd("user") == Decimal(200)


def test_disconnecting_cancels_the_orders_and_destroys_the_credential(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.keys["key"].open_orders = 3
    world.service.disconnect("user", account_id)
    assert world.exchange.keys["key"].open_orders == 0
    assert world.service.of("user") == ()
    assert not world.store.credentials
    assert not world.store.cancellations
    assert world.store.outcomes[account_id] == "SUCCESS"


def test_an_outage_delays_cancelling_but_not_disconnecting(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.keys["key"].open_orders = 1
    world.exchange.failing = errors.ExchangeUnavailable()
    world.service.disconnect("user", account_id)
    assert world.service.of("user") == ()
    assert not world.store.credentials
    assert world.queue.sent == [{"tradingAccountId": account_id}]
    with pytest.raises(errors.ExchangeUnavailable):
        world.cancellations.resume(account_id)
    world.exchange.failing = None
    world.cancellations.resume(account_id)
    assert world.exchange.keys["key"].open_orders == 0
    assert not world.store.cancellations


def test_the_credential_is_destroyed_after_24_hours_even_if_orders_are_still_open(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.failing = errors.ExchangeUnavailable()
    world.service.disconnect("user", account_id)
    world.clock.advance(CANCELLATION_LIFETIME_MS)
    world.cancellations.resume(account_id)
    assert not world.store.cancellations
    assert world.store.outcomes[account_id] == "FAILED"


def test_a_disconnected_key_can_be_connected_again(world: World) -> None:
    world.exchange.add("key")
    world.service.disconnect("user", world.connect("key"))
    world.connect("key", user="other")


def disconnected_in_an_outage(world: World, api_key: str = "key", **given: Any) -> str:
    """Disconnect a trading account during an outage, with an open order, and return its id."""
    world.exchange.add(api_key)
    account_id = world.connect(api_key, **given)
    world.exchange.keys[api_key].open_orders = 1
    world.exchange.failing = errors.ExchangeUnavailable()
    world.service.disconnect("user", account_id)
    world.exchange.failing = None
    return account_id


def test_connecting_a_key_again_first_finishes_its_pending_cancellation(world: World) -> None:
    disconnected = disconnected_in_an_outage(world)
    world.connect("key", user="other")
    assert world.exchange.keys["key"].open_orders == 0
    assert world.store.outcomes == {disconnected: "SUCCESS"}
    world.exchange.keys["key"].open_orders = 2
    world.cancellations.resume(disconnected)
    assert world.exchange.keys["key"].open_orders == 2, "the open orders are those of the new account"


def test_connecting_leaves_a_cancellation_of_the_other_trade_type_pending(world: World) -> None:
    disconnected_in_an_outage(world)
    world.connect("key", trade_type=TradeType.FUTURES)
    assert world.exchange.keys["key"].open_orders == 1
    assert len(world.store.cancellations) == 1


def test_a_key_cannot_be_connected_while_its_orders_are_being_cancelled(world: World) -> None:
    disconnected = disconnected_in_an_outage(world)

    def connect_anew() -> None:
        with pytest.raises(errors.Contended):
            world.connect("key", user="other")

    world.exchange.meanwhile = connect_anew
    world.cancellations.resume(disconnected)
    assert world.store.outcomes == {disconnected: "SUCCESS"}
    world.connect("key", user="other")


def test_an_interrupted_cancellation_keeps_its_lease_until_its_requests_have_expired(world: World) -> None:
    disconnected = disconnected_in_an_outage(world)

    def cut() -> None:
        raise KeyboardInterrupt

    world.exchange.meanwhile = cut
    with pytest.raises(KeyboardInterrupt):
        world.cancellations.resume(disconnected)
    for attempt in (world.cancellations.resume, lambda _: world.connect("key")):
        with pytest.raises(errors.Contended):
            attempt(disconnected)
    world.clock.advance(ATTEMPT_MS + GRACE_MS)
    world.connect("key")
    assert world.store.outcomes == {disconnected: "SUCCESS"}


@pytest.mark.parametrize("failure", [errors.ExchangeUnavailable(), errors.ExchangeRateLimited()])
def test_a_key_cannot_be_connected_while_the_exchange_cannot_cancel_its_orders(
    world: World, failure: errors.PurserError
) -> None:
    disconnected = disconnected_in_an_outage(world)
    world.exchange.refusing_to_cancel = failure
    with pytest.raises(type(failure)):
        world.connect("key")
    assert world.service.of("user") == ()
    assert set(world.store.cancellations) == {disconnected}
    world.exchange.refusing_to_cancel = None
    with pytest.raises(errors.Contended):
        world.connect("key")
    world.clock.advance(ATTEMPT_MS + GRACE_MS)  # the request without an answer may act until then
    world.connect("key")


def test_a_key_can_be_connected_although_the_exchange_refuses_to_cancel_its_orders(world: World) -> None:
    disconnected = disconnected_in_an_outage(world)
    world.exchange.refusing_to_cancel = errors.ExchangeBadRequest()
    world.connect("key")
    assert world.store.outcomes == {disconnected: "FAILED"}
    assert not world.store.cancellations


def test_no_cancelling_starts_that_could_outlast_the_lifetime_of_the_credential(world: World) -> None:
    disconnected = disconnected_in_an_outage(world)
    world.clock.advance(CANCELLATION_LIFETIME_MS - ATTEMPT_MS - GRACE_MS)
    asked = len(world.exchange.calls)
    world.cancellations.resume(disconnected)
    assert len(world.exchange.calls) == asked
    assert set(world.store.cancellations) == {disconnected}


ID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    "other",
    [
        {"api_key": "other"},
        {"trade_type": TradeType.FUTURES},
        {"trade_type": TradeType.FUTURES, "strategy_type": StrategyType.AUTOMATED},
    ],
)
def test_an_id_reused_for_another_request_is_refused(world: World, other: dict[str, Any]) -> None:
    for name in ("key", "other"):
        world.exchange.add(name)
    world.connect("key", id=ID)
    with pytest.raises(errors.IdempotencyKeyReused):
        world.connect(**({"api_key": "key", "id": ID} | other))
    assert [account.id for account in world.service.of("user")] == [ID]


def test_a_disconnected_account_cannot_be_connected_again_under_its_id(world: World) -> None:
    world.exchange.add("key")
    world.service.disconnect("user", world.connect("key", id=ID))
    with pytest.raises(errors.IdempotencyKeyReused):
        world.connect("key", id=ID)
    assert world.service.of("user") == ()


@pytest.mark.parametrize("failure", [errors.ExchangeUnavailable(), errors.Unavailable(), ValueError("a fault of ours")])
def test_a_failure_to_cancel_does_not_fail_the_disconnecting(world: World, failure: Exception) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.failing = failure
    world.service.disconnect("user", account_id)
    assert world.queue.sent == [{"tradingAccountId": account_id}]
    assert set(world.store.cancellations) == {account_id}


def test_orders_are_cancelled_even_when_the_queue_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> int:
        raise errors.Unavailable

    monkeypatch.setattr(world.queue, "send", down)
    world.exchange.add("key")
    account_id = world.connect("key")
    world.service.disconnect("user", account_id)
    assert world.store.outcomes == {account_id: "SUCCESS"}


def test_a_slow_disconnect_leaves_cancelling_to_the_message_already_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = world.queue.send

    def slow(messages: Iterable[Mapping[str, Any]], *, delay_s: int = 0) -> int:
        world.clock.advance(ATTEMPT_MS)
        return send(messages, delay_s=delay_s)

    monkeypatch.setattr(world.queue, "send", slow)
    world.exchange.add("key")
    account_id = world.connect("key")
    asked = len(world.exchange.calls)
    world.service.disconnect("user", account_id)
    assert world.queue.sent == [{"tradingAccountId": account_id}]
    assert len(world.exchange.calls) == asked
    world.cancellations.resume(account_id)
    assert world.store.outcomes == {account_id: "SUCCESS"}


def test_an_outage_does_not_overwrite_the_status_of_a_rejected_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.exchange.failing = errors.ExchangeUnavailable()
    account_balance = world.exchange.account_balance

    def reject_meanwhile(credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        world.store.refuse(world.service.known("user", account_id), world.clock())
        return account_balance(credential, trade_type)

    monkeypatch.setattr(world.exchange, "account_balance", reject_meanwhile)
    with pytest.raises(errors.ExchangeUnavailable):
        world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)


def test_a_late_rejection_does_not_disable_an_account_enabled_in_the_meantime(world: World) -> None:
    world.exchange.add("key")
    account_id = world.connect("key")
    world.service.update("user", account_id, active=False)
    dead, well = world.exchange.keys.pop("key"), world.exchange.keys

    def heal() -> None:
        world.clock.advance(1)
        well["key"] = dead
        world.service.update("user", account_id, active=True)

    world.exchange.meanwhile = heal
    with pytest.raises(errors.ExchangeAuthorizationFailed):
        world.service.balance("user", account_id)
    account = world.service.known("user", account_id)
    assert (account.active, account.api_key_status) == (True, ApiKeyStatus.AUTHORIZED)


def test_every_change_has_an_audit_entry_with_its_author(world: World) -> None:
    world.exchange.add("key")
    by = Actor("someone", request_id="request")
    new = NewConnection(
        str(uuid4()), "user", Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "Default", "key", "secret"
    )
    account = world.service.connect(new, by)
    world.service.update("user", account.id, name="New", active=False, by=by)
    world.service.update("user", account.id, active=True, by=by)
    del world.exchange.keys["key"]
    for _ in range(2):
        with pytest.raises(errors.ExchangeAuthorizationFailed):
            world.service.balance("user", account.id)
    world.exchange.add("key")
    world.service.balance("user", account.id)
    world.service.disconnect("user", account.id, by)
    operations = [(each.type.value, each.actor.user_id, each.status.value) for each in world.store.operations]
    assert operations == [
        ("CONNECT", "someone", "SUCCESS"),
        ("DISABLE", "someone", "SUCCESS"),
        ("UPDATE", "someone", "SUCCESS"),
        ("ENABLE", "someone", "SUCCESS"),
        ("DISABLE", "system", "SUCCESS"),
        ("ENABLE", "system", "SUCCESS"),
        ("DISCONNECT", "someone", "PENDING"),
    ]


def test_the_account_status_follows_the_contract() -> None:
    account = connected_account("user", "id")
    dead = replace(account, active=False, api_key_status=ApiKeyStatus.UNAUTHORIZED)
    seen = {
        AccountStatus.ACTIVE: [account, replace(account, api_key_status=ApiKeyStatus.FAILED)],
        AccountStatus.INACTIVE: [replace(account, active=False)],
        AccountStatus.UNAVAILABLE: [dead],
        AccountStatus.DISCONNECTED: [replace(dead, disconnected_at=1), replace(account, disconnected_at=1)],
    }
    assert all(each.status is status for status, accounts in seen.items() for each in accounts)
