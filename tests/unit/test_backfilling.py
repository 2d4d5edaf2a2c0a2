"""Backfills fetch exactly the past days that the exchange remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeRateLimited,
    ExchangeUnavailable,
    Unavailable,
)
from purser.snapshots.backfilling import BackfillRequests
from purser.snapshots.model import READY_MS, Snapshot, Source, past_days
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus
from purser.work.model import RESEND_AFTER_MS
from purser.work.sweeper import SENDING_S, SWEEP_INTERVAL_MS
from tests.support.backfills import NOON, PAUSE_MS, Past
from tests.support.crashes import Killed
from tests.support.snapshots import DAY, HOUR, MAX_RECEIVES, MINUTE, MORNING, TODAY, YESTERDAY, World


@pytest.fixture
def past() -> Past:
    return Past()


def month(past: Past, amount: str = "10") -> dict[str, dict[str, str]]:
    """Return a balance in USDC for each day that the exchange can remember."""
    return {day: {"USDC": amount} for day in past.days}


def test_the_past_days_are_the_last_thirty_complete_days() -> None:
    days = past_days(NOON)
    assert (len(days), days[0], days[-1]) == (30, "2026-10-21", YESTERDAY)
    assert days == past_days(MORNING - 5 * MINUTE) == sorted(days)
    assert past_days(MORNING - 5 * MINUTE - 1)[-1] == "2026-11-18"


def test_a_new_account_gets_the_days_that_the_exchange_remembers(past: Past) -> None:
    past.exchange.closes = {
        "USDC/USDT": {past.ago(1): Decimal("1.25"), past.ago(2): Decimal(1)},
        "BTC/USDT": {past.ago(1): Decimal(20000), past.ago(2): Decimal(30000)},
    }
    totals = {"BTC": "0.001", "USDT": "5", "USDC": "7"}
    past.add_key(past={past.ago(1): totals, past.ago(2): totals, past.ago(5): {"USDC": "3"}})
    past.drain()
    assert past.values() == {past.ago(1): Decimal(27), past.ago(2): Decimal(42), past.ago(5): Decimal(3)}
    days = past.stored()
    assert {days[day].source for day in past.values()} == {Source.BACKFILLED}
    assert past.records == {}
    assert past.world.telemetry.backfilled_days == {"key": 3}


def test_the_day_of_connecting_keeps_its_live_snapshot(past: Past) -> None:
    past.add_key(past=month(past))
    past.drain()
    assert past.stored()[TODAY] == Snapshot("key", TODAY, Decimal(100), Source.LIVE, NOON)


def test_an_empty_day_is_stored_as_zero_and_an_unknown_day_is_not_stored(past: Past) -> None:
    past.add_key(past={past.ago(3): {}, past.ago(4): {"USDC": "0"}})
    past.drain()
    assert past.values() == {past.ago(3): Decimal(0), past.ago(4): Decimal(0)}


def test_closing_prices_are_read_once_for_each_market(past: Past) -> None:
    closes = {day: Decimal(2) for day in past.days}
    past.exchange.closes = {"USDC/USDT": closes, "ETH/USDT": closes}
    for name in ("one", "two", "three"):
        past.add_key(name, {day: {"ETH": "1", "USDT": "4"} for day in past.days})
    past.drain()
    assert set(past.values("three").values()) == {Decimal(3)}
    calls = [call for call in past.exchange.calls if call.startswith("daily_closes")]
    assert sorted(calls) == ["daily_closes ETH/USDT", "daily_closes USDC/USDT"]
    past.clock.advance(DAY)
    past.add_key("four", {past.ago(1): {"USDT": "4"}})
    past.drain()
    assert past.exchange.calls.count("daily_closes USDC/USDT") == 2


def test_an_asset_is_valued_in_its_next_market_where_the_first_has_no_price(past: Past) -> None:
    past.exchange.closes = {
        "USDC/USDT": {day: Decimal(1) for day in past.days},
        "BTC/USDT": {day: Decimal(20000) for day in past.days},
        "NEW/USDT": {past.ago(1): Decimal(3)},
        "NEW/BTC": {day: Decimal("0.0001") for day in past.days},
    }
    past.add_key(past={past.ago(1): {"NEW": "1"}, past.ago(2): {"NEW": "1"}})
    past.drain()
    assert past.values() == {past.ago(1): Decimal(3), past.ago(2): Decimal(2)}


def test_an_asset_without_a_price_is_left_out_and_reported(past: Past) -> None:
    past.exchange.closes = {"USDC/USDT": {day: Decimal(1) for day in past.days}}
    past.add_key(past={past.ago(1): {"USDC": "1", "OBSCURE": "7"}, past.ago(2): {"测试_币": "1"}})
    past.drain()
    assert past.values() == {past.ago(1): Decimal(1), past.ago(2): Decimal(0)}
    assert sorted(past.world.telemetry.unpriced) == ["OBSCURE", "测试_币"]
    assert not any("测试_币" in call for call in past.exchange.calls)


def test_a_day_without_the_price_on_which_all_depend_stays_absent(past: Past) -> None:
    past.exchange.closes = {"USDC/USDT": {past.ago(2): Decimal(1)}}
    past.add_key(past={past.ago(n): {"USDT": "5", "USDC": "1"} for n in (1, 2)} | {past.ago(3): {"USDC": "1"}})
    past.drain()
    assert past.values() == {past.ago(2): Decimal(6), past.ago(3): Decimal(1)}


def test_a_live_snapshot_is_never_replaced(past: Past) -> None:
    live = Snapshot("key", past.ago(2), Decimal(999), Source.LIVE, NOON - 2 * DAY)
    past.add_key(past=month(past))
    past.world.snapshots.keep(live)
    past.drain()
    assert past.stored()[past.ago(2)] == live
    assert len(past.values()) == 30
    assert past.world.telemetry.backfilled_days == {"key": 29}


def test_a_late_live_snapshot_replaces_a_backfilled_one() -> None:
    past = Past(MORNING)
    past.world.add_key("key")
    past.world.planner.plan()
    past.world.change_key("key", valuation=AccountValuation(Decimal(7), MORNING + HOUR))
    past.clock.advance(DAY)
    past.world.snapshots.keep(Snapshot("key", TODAY, Decimal(3), Source.BACKFILLED, past.clock()))
    past.world.drain()
    assert past.stored()[TODAY].total_usd == Decimal(7)
    assert past.world.run().counts.stored == 1


def test_a_backfill_without_missing_days_does_not_ask_the_exchange(past: Past) -> None:
    past.add_key()
    for day in past.days:
        past.world.snapshots.keep(Snapshot("key", day, Decimal(1), Source.LIVE, NOON))
    past.drain()
    assert past.exchange.calls == []
    assert past.rate_gate.taken == 0
    assert past.records == {}


@pytest.mark.parametrize("change", ["end", "disable", "kill", "revoke"])
def test_a_backfill_of_an_unusable_account_ends_without_an_error(past: Past, change: str) -> None:
    past.add_key(past=month(past))
    if change == "end":
        del past.world.accounts.accounts["key"]
    elif change == "disable":
        past.world.change_key("key", active=False)
    elif change == "kill":
        past.world.change_key("key", active=False, api_key_status=ApiKeyStatus.UNAUTHORIZED)
    else:
        past.exchange.keys["key"].secret = "another"
    assert past.deliver() == 0
    assert past.values() == {}
    assert past.records == {}
    assert past.queue.messages == []
    assert ("past_balances" in past.exchange.calls) == (change == "revoke")
    if change == "revoke":
        assert past.world.status("key") is ApiKeyStatus.UNAUTHORIZED
        assert not past.world.accounts.accounts["key"].active


@pytest.mark.parametrize(("changes", "stays_active"), [({"updated_at": NOON}, False), ({"validations": 1}, True)])
def test_a_refusal_is_recorded_at_once_unless_the_user_had_a_key_accepted_meanwhile(
    past: Past, changes: dict[str, Any], stays_active: bool
) -> None:
    past.add_key(past=month(past))
    past.exchange.keys["key"].secret = "another"
    past.exchange.meanwhile = lambda: past.world.change_key("key", **changes)
    assert past.deliver() == 0
    assert past.world.accounts.accounts["key"].active is stays_active
    assert (past.world.status("key") is ApiKeyStatus.UNAUTHORIZED) is not stays_active


def test_a_backfill_whose_credential_was_rotated_while_it_was_refused_continues_with_the_new_one(past: Past) -> None:
    past.add_key(past=month(past))
    accepted = past.exchange.keys["key"]
    past.exchange.keys["key"] = replace(accepted, secret="another")

    def rotate() -> None:
        past.exchange.keys["key"] = accepted
        past.world.change_key("key", validations=1)

    past.exchange.meanwhile = rotate
    assert past.deliver() == 0
    assert past.values() == {}
    past.recover()
    assert len(past.values()) == 30


def test_an_ambiguous_refusal_does_not_end_a_backfill(past: Past) -> None:
    past.add_key(past=month(past))
    past.exchange.failing = ExchangeAuthorizationFailed(is_ambiguous=True)
    assert past.deliver() == 0
    assert past.world.status("key") is ApiKeyStatus.FAILED
    past.exchange.failing = None
    past.recover()
    assert len(past.values()) == 30
    assert past.world.status("key") is ApiKeyStatus.AUTHORIZED


def test_an_outage_is_retried_and_recorded_as_the_key_status(past: Past) -> None:
    past.add_key(past=month(past))
    past.exchange.failing = ExchangeUnavailable()
    assert past.deliver() == 1
    assert past.world.status("key") is ApiKeyStatus.FAILED
    past.exchange.failing = None
    past.drain()
    assert len(past.values()) == 30
    assert past.world.status("key") is ApiKeyStatus.AUTHORIZED


def test_a_day_is_not_stored_while_its_prices_cannot_be_read(past: Past) -> None:
    past.exchange.closes = {"USDC/USDT": {day: Decimal(1) for day in past.days}}
    past.add_key(past={day: {"USDC": "1", "USDT": "1"} for day in past.days})

    def fail(call: str) -> None:
        if call.startswith("daily_closes"):
            raise ExchangeUnavailable

    past.exchange.on_enter = fail
    assert past.deliver() == 1
    assert past.values() == {}
    past.exchange.on_enter = lambda _: None
    past.drain()
    assert past.values() == {day: Decimal(2) for day in past.days}


def test_a_rate_limit_pauses_all_backfills_as_long_as_the_exchange_asks(past: Past) -> None:
    past.add_key("one", month(past))
    past.add_key("two", month(past))
    past.exchange.failing = ExchangeRateLimited(retry_after=600)
    assert past.deliver() == 1
    past.rate_gate.cooldown_until = NOON + 600_000  # The gateway has started it.
    past.exchange.failing = None
    asked = len(past.exchange.calls)
    past.clock.advance(599_000)
    past.deliver()
    assert len(past.exchange.calls) == asked
    past.recover()
    assert (len(past.values("one")), len(past.values("two"))) == (30, 30)


def test_all_accounts_share_the_rate_gate(past: Past) -> None:
    for number in range(5):
        past.add_key(f"key-{number}", month(past))
    past.drain()
    assert all(len(past.values(f"key-{number}")) == 30 for number in range(5))
    assert past.exchange.calls.count("past_balances") == 5
    assert past.clock() == NOON + 4 * PAUSE_MS


def test_waiting_for_a_permit_does_not_count_as_an_attempt(past: Past) -> None:
    past.rate_gate.free_at = NOON + 100 * HOUR
    past.add_key(past=month(past))
    for _ in range(3 * MAX_RECEIVES):
        assert past.deliver() == 0
        past.clock.advance(15 * MINUTE)
    (message,) = past.queue.messages
    assert message.receives == 0
    assert past.queue.dead == []


def test_a_sweep_sends_no_second_message_while_one_waits_for_a_permit(past: Past) -> None:
    past.add_key(past=month(past))
    past.rate_gate.free_at = NOON + 14 * MINUTE
    while past.clock() < past.rate_gate.free_at:
        past.deliver()
        past.sweep()
        assert len(past.queue.messages) == 1
        past.clock.advance(MINUTE)
    past.drain()
    assert len(past.values()) == 30


def test_an_outage_right_after_connecting_is_outlasted(past: Past) -> None:
    past.add_key(past=month(past))
    past.exchange.failing = ExchangeUnavailable()
    for minute in range(85):
        past.deliver()
        if minute % (SWEEP_INTERVAL_MS // MINUTE) == 0:
            past.sweep()
        past.clock.advance(MINUTE)
    assert not past.records["key"].dead
    past.exchange.failing = None
    past.recover()
    assert past.records == {}
    assert len(past.values()) == 30


def test_a_ban_that_outlasts_the_usual_pause_sends_no_second_message(past: Past) -> None:
    past.add_key(past=month(past))
    past.exchange.failing = ExchangeRateLimited(retry_after=3600)
    past.deliver()
    past.exchange.failing = None
    for _ in range(11):
        past.clock.advance(SWEEP_INTERVAL_MS)
        assert past.sweep() == 0
    past.clock.advance(SWEEP_INTERVAL_MS)
    assert past.deliver() == 0
    assert len(past.values()) == 30


def test_attempts_count_anew_while_only_yesterday_is_missing() -> None:
    past = Past(MORNING)
    past.add_key(past={past.ago(2): {"USDC": "1"}})
    past.exchange.failing = ExchangeUnavailable()
    for _ in range(MAX_RECEIVES - 1):
        past.deliver()
        past.clock.now = min(message.visible_at for message in past.queue.messages)
    past.exchange.failing = None
    past.drain()
    assert past.records["key"].attempts == 0


def test_after_the_last_attempt_a_backfill_is_dead_until_redriven(past: Past) -> None:
    remembered = month(past)
    past.add_key(past=remembered)
    past.exchange.failing = ExchangeUnavailable()
    for _ in range(MAX_RECEIVES):
        past.clock.advance(2 * HOUR)
        assert past.deliver() == 1
    past.clock.advance(8 * HOUR)
    assert past.deliver() == 0
    assert (past.world.telemetry.keys("dead"), len(past.queue.dead)) == (["key"], 1)
    assert past.records["key"].dead
    past.clock.advance(DAY)
    assert past.sweep(queue_is_empty=True) == 0
    past.exchange.failing = None
    past.queue.redrive()
    past.drain()
    assert past.records == {}
    assert past.values().keys() == remembered.keys() & set(past.days) | {TODAY}


def test_a_backfill_waits_until_the_exchange_has_yesterday() -> None:
    past = Past(MORNING)
    past.add_key(past={past.ago(2): {"USDC": "1"}})
    past.drain()
    assert past.records["key"].due_at == MORNING - 5 * MINUTE + READY_MS
    assert past.sweep() == 0
    past.remember("key", {YESTERDAY: {"USDC": "2"}})
    past.clock.now = past.records["key"].due_at
    assert past.sweep() == 1
    past.drain()
    assert sorted(past.values()) == ["2026-11-18", YESTERDAY]
    assert past.records == {}


def test_a_backfill_requested_again_during_its_work_is_kept(past: Past) -> None:
    past.add_key(past=month(past))

    def ask_again(step: str) -> None:
        if step == "before keep":
            past.world.snapshots.interrupt = lambda _: None
            past.clock.advance(1)
            record = past.records["key"]
            past.world.backfills.add(replace(record, requested_at=past.clock(), due_at=past.clock() + HOUR))

    past.world.snapshots.interrupt = ask_again
    past.drain()
    assert past.records["key"].due_at > past.clock()


def test_concurrent_deliveries_store_each_day_once(past: Past) -> None:
    past.add_key(past=month(past))
    (message,) = past.queue.receive()
    duplicate = replace(message)

    def let_the_other_go_first(step: str) -> None:
        if step == "before keep":
            past.world.snapshots.interrupt = lambda _: None
            past.clock.advance(PAUSE_MS)
            past.deliver([duplicate])

    past.world.snapshots.interrupt = let_the_other_go_first
    assert past.deliver([message]) == 0
    assert len(past.values()) == 30
    assert past.world.telemetry.backfilled_days == {"key": 30}
    assert past.records == {}


def test_a_killed_backfill_resumes_where_it_stopped(past: Past) -> None:
    past.add_key(past=month(past))
    kept = 0

    def die(step: str) -> None:
        nonlocal kept
        kept += step == "after keep"
        if kept == 12:
            raise Killed

    past.world.snapshots.interrupt = die
    with pytest.raises(Killed):
        past.deliver()
    past.world.snapshots.interrupt = lambda _: None
    half = past.values()
    assert 0 < len(half) < 30
    past.restart()
    past.recover()
    assert half.items() <= past.values().items()
    assert len(past.values()) == 30


def test_requesting_a_backfill_succeeds_while_the_queue_is_down(past: Past) -> None:
    messages: list[object] = []

    class Down:
        def send(self, given: Iterable[object], *, delay_s: int = 0) -> int:
            messages.extend(given)
            raise Unavailable

    BackfillRequests(Down()).begin("key")
    assert messages == [{"tradingAccountId": "key"}]


class TestSweeping:
    def test_the_sweeper_resends_lost_backfills(self, past: Past) -> None:
        past.add_key(past=month(past))
        past.queue.messages.clear()
        assert past.sweep() == 1
        assert past.sweep() == 0
        past.queue.messages.clear()
        past.clock.advance(RESEND_AFTER_MS)
        assert past.sweep() == 1
        past.drain()
        assert len(past.values()) == 30

    def test_a_sweep_of_an_empty_queue_sends_immediately(self, past: Past) -> None:
        past.add_key()
        past.sweep()
        past.queue.messages.clear()
        assert past.sweep(queue_is_empty=True) == 1

    def test_a_sweep_sends_no_more_than_the_permits_until_the_next(self, past: Past) -> None:
        for number in range(50):
            past.add_key(f"key-{number}")
            past.clock.advance(1)
        past.queue.messages.clear()
        assert past.sweep() == 4
        waits = [message.visible_at - past.clock() for message in past.queue.messages]
        assert waits == [SENDING_S * 1000, PAUSE_MS, 2 * PAUSE_MS, 3 * PAUSE_MS]
        assert past.queue.messages[0].body == '{"tradingAccountId": "key-0"}'
        past.recover()
        assert past.records == {}

    def test_two_concurrent_sweeps_send_a_backfill_once(self, past: Past) -> None:
        past.add_key()
        past.queue.messages.clear()
        found: list[int] = []

        def let_the_other_go_first(step: str) -> None:
            if step == "before advance":
                past.world.backfills.interrupt = lambda _: None
                past.clock.advance(1)
                found.append(past.sweep())

        past.world.backfills.interrupt = let_the_other_go_first
        assert past.sweep() + found[0] == 1


class TestMissedDays:
    @pytest.fixture
    def world(self) -> World:
        world = World()
        world.add_key("key")
        return world

    def snapshot(self, world: World, day: str) -> None:
        world.snapshots.keep(Snapshot("key", day, Decimal(1), Source.LIVE, world.clock()))

    def run(self, world: World) -> str:
        run = world.planner.plan()
        world.drain()
        return run.id

    def test_a_missed_day_is_requested_the_next_day_once_the_exchange_has_it(self, world: World) -> None:
        run_id = self.run(world)
        record = world.backfills.records["key"]
        assert (record.ref.user_id, record.requested_at) == ("user of key", MORNING)
        assert record.correlation_id == run_id
        assert record.due_at == MORNING - 5 * MINUTE + READY_MS

    def test_without_a_missing_day_the_exchange_is_not_asked(self, world: World) -> None:
        self.snapshot(world, YESTERDAY)
        self.run(world)
        assert world.backfills.records == {}

    def test_days_before_the_account_was_connected_are_not_requested(self, world: World) -> None:
        world.change_key("key", created_at=MORNING - MINUTE)
        self.run(world)
        assert world.backfills.records == {}

    def test_an_account_that_failed_all_day_is_backfilled_by_the_next_run(self, world: World) -> None:
        self.snapshot(world, YESTERDAY)
        world.exchange.script["key"] = [ExchangeUnavailable()] * MAX_RECEIVES
        self.run(world)
        assert (world.stored(), world.backfills.records) == ({}, {})
        world.clock.now = MORNING + DAY
        self.run(world)
        assert list(world.backfills.records) == ["key"]

    @pytest.mark.parametrize("moment", ["before add", "after add", "before record"])
    def test_a_crash_does_not_lose_the_request_for_a_missed_day(self, world: World, moment: str) -> None:
        def die(step: str) -> None:
            if step == moment:
                raise Killed

        world.runs.interrupt = world.backfills.interrupt = die
        world.planner.plan()
        with pytest.raises(Killed):
            world.deliver()
        world.runs.interrupt = world.backfills.interrupt = lambda _: None
        world.drain()
        assert list(world.backfills.records) == ["key"]
        assert len(world.stored()) == 1

    def test_an_account_with_a_rejected_key_is_not_backfilled(self, world: World) -> None:
        world.exchange.script["key"] = [ExchangeAuthorizationFailed()]
        self.run(world)
        assert world.backfills.records == {}
