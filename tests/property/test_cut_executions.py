"""An execution may be interrupted at any point: by the exchange, by the network, or by a crash.

Each scenario runs once without interruption, to count its steps; then once for each step and each kind of interruption,
of which ``make test`` tries a sample. Then its job is delivered again, and the reconciler runs. Afterwards nobody was
traded twice, no position is without its stop, and what is stored is what the exchange reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

from local.doubles.binance import PaperControl
from purser.executions.model import ExecutionJob, ExecutionStatus
from purser.strategies.model import Direction
from tests.support.effort import sampled
from tests.support.executions import FollowedAccount
from tests.support.fakes import FakeClock
from tests.support.intents import CutDesk

FAULTS = ("reject", "http_503", "http_503_after", "rate_limit", "timeout_before", "timeout_after")
MOST = Decimal("0.175")
"""The amount by the follower's risk."""


def enter(account: FollowedAccount) -> ExecutionJob:
    return account.enter(1)


def reverse(account: FollowedAccount) -> ExecutionJob:
    account.executor.execute(account.enter(1))
    return account.enter(2, Direction.SHORT)


def close(account: FollowedAccount) -> ExecutionJob:
    account.executor.execute(account.enter(1))
    return account.exit(2)


SCENARIOS = {"enter": enter, "reverse": reverse, "close": close}
Prepare = Callable[[FollowedAccount], ExecutionJob]


def check(account: FollowedAccount, job: ExecutionJob, what: str) -> None:
    try:
        _check(account, job)
    except AssertionError as failure:
        raise AssertionError(f"{what}: {failure}") from failure


def _check(account: FollowedAccount, job: ExecutionJob) -> None:
    account.check_protected()
    named = Counter(order.get("clientAlgoId", order.get("clientOrderId")) for order in account.orders)
    assert set(named.values()) <= {1}
    entries = [order for order in account.orders if "orderId" in order and not order["reduceOnly"]]
    assert len(entries) <= len(account.store.executions)
    execution = account.execution_of(job)
    assert execution.status.is_settled
    signal = account.market.signals[job.signal_id]
    if signal.closes or execution.status is not ExecutionStatus.OPEN:
        assert account.position == 0
    else:
        is_long = signal.direction is Direction.LONG
        assert 0 < (account.position if is_long else -account.position) <= MOST
    assert execution.status is not ExecutionStatus.SKIPPED or execution.amount is None or not account.position


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_uninterrupted_execution_is_consistent(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str
) -> None:
    account = FollowedAccount(control, desk, clock)
    job = SCENARIOS[name](account)
    assert account.run_cut(job) == "done"
    check(account, job, name)
    account.settle(job)
    check(account, job, name)


def steps_of(control: PaperControl, desk: CutDesk, clock: FakeClock, name: str) -> int:
    """Return the steps of an uninterrupted run, without those that only fill the caches of the desk."""
    for _ in range(2):
        account = FollowedAccount(control, desk, clock)
        job = SCENARIOS[name](account)
        account.world.scissors.steps = 0
        account.run_cut(job)
    return account.world.scissors.steps


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_execution_is_consistent_after_a_crash_at_any_step(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, after: bool
) -> None:
    for step in sampled(range(steps_of(control, desk, clock, name)), f"{name} {after}"):
        account = FollowedAccount(control, desk, clock)
        job = SCENARIOS[name](account)
        account.world.scissors.steps, account.world.scissors.at, account.world.scissors.after = 0, step, after
        assert account.run_cut(job) == "killed"
        account.settle(job)
        check(account, job, f"{name}: killed at step {step}")


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_execution_is_consistent_after_a_fault_of_the_exchange_at_any_call(
    control: PaperControl, desk: CutDesk, clock: FakeClock, name: str, kind: str, times: int
) -> None:
    whole = FollowedAccount(control, desk, clock)
    job = SCENARIOS[name](whole)
    control.clear_requests()
    whole.run_cut(job)
    calls = sum(request["apiKey"] == whole.api_key for request in control.requests())
    for step in sampled(range(calls), f"{name} {kind} {times}"):
        account = FollowedAccount(control, desk, clock)
        job = SCENARIOS[name](account)
        code = {"code": -2010} if kind == "reject" else {}
        control.fault("/", kind, times, skip=step, apiKey=account.api_key, **code)
        account.run_cut(job)
        account.settle(job, deliveries=6)
        check(account, job, f"{name}: {kind} at call {step}")
