"""A manual order may be interrupted at any point: by the exchange, by the network, or by a crash.

Each scenario runs once without interruption, to count its steps; then once for each step and each kind of
interruption, of which ``make test`` tries a sample. After the reconciler has run, no order was placed twice, no
position is without its stop, the state is known, and what is stored is what the exchange reports.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from local.doubles.binance import PaperControl
from purser.orders.intents import LIFETIME_MS, State
from tests.support.crashes import Killed
from tests.support.cut_orders import SCENARIOS, Trial, check
from tests.support.effort import sampled
from tests.support.fakes import FakeClock
from tests.support.intents import RUN_LIMIT_MS, CutDesk
from tests.support.work import FakeWorkStore

FAULTS = ("reject", "http_503", "http_503_after", "rate_limit", "timeout_before", "timeout_after")
LASTING = 50


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_uninterrupted_order_is_consistent(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS[name])
    assert trial.run_cut() == "answered"
    trial.settle()
    trial.check("answered")


@pytest.fixture(scope="module")
def exchange_steps(control: PaperControl, desk: CutDesk, clock: FakeClock) -> Callable[[str], int]:
    """Count the calls of the exchange in a scenario without interruption."""

    @cache
    def count_steps(name: str) -> int:
        trial = Trial(control, desk, clock, SCENARIOS[name])
        control.clear_requests()
        trial.run()
        return sum(request["apiKey"] == trial.api_key for request in control.requests())

    return count_steps


@pytest.mark.parametrize("times", [1, 2, LASTING])
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_after_a_fault_of_the_exchange_at_any_call(
    control: PaperControl,
    desk: CutDesk,
    clock: FakeClock,
    exchange_steps: Callable[[str], int],
    name: str,
    kind: str,
    times: int,
) -> None:
    for step in sampled(range(exchange_steps(name)), f"{name} {kind} {times}"):
        trial = Trial(control, desk, clock, SCENARIOS[name])
        trial.fault(kind, step, times)
        outcome = trial.run_cut()
        trial.settle()
        check(trial, outcome, f"{name}: {kind} at call {step}")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_after_a_crash_at_any_step(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, after: bool
) -> None:
    whole = Trial(control, desk, clock, SCENARIOS[name])
    whole.run()
    for step in sampled(range(whole.world.scissors.steps), f"{name} {after}"):
        trial = Trial(control, desk, clock, SCENARIOS[name])
        trial.world.scissors.at, trial.world.scissors.after = step, after
        outcome = trial.run_cut()
        assert outcome == "killed"
        trial.settle()
        check(trial, outcome, f"{name}: killed at step {step}")


@pytest.mark.parametrize("kind", ["http_503", "timeout_after", "killed"])
@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.order])
def test_a_retry_after_an_interruption_places_one_order_set(
    control: PaperControl, desk: CutDesk, clock: FakeClock, exchange_steps: Callable[[str], int], name: str, kind: str
) -> None:
    """A caller who retries before the reconciler gets one complete order set."""
    for step in sampled(range(exchange_steps(name)), f"{name} {kind}"):
        trial = Trial(control, desk, clock, SCENARIOS[name])
        if kind == "killed":
            trial.world.scissors.at = step
        else:
            trial.fault(kind, step, times=LASTING)
        trial.run_cut()
        trial.control.clear_faults()
        trial.world.scissors.at = -1
        clock.advance(70_000)
        outcome = trial.run_cut()
        assert outcome == "answered", f"{name}: {kind} at call {step}"
        trial.settle()
        check(trial, outcome, f"{name}: {kind} at call {step}, asked again")


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.order])
def test_entry_filled_after_client_gave_up_still_gets_its_stop(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS[name])
    desk.comes_late = True
    outcome = trial.run_cut()
    assert outcome == "refused"
    clock.advance(4_000)
    assert desk.late is not None
    desk.late()
    trial.settle()
    trial.check(outcome)
    (intent,) = trial.world.store.intents.values()
    assert intent.state is not State.FAILED


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_after_a_second_crash_in_the_reconciler(
    control: PaperControl, desk: CutDesk, clock: FakeClock, exchange_steps: Callable[[str], int], name: str
) -> None:
    """The reconciler may crash at each of its steps, while it completes an interrupted order."""

    def cut(step: int, again: int) -> int:
        """Kill both, check the outcome, and return how many steps the reconciler took."""
        trial = Trial(control, desk, clock, SCENARIOS[name])
        trial.world.scissors.at = step
        outcome = trial.run_cut()
        clock.advance(70_000)
        trial.world.scissors.steps, trial.world.scissors.at = 0, again
        with suppress(Killed):
            trial.world.reconciler.run(RUN_LIMIT_MS)
        steps = trial.world.scissors.steps
        trial.settle()
        check(trial, outcome, f"{name}: killed at step {step}, reconciler at {again}")
        return steps

    for step in sampled(range(3, exchange_steps(name)), name):
        never = 1000
        for again in sampled(range(cut(step, never)), f"{name} {step}"):
            cut(step, again)


REFUSALS = (-2010, -2019, -2022, -2027, -4061, -4116, -4131, -4164)
"""Codes with which the venue may refuse an order, those of hedge mode and of thin markets among them."""


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.in_market])
def test_a_position_that_cannot_be_closed_keeps_its_orders(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, code: int
) -> None:
    """The reconciler does not repeat what was refused, and cancels nothing."""
    trial = Trial(control, desk, clock, SCENARIOS[name])
    before = trial.position, trial.open_orders
    control.fault("/fapi/v1/order", "reject", LASTING, method="POST", code=code, apiKey=trial.api_key)
    assert trial.run_cut() == "refused"
    assert (trial.position, trial.open_orders) == before
    control.clear_requests()
    trial.world.reconcile()
    assert not [request for request in control.requests() if request["method"] != "GET"]
    assert (trial.position, trial.open_orders) == before
    trial.settle()
    trial.check("refused")


@pytest.mark.parametrize("code", [code for code in REFUSALS if code != -4116])
@pytest.mark.parametrize("refused", [1, 2, LASTING])
def test_a_stop_that_was_refused_is_placed_if_the_position_cannot_be_closed(
    control: PaperControl, desk: CutDesk, clock: FakeClock, refused: int, code: int
) -> None:
    """The reconciler tries both again if the venue refuses both."""
    trial = Trial(control, desk, clock, SCENARIOS["market"])
    of_key = {"method": "POST", "apiKey": trial.api_key, "code": code}
    control.fault("/fapi/v1/algoOrder", "reject", refused, **of_key)
    control.fault("/fapi/v1/order", "reject", 1000, skip=1, **of_key)
    assert trial.run_cut() == "refused"
    if refused == LASTING:
        control.clear_faults()
        trial.world.reconcile(1)
    trial.check("refused")
    assert trial.position == Decimal("0.05")


@pytest.mark.parametrize("pace", [100, 700, 1000, 2000, 3100, 4000])
@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.order])
def test_an_entry_is_sent_only_if_its_stop_can_follow_in_time(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, refused: bool, pace: int
) -> None:
    """Each call takes ``pace`` ms. Lambda would kill the function after 28 seconds."""
    trial = Trial(control, desk, clock, SCENARIOS[name])
    if refused:
        control.fault("/fapi/v1/algoOrder", "reject", LASTING, method="POST", apiKey=trial.api_key)
    times: list[int] = []

    def call() -> None:
        clock.advance(pace)
        times.append(clock.now)

    trial.world.scissors.before_each = call
    begun_at = clock.now
    before = trial.position, trial.open_orders
    control.clear_requests()
    outcome = trial.run_cut()
    called = [request for request in control.requests() if request["apiKey"] == trial.api_key]
    entries = [c for c in called if c["method"] == "POST" and "reduceOnly" not in c["params"]]
    if entries:
        protected = max(n for n, c in enumerate(called) if c["method"] == "POST" and _protects(c))
        assert times[protected] <= begun_at + 28_000
    if pace <= 700:
        assert entries
    if pace >= 3100:
        assert not entries
        assert (trial.position, trial.open_orders) == before
    trial.world.scissors.before_each = lambda: None
    trial.settle()
    trial.check(outcome)


def _protects(call: dict[str, Any]) -> bool:
    return call["path"] == "/fapi/v1/algoOrder" or "reduceOnly" in call["params"]


def test_a_killed_request_is_reconciled_when_its_time_is_over(
    control: PaperControl, desk: CutDesk, clock: FakeClock
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS["market"])

    def die_after_the_entry() -> None:
        if trial.position:
            raise Killed

    trial.world.scissors.before_each = die_after_the_entry
    assert trial.run_cut() == "killed"
    assert trial.position
    assert not trial.open_orders
    clock.advance(30_000)
    trial.world.scissors.before_each = lambda: None
    trial.world.reconciler.run(RUN_LIMIT_MS)
    trial.check("killed")


@pytest.mark.parametrize("is_listed", [True, False])
def test_an_exit_whose_id_is_in_use_is_open_although_it_is_not_found(
    control: PaperControl, desk: CutDesk, clock: FakeClock, is_listed: bool
) -> None:
    """Conditional orders were not found for half an hour while they were open (freqtrade#12681)."""
    trial = Trial(control, desk, clock, SCENARIOS["market"])
    control.fault("/fapi/v1/algoOrder", "timeout_after", method="POST", apiKey=trial.api_key)
    control.fault("/fapi/v1/algoOrder", "hide", 1000, method="GET", apiKey=trial.api_key)
    if is_listed:
        assert trial.run_cut() == "answered"
    else:
        control.fault("/fapi/v1/openAlgoOrders", "hide", 1000, apiKey=trial.api_key)
        assert trial.run_cut() == "refused"
        trial.world.reconcile(5)
        (intent,) = trial.world.store.intents.values()
        assert intent.state is State.UNKNOWN
    trial._check_protected()
    assert len(trial.open_orders) == 3, "all exits are placed meanwhile"
    assert trial.position == Decimal("0.05")
    trial.settle()
    trial.check("answered" if is_listed else "refused")


@pytest.mark.parametrize("depth", ["0.001", "0.006", "0.019"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_in_a_market_that_fills_orders_in_part(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, depth: str
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS[name])
    control.depth(BTC_USDT=depth)
    try:
        trial.run_cut()
        trial.world.reconcile()
        trial._check_protected()
    finally:
        control.depth(BTC_USDT=0)


@pytest.mark.parametrize("kind", [None, "http_503"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_while_the_key_status_cannot_be_recorded(
    control: PaperControl,
    desk: CutDesk,
    clock: FakeClock,
    exchange_steps: Callable[[str], int],
    name: str,
    kind: str | None,
) -> None:
    for step in sampled(range(exchange_steps(name) if kind else 1), f"{name} {kind}"):
        trial = Trial(control, desk, clock, SCENARIOS[name])
        trial.world.access.down = True
        if kind:
            trial.fault(kind, step, times=LASTING)
        outcome = trial.run_cut()
        assert outcome == "refused"
        trial.world.access.down = False
        trial.settle()
        check(trial, outcome, f"{name}: {kind} at call {step}, and the store of keys is down")


def test_an_intent_that_stays_unknown_is_abandoned_at_the_end_of_its_lifetime(
    control: PaperControl, desk: CutDesk, clock: FakeClock
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS["market"])
    begun_at = clock.now
    # An order that cannot be checked is not even stored.
    trial.fault("http_503", step=2, times=10_000)
    assert trial.run_cut() == "refused"
    clock.now = begun_at + LIFETIME_MS - 70_000 - RUN_LIMIT_MS
    trial.world.reconcile(1)
    (intent,) = trial.world.store.intents.values()
    assert intent.state is State.UNKNOWN
    assert trial.world.store.stored_locks
    assert not trial.world.telemetry.abandoned_intents
    trial.world.reconcile(1)
    (intent,) = trial.world.store.intents.values()
    assert intent.state is State.ABANDONED
    assert not trial.world.store.stored_locks
    assert trial.world.telemetry.abandoned_intents == [intent]
    trial.control.clear_faults()


def test_of_two_reconcilers_that_read_the_same_lock_one_acts(
    control: PaperControl, desk: CutDesk, clock: FakeClock
) -> None:
    trial = Trial(control, desk, clock, SCENARIOS["market"])
    trial.world.scissors.at = 3
    assert trial.run_cut() == "killed"
    trial.world.scissors.at = -1
    clock.advance(70_000)
    locks = trial.world.store.locks
    assert isinstance(locks, FakeWorkStore)

    def first(step: str) -> None:
        locks.interrupt = lambda _: None
        trial.world.reconciler.run(RUN_LIMIT_MS)
        control.clear_requests()

    locks.interrupt = first
    trial.world.reconciler.run(RUN_LIMIT_MS)
    assert not [request for request in control.requests() if request["apiKey"] == trial.api_key]
    trial.settle()
    trial.check("killed")
