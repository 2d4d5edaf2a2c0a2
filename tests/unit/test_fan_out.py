"""Plan the jobs that carry a signal to the followers of its strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from purser.errors import ExchangeUnavailable
from purser.exchanges.model import Ticker, TradeType
from purser.executions.fan_out import FanOuts
from purser.executions.model import FOLLOWERS_A_JOB, Execution, ExecutionJob
from purser.follows.model import Follow
from purser.orders.model import EntryType
from purser.signals.model import Action, FanOut, Level, Reason, Signal, Source, Status
from purser.strategies.model import Direction
from tests.support.executions import STRATEGY, SYMBOL, Market
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.work import FakeWorkStore

D = Decimal


class PlannedJobs(FakeWorkStore[ExecutionJob]):
    """The job store in memory, for planned jobs only."""

    def add(self, jobs: Sequence[ExecutionJob]) -> None:
        for job in jobs:
            self.put(job)

    def give_up(self, job: ExecutionJob, failed: Sequence[Execution]) -> None:
        raise NotImplementedError


@dataclass
class Prices:
    """A market with one price, None while there is none."""

    last: Decimal | None

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        unknown: dict[str, Any] = dict.fromkeys(Ticker.__dataclass_fields__)
        return Ticker(**unknown | {"last": self.last})


@dataclass
class World:
    """A planner, and what it plans from."""

    market: Market
    jobs: PlannedJobs = field(default_factory=PlannedJobs)
    queue: FakeQueue = field(default_factory=FakeQueue)
    prices: Prices = field(default_factory=lambda: Prices(D(20000)))
    refused: list[tuple[str, Reason]] = field(default_factory=list)

    def refuse(self, signal: Signal, reason: Reason) -> None:
        self.refused.append((signal.id, reason))

    def plan(self, signal: Signal, attempts: int = 1) -> None:
        self.market.signals[signal.id] = signal
        fan_out = FanOut(
            strategy_id=STRATEGY.id, signal_id=signal.id, received_at=1, due_at=1, version=attempts, attempts=attempts
        )
        FanOuts(self.market, self.market, self.jobs, self.queue, self.prices, self, FakeClock()).plan(fan_out)

    @property
    def planned(self) -> list[ExecutionJob]:
        return list(self.jobs.records.values())


SIGNAL = Signal(
    id="signal",
    strategy_id=STRATEGY.id,
    source=Source.ADMIN,
    action=Action.ENTER,
    direction=Direction.LONG,
    symbol=SYMBOL,
    entry_type=EntryType.MARKET,
    limit_price=None,
    trigger_price=None,
    stop=Level(price=D(19000)),
    take_profits=(),
    closes=False,
    stamped_at=1,
    received_at=1,
    expires_at=60_000,
    status=Status.ACCEPTED,
)
EXIT = replace(SIGNAL, action=Action.EXIT, stop=None, closes=True)


@pytest.fixture
def world() -> World:
    follows = [
        Follow(str(number), f"user {number}", f"account {number}", SYMBOL, STRATEGY.id, "profile", number != 0, 1, 1)
        for number in range(2 * FOLLOWERS_A_JOB + 6)
    ]
    return World(Market(follows))


def test_every_active_follower_is_in_one_job(world: World) -> None:
    world.plan(SIGNAL)
    assert [len(job.followers) for job in world.planned] == [25, 25, 5]
    ids = [follower.follow_id for job in world.planned for follower in job.followers]
    assert sorted(ids, key=int) == [str(number) for number in range(1, 56)]
    assert {job.price for job in world.planned} == {D(20000)}
    assert world.queue.sent == [job.message for job in world.planned]


def test_a_second_attempt_plans_jobs_of_its_own(world: World) -> None:
    world.plan(SIGNAL)
    world.plan(SIGNAL, attempts=2)
    one, two = world.planned[:3], world.planned[3:]
    assert [job.followers for job in one] == [job.followers for job in two]
    assert not {job.id for job in one} & {job.id for job in two}


def test_a_signal_that_closes_needs_no_price(world: World) -> None:
    world.prices.last = None
    world.plan(EXIT)
    assert {job.price for job in world.planned} == {None}


def test_a_signal_to_enter_waits_for_a_price(world: World) -> None:
    world.prices.last = None
    with pytest.raises(ExchangeUnavailable):
        world.plan(SIGNAL)
    assert world.planned == []


def test_a_signal_whose_prices_cannot_be_right_is_refused(world: World) -> None:
    world.prices.last = D(18999)
    world.plan(SIGNAL)
    assert (world.refused, world.planned) == ([("signal", Reason.SUSPECT_PRICE)], [])


def test_a_signal_is_not_refused_once_jobs_may_be_planned(world: World) -> None:
    world.prices.last = D(18999)
    world.plan(SIGNAL, attempts=2)
    assert world.refused == []
    assert len(world.planned) == 3


def test_a_signal_that_was_refused_goes_nowhere(world: World) -> None:
    world.plan(replace(SIGNAL, status=Status.REFUSED))
    assert world.planned == []
