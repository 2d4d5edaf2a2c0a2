"""Working on snapshot jobs: each account gets one snapshot a day or a counted reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeRateLimited,
    ExchangeUnavailable,
    Unavailable,
)
from purser.exchanges.model import TradeType
from purser.snapshots.model import ACCOUNTS_A_JOB, LEASE_MS, Counts, Job, Snapshot, Source
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus
from purser.work.model import RESEND_AFTER_MS
from purser.work.sweeper import SWEEP_INTERVAL_MS
from tests.support.crashes import Killed
from tests.support.snapshots import (
    DAY,
    HOUR,
    MAX_RECEIVES,
    MINUTE,
    MORNING,
    TODAY,
    TOMORROW,
    VISIBILITY_S,
    YESTERDAY,
    World,
)


@pytest.fixture
def world() -> World:
    return World()


def finished(world: World) -> Counts:
    """Return the counts reported for the only run."""
    (run,) = world.telemetry.finished_runs
    assert run.planned == run.counts.done
    return run.counts


def test_each_account_gets_a_snapshot_in_usd(world: World) -> None:
    world.exchange.last |= {"USDCUSDT": Decimal("1.25"), "BTCUSDT": Decimal(20000)}
    world.add_key("spot", USDC="10", USDT="5", BTC="0.001")
    world.add_key("futures", trade_type=TradeType.FUTURES, USDT="2383.52587258")
    world.planner.plan()
    assert world.deliver() == []
    assert world.stored() == {"spot": Decimal("30.00000000"), "futures": Decimal("1906.82069806")}
    assert world.valuation("spot") == AccountValuation(Decimal("30.00000000"), MORNING)
    assert world.snapshots.days["spot", TODAY] == Snapshot(
        "spot", TODAY, Decimal("30.00000000"), Source.LIVE, MORNING, world.run().id
    )
    assert finished(world) == Counts(stored=2)
    assert world.queue.messages == []


def test_prices_are_read_once_for_each_invocation(world: World) -> None:
    world.add_keys(60)
    world.planner.plan()
    world.deliver()
    assert world.exchange.calls.count("prices") == 1
    assert world.exchange.balances_read == 60


def test_an_asset_without_a_price_is_left_out_and_reported(world: World) -> None:
    world.add_key("key", USDC="10", OBSCURE="7")
    world.planner.plan()
    world.deliver()
    assert world.stored() == {"key": Decimal(10)}
    assert world.telemetry.unpriced == ["OBSCURE"]


def test_a_second_run_of_a_day_changes_nothing_and_asks_the_exchange_nothing(world: World) -> None:
    world.add_keys(30)
    world.planner.plan()
    world.drain()
    before = dict(world.snapshots.days)
    world.exchange.calls.clear()
    world.clock.advance(HOUR)
    world.planner.plan()
    world.drain()
    assert world.snapshots.days == before
    assert world.exchange.calls == []
    assert [run.counts for run in world.telemetry.finished_runs] == [Counts(stored=30), Counts(skipped=30)]


def test_a_message_delivered_twice_counts_once(world: World) -> None:
    world.add_keys(3)
    world.planner.plan()
    (message,) = world.queue.receive()
    copy = replace(message)
    world.deliver([message])
    assert world.deliver([copy]) == []
    assert finished(world) == Counts(stored=3)
    assert world.exchange.balances_read == 3


@pytest.mark.parametrize("moment", ["after get", "after known", "before record", "after record"])
def test_concurrent_deliveries_of_a_message_count_once(world: World, moment: str) -> None:
    world.add_keys(5)
    world.planner.plan()
    (message,) = world.queue.receive()
    duplicate = replace(message)
    interrupted: list[str] = []

    def let_the_other_go_first(step: str) -> None:
        if step == moment and not interrupted:
            interrupted.append(step)
            world.deliver([duplicate])

    world.runs.interrupt = world.snapshots.interrupt = let_the_other_go_first
    assert world.deliver([message]) == []
    assert interrupted
    assert finished(world) == world.run().counts == Counts(stored=5)
    assert len(world.stored()) == 5


@pytest.mark.parametrize("moment", ["after get", "after known", "before record", "after record"])
def test_concurrent_runs_of_a_day_store_each_snapshot_once(world: World, moment: str) -> None:
    world.add_keys(20)
    world.planner.plan()
    world.clock.advance(1)
    world.planner.plan()
    first, second = world.queue.receive()
    interrupted: list[str] = []

    def let_the_other_go_first(step: str) -> None:
        if step == moment and not interrupted:
            interrupted.append(step)
            world.deliver([second])

    world.runs.interrupt = world.snapshots.interrupt = let_the_other_go_first
    world.deliver([first])
    assert interrupted
    totals = [run.counts for run in world.runs.runs.values()]
    assert sum(counts.stored for counts in totals) == 20
    assert sum(counts.skipped for counts in totals) == 20
    assert len(world.telemetry.finished_runs) == 2


@pytest.mark.parametrize(("refusals", "expected"), [((1, 0), Counts(unauthorized=1)), ((0, 1), Counts(stored=1))])
def test_the_first_of_two_workers_to_record_a_result_decides(
    world: World, refusals: tuple[int, int], expected: Counts
) -> None:
    world.add_key("key")
    world.planner.plan()
    (message,) = world.queue.receive()
    duplicate = replace(message)
    first, second = (list[Exception]([ExchangeAuthorizationFailed()] * refused) for refused in refusals)

    def let_the_other_go_first(step: str) -> None:
        if step == "after known":
            world.snapshots.interrupt = lambda _: None
            world.exchange.script["key"] = first
            world.deliver([duplicate])
            world.exchange.script["key"] = second

    world.snapshots.interrupt = let_the_other_go_first
    assert world.deliver([message]) == []
    assert first == second == []
    assert finished(world) == world.run().counts == expected
    assert len(world.stored()) == expected.stored


def test_an_account_disabled_between_two_workers_is_counted_as_it_is_stored(world: World) -> None:
    world.add_key("key")
    world.planner.plan()
    (message,) = world.queue.receive()
    duplicate = replace(message)

    def disable_and_let_the_other_go_first(step: str) -> None:
        if step == "after known":
            world.snapshots.interrupt = lambda _: None
            world.change_key("key", active=False)
            world.deliver([duplicate])

    world.snapshots.interrupt = disable_and_let_the_other_go_first
    world.deliver([message])
    assert finished(world) == Counts(skipped=1)
    assert world.stored() == {}


def test_an_outage_after_the_last_attempt_was_recorded_counts_what_is_stored(world: World) -> None:
    world.add_keys(2)
    world.exchange.script["key-0"] = [ExchangeUnavailable()] * (MAX_RECEIVES - 1)
    world.planner.plan()

    def fail(step: str) -> None:
        (job,) = world.runs.records.values()
        if step == "after record" and not job.pending:
            raise Unavailable

    world.runs.interrupt = fail
    world.drain()
    assert world.run().counts == Counts(stored=2)
    assert len(world.stored()) == 2


def test_a_rejected_key_is_marked_and_does_not_affect_other_accounts(world: World) -> None:
    world.add_keys(4)
    world.exchange.script["key-2"] = [ExchangeAuthorizationFailed()]
    world.planner.plan()
    assert world.deliver() == []
    assert finished(world) == Counts(stored=3, unauthorized=1)
    assert world.status("key-2") is ApiKeyStatus.UNAUTHORIZED
    assert not world.accounts.accounts["key-2"].active
    assert "key-2" not in world.stored()


def test_an_ambiguous_rejection_is_retried_and_counts_after_ten_minutes(world: World) -> None:
    world.add_keys(2)
    world.exchange.script["key-1"] = [ExchangeAuthorizationFailed(is_ambiguous=True)] * MAX_RECEIVES
    world.planner.plan()
    world.deliver()
    assert (world.accounts.accounts["key-1"].active, world.status("key-1")) == (True, ApiKeyStatus.FAILED)
    world.drain()
    assert finished(world) == Counts(stored=1, unauthorized=1)
    assert (world.accounts.accounts["key-1"].active, world.status("key-1")) == (False, ApiKeyStatus.UNAUTHORIZED)


def test_a_key_accepted_after_an_ambiguous_rejection_gets_its_snapshot(world: World) -> None:
    world.add_key("key")
    world.exchange.script["key"] = [ExchangeAuthorizationFailed(is_ambiguous=True)] * 2
    world.planner.plan()
    world.drain()
    assert finished(world) == Counts(stored=1)
    assert (world.status("key"), world.accounts.accounts["key"].refused_at) == (ApiKeyStatus.AUTHORIZED, None)


def test_a_run_in_which_every_key_is_rejected_ambiguously_deactivates_none(world: World) -> None:
    names = world.add_keys(30)
    for name in names:
        world.exchange.script[name] = [ExchangeAuthorizationFailed(is_ambiguous=True)] * MAX_RECEIVES
    world.planner.plan()
    world.drain()
    assert all(world.accounts.accounts[name].active for name in names)
    assert world.run().counts == Counts(failed=30)
    world.clock.advance(DAY)
    world.planner.plan()
    world.drain()
    assert all(world.status(name) is ApiKeyStatus.AUTHORIZED for name in names)


def test_an_account_whose_secret_changes_during_a_rejection_is_read_again(world: World) -> None:
    world.add_key("key")
    world.exchange.script["key"] = [ExchangeAuthorizationFailed()]
    world.exchange.on_call = lambda call: world.change_key("key", validations=1) if call == "key" else None
    world.planner.plan()
    assert len(world.deliver()) == 1
    world.exchange.on_call = lambda _: None
    assert world.accounts.accounts["key"].active
    world.drain()
    assert finished(world) == Counts(stored=1)


def test_a_rejection_is_recorded_at_once_although_the_account_has_changed(world: World) -> None:
    world.add_key("key")
    world.exchange.script["key"] = [ExchangeAuthorizationFailed()]
    valuation = AccountValuation(Decimal(7), world.clock())
    world.exchange.on_call = lambda _: world.change_key("key", valuation=valuation)
    world.planner.plan()
    assert world.deliver() == []
    assert finished(world) == Counts(unauthorized=1)
    assert (world.accounts.accounts["key"].active, world.status("key")) == (False, ApiKeyStatus.UNAUTHORIZED)


def test_an_account_with_a_rejected_key_is_not_planned(world: World) -> None:
    world.add_keys(2)
    world.exchange.script["key-1"] = [ExchangeAuthorizationFailed()]
    world.planner.plan()
    world.deliver()
    world.clock.advance(1)
    assert world.planner.plan().planned == 1


def test_an_account_is_retried_until_the_outage_ends(world: World) -> None:
    world.add_keys(3)
    world.exchange.script["key-0"] = [ExchangeUnavailable(), ExchangeUnavailable()]
    world.planner.plan()
    assert len(world.deliver()) == 1
    assert len(world.stored()) == 2
    assert world.status("key-0") is ApiKeyStatus.FAILED
    assert world.accounts.accounts["key-0"].active
    assert world.run().counts == Counts(stored=2)
    assert world.telemetry.finished_runs == []
    assert world.deliver() == []  # it is not visible yet
    world.drain()
    assert finished(world) == Counts(stored=3)
    assert world.status("key-0") is ApiKeyStatus.AUTHORIZED
    assert world.exchange.balances_read == 5  # only the one that failed was asked again
    assert world.clock() == MORNING + (20 + 120) * 1000


def test_an_outage_while_reading_prices_leaves_key_statuses_unchanged(world: World) -> None:
    world.add_keys(2)
    world.exchange.script["prices"] = [ExchangeUnavailable()]
    world.planner.plan()
    assert len(world.deliver()) == 1
    assert world.exchange.balances_read == 0
    assert world.status("key-0") is ApiKeyStatus.AUTHORIZED
    world.drain()
    assert finished(world) == Counts(stored=2)


def test_a_rate_limit_stops_the_invocation_and_postpones_its_jobs_as_the_exchange_asks(world: World) -> None:
    world.add_keys(72)
    world.exchange.script["prices"] = [ExchangeRateLimited(retry_after=600)]
    world.planner.plan()
    assert len(world.deliver()) == 3
    assert world.exchange.calls == ["prices"]
    assert {m.visible_at for m in world.queue.messages} == {MORNING + 600_000}
    world.clock.advance(599_000)
    assert world.deliver() == []
    world.clock.advance(1_000)
    assert world.deliver() == []
    assert finished(world) == Counts(stored=72)


def test_a_rate_limit_during_a_job_keeps_the_snapshots_already_taken(world: World) -> None:
    world.add_keys(24)
    world.exchange.script["key-20"] = [ExchangeRateLimited(retry_after=120)]
    world.planner.plan()
    assert len(world.deliver()) == 1
    stored = len(world.stored())
    assert 1 <= stored < 24
    assert world.run().counts == Counts(stored=stored)
    assert world.status("key-20") is ApiKeyStatus.AUTHORIZED
    world.drain()
    assert finished(world) == Counts(stored=24)
    assert world.clock() == MORNING + 120_000


@pytest.mark.parametrize("by_venue", [True, False])
def test_a_rate_limit_in_one_lane_does_not_stop_the_others(world: World, by_venue: bool) -> None:
    world.lanes = {"key-0": "one", "key-1": "one"}
    world.add_keys(24)
    world.exchange.script["key-0"] = [ExchangeRateLimited(retry_after=120, by_venue=by_venue)]
    world.exchange.script["key-1"] = [ExchangeRateLimited(retry_after=120, by_venue=by_venue)]
    world.planner.plan()
    world.deliver()
    assert len(world.stored()) == 22
    world.drain()
    assert finished(world) == Counts(stored=24)


def test_a_job_for_which_the_weight_of_users_is_not_enough_waits_without_an_attempt(world: World) -> None:
    world.add_keys(3)
    world.exchange.script["key-1"] = [ExchangeRateLimited(by_venue=False) for _ in range(2 * MAX_RECEIVES)]
    world.planner.plan()
    for _ in range(2 * MAX_RECEIVES):
        assert world.deliver() == []
        assert [message.receives for message in world.queue.messages] == [0]
    world.drain()
    assert finished(world) == Counts(stored=3)
    assert world.status("key-1") is ApiKeyStatus.AUTHORIZED


def test_short_rate_limits_do_not_dead_letter_a_job(world: World) -> None:
    world.add_keys(1)
    world.exchange.script["prices"] = [ExchangeRateLimited(retry_after=60)] * (MAX_RECEIVES - 1)
    world.planner.plan()
    world.drain()
    assert finished(world) == Counts(stored=1)
    assert world.clock() == MORNING + (MAX_RECEIVES - 1) * MINUTE


def test_a_job_that_never_succeeds_becomes_a_dead_letter(world: World) -> None:
    world.add_keys(3)
    world.exchange.script["key-1"] = [ExchangeUnavailable()] * 99
    world.planner.plan()
    world.drain()
    assert len(world.queue.dead) == 1
    assert finished(world) == Counts(stored=2, failed=1)
    assert world.accounts.accounts["key-1"].active
    assert world.sweep(queue_is_empty=True) == 0


def test_redriving_a_dead_letter_resumes_the_job_and_corrects_the_counts(world: World) -> None:
    world.add_keys(3)
    world.exchange.script |= {
        "key-1": [ExchangeUnavailable()] * MAX_RECEIVES,
        "key-2": [ExchangeUnavailable()] * (MAX_RECEIVES + 1),
    }
    world.planner.plan()
    world.drain()
    assert finished(world) == Counts(stored=1, failed=2)
    world.queue.redrive()
    world.deliver()
    assert world.run().counts == Counts(stored=2, failed=1)
    world.drain()
    assert world.run().counts == Counts(stored=3)
    assert finished(world) == Counts(stored=1, failed=2)  # a run is reported once


def test_an_unknown_refusal_is_retried_and_then_counted_as_failed(world: World) -> None:
    world.add_keys(2)
    world.exchange.script["key-0"] = [ExchangeBadRequest()] * 99
    world.planner.plan()
    world.drain()
    assert finished(world) == Counts(stored=1, failed=1)
    assert world.status("key-0") is ApiKeyStatus.AUTHORIZED


def test_a_credential_that_cannot_be_decrypted_does_not_affect_other_accounts(world: World) -> None:
    world.add_keys(3)
    sealed = world.accounts.credentials["key-1"]
    world.accounts.credentials["key-1"] = replace(sealed, ciphertext=b"nonsense")
    world.planner.plan()
    assert len(world.deliver()) == 1
    assert set(world.stored()) == {"key-0", "key-2"}
    assert [subject for subject, _ in world.telemetry.troubles] == ["key-1"]


def test_disconnected_and_disabled_accounts_are_skipped(world: World) -> None:
    world.add_keys(3)
    world.planner.plan()
    del world.accounts.accounts["key-0"]
    world.change_key("key-1", active=False)
    world.deliver()
    assert finished(world) == Counts(stored=1, skipped=2)
    assert world.exchange.balances_read == 1


def test_a_run_of_a_past_day_stores_only_valuations_taken_on_it(world: World) -> None:
    world.add_keys(3)
    noon_yesterday = MORNING - DAY + 12 * HOUR
    world.change_key("key-0", valuation=AccountValuation(Decimal(7), noon_yesterday))
    world.change_key("key-1", valuation=AccountValuation(Decimal(8), MORNING))
    world.planner.plan(date.fromisoformat(YESTERDAY))
    world.deliver()
    assert world.exchange.calls == []
    assert world.stored(YESTERDAY) == {"key-0": Decimal(7)}
    assert world.snapshots.days["key-0", YESTERDAY].taken_at == noon_yesterday
    assert world.stored(TODAY) == {}
    assert finished(world) == Counts(stored=1, skipped=2)


def test_a_worker_after_midnight_takes_no_snapshot_for_the_day_before(world: World) -> None:
    world.add_keys(2)
    world.change_key("key-1", valuation=AccountValuation(Decimal(5), MORNING + HOUR))
    world.planner.plan()
    world.clock.advance(DAY)
    world.deliver()
    assert world.stored(TODAY) == {"key-1": Decimal(5)}
    assert world.stored(TOMORROW) == {}
    assert world.exchange.calls == []
    assert finished(world) == Counts(stored=1, skipped=1)


def test_a_balance_read_across_midnight_does_not_count_for_the_day_before(world: World) -> None:
    world.add_keys(1)
    world.planner.plan()
    before_midnight = MORNING - 5 * MINUTE + DAY - 1
    world.clock.now = before_midnight
    world.exchange.on_call = lambda call: world.clock.advance(1000 if call == "key-0" else 0)
    world.deliver()
    assert world.snapshots.days == {}
    assert world.valuation("key-0") == AccountValuation(Decimal(100), before_midnight + 1000)
    assert finished(world) == Counts(skipped=1)


def test_a_run_that_passes_midnight_uses_an_earlier_valuation_of_its_day(world: World) -> None:
    world.add_keys(1)
    world.change_key("key-0", valuation=AccountValuation(Decimal(7), MORNING + HOUR))
    world.planner.plan()
    world.clock.now = MORNING - 5 * MINUTE + DAY - 1
    world.exchange.on_call = lambda call: world.clock.advance(1000 if call == "key-0" else 0)
    world.deliver()
    assert world.stored(TODAY) == {"key-0": Decimal(7)}
    assert finished(world) == Counts(stored=1)


@pytest.mark.parametrize("moment", ["after known", "before record", "after record", "before close"])
def test_a_crash_at_any_step_neither_loses_nor_duplicates_a_snapshot(world: World, moment: str) -> None:
    world.add_keys(6)
    world.exchange.script["key-3"] = [ExchangeAuthorizationFailed()]
    world.planner.plan()

    def die(step: str) -> None:
        if step == moment:
            raise Killed

    world.runs.interrupt = world.snapshots.interrupt = die
    with pytest.raises(Killed):
        world.deliver()
    world.runs.interrupt = world.snapshots.interrupt = lambda _: None
    world.clock.advance(VISIBILITY_S * 1000)
    assert world.deliver() == []
    world.sweep()
    assert finished(world) == Counts(stored=5, unauthorized=1)


def test_a_job_that_kills_its_worker_five_times_is_dead(world: World) -> None:
    world.add_keys(2)
    world.planner.plan()

    def die(step: str) -> None:
        if step == "after known":
            raise Killed

    world.snapshots.interrupt = die
    kills = 0
    for _ in range(60):
        world.clock.advance(SWEEP_INTERVAL_MS + MINUTE)
        try:
            world.deliver()
        except Killed:
            kills += 1
        world.sweep()
    assert kills == MAX_RECEIVES
    assert finished(world) == Counts(failed=2)
    assert world.telemetry.outcomes == [("dead", f"{world.run().id}/000001")]
    assert len(world.queue.dead) == 1
    world.snapshots.interrupt = lambda _: None
    world.queue.redrive()
    world.drain()
    assert world.run().counts == Counts(stored=2)


@pytest.mark.parametrize("begun_before_due", [RESEND_AFTER_MS, MINUTE, -MINUTE])
@pytest.mark.parametrize("queue_is_empty", [True, False])
def test_a_sweep_leaves_a_job_whose_last_attempt_is_under_way(
    world: World, begun_before_due: int, queue_is_empty: bool
) -> None:
    world.add_keys(1)
    world.planner.plan()
    (job,) = world.runs.records.values()
    (message,) = world.queue.receive()
    message.receives = MAX_RECEIVES
    world.clock.now = job.due_at - begun_before_due

    def sweep_during_the_attempt(_: str) -> None:
        world.clock.advance(2 * MINUTE)
        assert world.sweep(queue_is_empty=queue_is_empty) == 0

    world.exchange.on_call = sweep_during_the_attempt
    assert world.deliver([message], seconds=600) == []
    assert world.telemetry.outcomes == [("done", "/".join(job.key))]
    assert finished(world) == Counts(stored=1)


def killed_in_their_last_attempt(world: World, keys: int) -> list[Job]:
    """Return the jobs of a run whose workers were all killed in the last attempt."""
    world.add_keys(keys)
    world.planner.plan()
    for job in list(world.runs.records.values()):
        assert world.runs.advance(job.in_last_attempt(world.clock() + LEASE_MS))
    world.queue.messages.clear()
    world.clock.advance(RESEND_AFTER_MS)
    return list(world.runs.records.values())


def test_a_job_killed_in_its_last_attempt_is_dead_when_its_time_is_over(world: World) -> None:
    (job,) = killed_in_their_last_attempt(world, 1)
    assert job.leased_until < world.clock()
    assert world.sweep() == 0
    assert world.telemetry.outcomes == [("dead", "/".join(job.key))]
    assert world.queue.messages == []
    assert finished(world) == Counts(failed=1)


def test_a_sweep_begins_with_no_killed_job_after_its_time(world: World) -> None:
    jobs = killed_in_their_last_attempt(world, 5 * ACCOUNTS_A_JOB)
    world.runs.interrupt = lambda step: world.clock.advance(20_000) if step == "before record" else None
    world.sweep()
    assert sum(job.dead for job in world.runs.records.values()) == 3
    world.sweep()
    assert len(world.telemetry.keys("dead")) == len(jobs)


def test_a_killed_job_that_cannot_be_written_delays_no_other_job(world: World) -> None:
    *_, lost = killed_in_their_last_attempt(world, 3 * ACCOUNTS_A_JOB)
    assert world.runs.advance(replace(lost, leased_until=0, version=lost.version + 1))
    writes: list[str] = []

    def fail_once(step: str) -> None:
        if step == "before record":
            writes.append(step)
            if len(writes) == 1:
                raise Unavailable

    world.runs.interrupt = fail_once
    with pytest.raises(ExceptionGroup) as raised:
        world.sweep()
    assert raised.group_contains(Unavailable)
    assert [job.dead for job in world.runs.records.values()] == [False, True, False]
    assert [message.body for message in world.queue.messages] == [json.dumps(lost.message)]
    assert world.telemetry.resent_jobs == 1
    world.runs.interrupt = lambda _: None
    world.queue.messages.clear()
    world.clock.advance(RESEND_AFTER_MS)
    world.sweep()
    assert [job.dead for job in world.runs.records.values()] == [True, True, False]


def test_a_redriven_job_is_dead_again_only_after_its_last_attempt(world: World) -> None:
    world.add_keys(1)
    world.exchange.script["key-0"] = [ExchangeUnavailable() for _ in range(2 * MAX_RECEIVES)]
    world.planner.plan()
    world.drain()
    world.queue.redrive()
    world.drain()
    tried = ["retried"] * (MAX_RECEIVES - 1) + ["dead"]
    assert [outcome for outcome, _ in world.telemetry.outcomes] == tried * 2
    world.queue.redrive()
    world.drain()
    assert [outcome for outcome, _ in world.telemetry.outcomes] == [*tried * 2, "done"]


@pytest.mark.parametrize("moment", ["after known", "before record"])
def test_a_job_that_two_workers_complete_is_done_once(world: World, moment: str) -> None:
    world.add_keys(2)
    world.planner.plan()
    (message,) = world.queue.receive()
    duplicate = replace(message)

    def let_the_other_go_first(step: str) -> None:
        if step == moment:
            world.runs.interrupt = world.snapshots.interrupt = lambda _: None
            world.deliver([duplicate])

    world.runs.interrupt = world.snapshots.interrupt = let_the_other_go_first
    world.deliver([message])
    assert [outcome for outcome, _ in world.telemetry.outcomes] == ["done"]


def test_telemetry_tells_the_outcome_of_each_attempt(world: World) -> None:
    world.add_keys(1)
    world.exchange.script["key-0"] = [ExchangeUnavailable()]
    run = world.planner.plan()
    world.drain()
    assert world.telemetry.outcomes == [(outcome, f"{run.id}/000001") for outcome in ("retried", "done")]
    (job,) = world.runs.records.values()
    assert job.since == run.started_at


def test_an_outage_of_the_store_returns_the_message_to_the_queue(world: World) -> None:
    world.add_keys(2)
    world.planner.plan()
    faults = [Unavailable()]

    def fail_once(step: str) -> None:
        if step == "before known" and faults:
            raise faults.pop()

    world.snapshots.interrupt = fail_once
    assert len(world.deliver()) == 1
    (message,) = world.queue.messages
    assert message.visible_at == MORNING + 20_000
    world.drain()
    assert finished(world) == Counts(stored=2)


def test_running_out_of_time_does_not_count_as_an_attempt(world: World) -> None:
    world.add_keys(50)
    world.planner.plan()
    world.exchange.on_call = lambda call: world.clock.advance(5_000)
    assert world.deliver(seconds=60) == []  # 42 seconds of work
    assert 0 < len(world.stored()) < 50
    assert {m.receives for m in world.queue.messages} == {0}
    world.drain()
    assert finished(world) == Counts(stored=50)


def test_the_sweeper_resends_lost_messages(world: World) -> None:
    world.add_keys(30)
    world.queue.losing = True
    world.planner.plan()
    world.queue.losing = False
    assert world.queue.messages == []
    world.clock.advance(RESEND_AFTER_MS - 1)
    assert world.sweep() == 0
    world.clock.advance(1)
    assert world.sweep() == 2
    assert world.sweep() == 0  # the next one waits again
    world.drain()
    assert finished(world) == Counts(stored=30)
    assert world.telemetry.resent_jobs == 2


def test_no_message_of_a_run_that_makes_progress_counts_as_lost(world: World) -> None:
    world.add_keys(72)
    world.planner.plan()
    world.clock.advance(RESEND_AFTER_MS - 1)
    world.deliver(world.queue.receive(1))
    world.clock.advance(RESEND_AFTER_MS - 1)
    assert world.sweep() == 0
    world.clock.advance(1)
    assert world.sweep() == 2


def test_a_sweep_of_an_empty_queue_sends_immediately(world: World) -> None:
    world.add_keys(30)
    world.planner.plan()
    world.queue.messages.clear()
    assert world.sweep(queue_is_empty=True) == 2
    world.drain()
    assert finished(world) == Counts(stored=30)


def test_a_postponed_job_does_not_count_as_lost(world: World) -> None:
    world.add_keys(1)
    world.exchange.script["prices"] = [ExchangeRateLimited(retry_after=3 * 3600)]
    world.planner.plan()
    world.deliver()
    world.clock.advance(3 * HOUR)
    assert world.sweep() == 0


def test_the_sweeper_ignores_old_runs(world: World) -> None:
    world.add_keys(1)
    world.planner.plan()
    world.clock.advance(4 * DAY)
    assert world.sweep(queue_is_empty=True) == 0


def test_a_message_for_a_deleted_job_is_discarded(world: World) -> None:
    world.queue.send([{"runId": "gone", "jobId": "000001"}])
    assert world.deliver() == []
    assert world.queue.messages == []


def test_an_invalid_message_does_not_affect_the_others(world: World) -> None:
    world.add_keys(1)
    world.queue.send([{"nonsense": True}])
    world.planner.plan()
    assert world.deliver() == ['{"nonsense": true}']
    assert finished(world) == Counts(stored=1)
