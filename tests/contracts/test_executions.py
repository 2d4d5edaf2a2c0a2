"""The contract of the execution store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.errors import Contended
from purser.exchanges.model import ApiCredential
from purser.exchanges.orders import Side
from purser.executions.model import (
    AccountStopped,
    EntriesChanged,
    Execution,
    ExecutionExists,
    ExecutionJob,
    ExecutionStatus,
    FollowStopped,
    Skip,
    SkipReason,
)
from purser.executions.ports import ExecutionStore, JobStore
from purser.executions.store import DynamoExecutionStore, DynamoJobStore
from purser.follows.model import Follow, Follower
from purser.orders.intents import Intent, OrderLock, StrategyTrade
from purser.orders.model import EntryType, ManualOrder
from purser.orders.ports import OrderLockLost, OrderLockTaken
from purser.signals.ports import Counts
from purser.signals.store import DynamoSignalStore
from tests.support.crashes import Scissors
from tests.support.executions import FakeExecutions, FakeJobs
from tests.support.intents import FakeAccess, FakeIntents

NOW = 1_700_000_000_000
SYMBOL = "BTC/USDT"


@dataclass
class World:
    """A store, and a follow on an account that can be stopped."""

    store: ExecutionStore
    execution: Execution
    stop_follow: Callable[[], None]
    stop_account: Callable[[], None]
    jobs: JobStore
    counts: Callable[[], Counts]

    @property
    def intent(self) -> Intent:
        execution = self.execution
        owner = execution.user_id, execution.trading_account_id, SYMBOL
        order = ManualOrder(SYMBOL, EntryType.LIMIT, Side.BUY, Decimal("0.175"), price=Decimal(20100))
        trade = StrategyTrade("Trend", "BINANCE", SYMBOL, "BUY", 2)
        signal_id = execution.signal_id
        return Intent(execution.id, *owner, NOW, NOW, order=order, strategy=trade, signal_id=signal_id)

    def lock(self, intent: Intent) -> OrderLock:
        owner = intent.user_id, intent.trading_account_id, intent.symbol, intent.id
        return OrderLock(*owner, leased_until=NOW + 10, due_at=NOW + 10)

    def begin(self) -> None:
        self.store.begin(self.execution, self.intent, self.lock(self.intent), None)

    def job(self, *follow_ids: str) -> ExecutionJob:
        """Store a job for the follow and others, and return it."""
        execution = self.execution
        followers = [
            Follower(execution.user_id, execution.trading_account_id, follow)
            for follow in (execution.follow_id, *follow_ids)
        ]
        job = ExecutionJob(execution.signal_id, "job", "strategy", tuple(followers), None, NOW, due_at=NOW)
        self.jobs.add([job])
        return job

    def counted(self) -> dict[tuple[str, str | None], int]:
        """Return the counts of the signal that are not 0."""
        return {outcome: count for outcome, count in self.counts().items() if count}

    @property
    def known(self) -> Execution | None:
        return self.store.get(self.execution.follow_id, self.execution.signal_id)


def execution_of(user_id: str, account_id: str, follow_id: str) -> Execution:
    return Execution(
        signal_id=str(uuid4()),
        strategy_id="strategy",
        follow_id=follow_id,
        user_id=user_id,
        trading_account_id=account_id,
        symbol=SYMBOL,
        created_at=NOW,
        updated_at=NOW,
        job_id="job",
        amount=Decimal("0.175"),
        leverage=2,
        worst_price=Decimal(20100),
        risk=Decimal("199.25"),
        capped_by="MARGIN",
    )


@pytest.fixture
def world(tables: dict[str, str] | None) -> World:
    return in_tables(tables) if tables else in_memory()


def in_memory() -> World:
    access, scissors = FakeAccess(ApiCredential(str(uuid4()), "secret")), Scissors()
    execution = execution_of(access.account.user_id, access.account.id, str(uuid4()))
    owner = execution.follow_id, execution.user_id, execution.trading_account_id, SYMBOL
    follows = [Follow(*owner, "strategy", "risk", True, NOW, NOW)]

    def stop_follow() -> None:
        follows[0] = replace(follows[0], active=False)

    def stop_account() -> None:
        access.account = replace(access.account, active=False)

    store = FakeExecutions(FakeIntents(scissors), follows, access, scissors)
    return World(store, execution, stop_follow, stop_account, FakeJobs(store), lambda: store.counts)


def in_tables(tables: dict[str, str]) -> World:
    keys = Table(tables["KEYS_TABLE"])
    execution = execution_of(str(uuid4()), str(uuid4()), str(uuid4()))
    pk, account = f"USER#{execution.user_id}", f"KEY#{execution.trading_account_id}"
    follow = f"FOLLOW#{execution.trading_account_id}#{SYMBOL}"
    keys.put({"PK": pk, "SK": account, "active": True, "apiKeyStatus": "AUTHORIZED"})
    keys.put(
        {
            "PK": pk,
            "SK": follow,
            "followId": execution.follow_id,
            "followerId": execution.trading_account_id,
            "symbol": SYMBOL,
            "strategyId": "strategy",
            "riskProfileId": "risk",
            "active": True,
            "createdAt": NOW,
            "updatedAt": NOW,
        }
    )

    def stop(sk: str) -> None:
        keys.update(pk, sk, "SET active = :off", {":off": False})

    orders, strategies = Table(tables["ORDERS_TABLE"]), Table(tables["STRATEGIES_TABLE"])
    store, signals = DynamoExecutionStore(orders, keys, strategies), DynamoSignalStore(strategies, lambda _: [])

    def counts() -> Counts:
        return signals.counts([execution.signal_id]).get(execution.signal_id, {})

    return World(store, execution, partial(stop, follow), partial(stop, account), DynamoJobStore(orders, store), counts)


def test_an_execution_begins_with_its_intent_and_the_order_lock(world: World) -> None:
    world.begin()
    assert world.known == world.execution
    account = world.execution.trading_account_id
    assert world.store.intent(account, world.execution.id) == world.intent
    assert world.store.lock(account, SYMBOL) == world.lock(world.intent)
    assert world.store.open_symbols(account) == [SYMBOL]


def test_an_execution_begins_once(world: World) -> None:
    world.begin()
    with pytest.raises((ExecutionExists, OrderLockTaken)):
        world.begin()
    world.store.settle(replace(world.execution, status=ExecutionStatus.OPEN))
    with pytest.raises((ExecutionExists, OrderLockTaken)):
        world.begin()


def test_a_skipped_execution_does_not_begin(world: World) -> None:
    skipped = world.execution.skipped(Skip(SkipReason.VENUE_REFUSED, "-4411"))
    world.store.skip(skipped)
    with pytest.raises(ExecutionExists):
        world.begin()
    assert world.known == skipped
    assert world.store.lock(world.execution.trading_account_id, SYMBOL) is None


def test_an_execution_that_has_begun_is_not_skipped(world: World) -> None:
    world.begin()
    world.store.skip(world.execution.skipped(Skip(SkipReason.EXPIRED)))
    assert world.known == world.execution


def test_an_execution_needs_an_active_follow_of_its_strategy(world: World) -> None:
    world.stop_follow()
    with pytest.raises(FollowStopped):
        world.begin()
    assert world.known is None


def test_an_execution_of_another_strategy_does_not_begin(world: World) -> None:
    world.execution = replace(world.execution, strategy_id="other")
    with pytest.raises(FollowStopped):
        world.begin()


def test_an_execution_needs_an_active_account(world: World) -> None:
    world.stop_account()
    with pytest.raises(AccountStopped):
        world.begin()
    assert world.store.intent(world.execution.trading_account_id, world.execution.id) is None


def test_an_execution_that_closes_begins_with_its_trade_and_may_begin_again(world: World) -> None:
    world.begin()
    world.stop_follow()
    world.stop_account()
    execution = replace(world.execution, signal_id=str(uuid4()), trade_id=world.execution.id)
    lock = world.lock(world.intent)
    for version in (2, 3):
        trade = world.intent.closing(execution.signal_id, NOW + version)
        lock = replace(lock, version=version)
        world.store.begin_closing(execution, trade, lock)
        assert world.store.get(execution.follow_id, execution.signal_id) == execution
        assert world.store.intent(execution.trading_account_id, trade.id) == trade
    with pytest.raises(OrderLockLost):
        world.store.begin_closing(replace(execution, signal_id="later"), world.intent, lock)
    assert world.store.get(execution.follow_id, "later") is None
    assert world.store.lock(execution.trading_account_id, SYMBOL) == lock


def test_the_executions_of_a_job_are_known_by_follow(world: World) -> None:
    world.begin()
    execution = world.execution
    followers = tuple(
        Follower(execution.user_id, execution.trading_account_id, follow)
        for follow in (execution.follow_id, str(uuid4()))
    )
    job = ExecutionJob(execution.signal_id, "1", "strategy", followers, Decimal(20000), NOW, due_at=NOW)
    assert world.store.known(job) == {execution.follow_id: execution}


def test_executions_of_a_follow_are_listed_newest_first(world: World) -> None:
    ids = sorted(str(uuid4()) for _ in range(4))
    rows = [replace(world.execution, signal_id=each) for each in ids]
    for row in rows:
        world.store.skip(row.skipped(Skip(SkipReason.EXPIRED)))
    newest = [each.signal_id for each in world.store.newest(world.execution.follow_id, None, 2)]
    assert newest == [ids[3], ids[2]]
    rest = [each.signal_id for each in world.store.newest(world.execution.follow_id, ids[2], 5)]
    assert rest == [ids[1], ids[0]]


def test_an_entry_under_a_limit_begins_only_if_no_other_has_begun(world: World) -> None:
    account = world.execution.trading_account_id
    assert world.store.entries(account) == 0
    world.store.begin(world.execution, world.intent, world.lock(world.intent), None, 0)
    assert world.store.entries(account) == 1
    world.execution = replace(world.execution, signal_id=str(uuid4()))
    lock = replace(world.lock(world.intent), symbol="ETH/USDT")
    with pytest.raises(EntriesChanged):
        world.store.begin(world.execution, world.intent, lock, None, 0)
    assert world.known is None
    world.store.begin(world.execution, world.intent, lock, None, 1)
    assert world.store.entries(account) == 2


def test_a_job_that_is_done_counts_the_executions_that_it_began(world: World) -> None:
    world.store.settle(replace(world.execution, status=ExecutionStatus.RESTING))
    other = replace(world.execution, follow_id=str(uuid4()), job_id="other job")
    world.store.skip(other.skipped(Skip(SkipReason.MARGIN)))
    job = world.job(other.follow_id)
    assert world.jobs.finish(job)
    assert not world.jobs.finish(job)
    assert world.counted() == {("RESTING", None): 1}


def test_the_counts_follow_an_execution_that_changes_after_its_job(world: World) -> None:
    resting = replace(world.execution, status=ExecutionStatus.RESTING)
    world.store.settle(resting)
    world.jobs.finish(world.job())
    stored = world.known
    assert stored is not None
    with pytest.raises(Contended):
        world.store.settle(replace(resting, status=ExecutionStatus.OPEN))
    for _ in range(2):
        world.store.settle(replace(world.known or stored, status=ExecutionStatus.OPEN))
    with pytest.raises(Contended):
        world.store.settle(replace(stored, status=ExecutionStatus.FAILED))
    assert world.counted() == {("OPEN", None): 1}


def test_a_dead_job_counts_its_executions_and_those_that_failed_once(world: World) -> None:
    world.begin()
    failed = replace(world.execution, follow_id=str(uuid4()), status=ExecutionStatus.FAILED, reason=SkipReason.INTERNAL)
    job, counts = world.job(failed.follow_id), {("SENDING", None): 1, ("FAILED", "INTERNAL"): 1}
    world.jobs.give_up(job, [failed])
    with pytest.raises(Contended):
        world.jobs.give_up(job, [])
    assert world.jobs.advance(job.exhausted(NOW))
    dead = world.jobs.get(*job.key)
    assert dead is not None
    assert (dead.counted, dead.dead, world.counted()) == (True, True, counts)
    leased = dead.leased(NOW + 1)
    assert world.jobs.advance(leased)
    assert world.jobs.finish(leased)
    assert world.counted() == counts
    world.store.settle(replace(world.known or failed, status=ExecutionStatus.CLOSED))
    assert world.counted() == {("CLOSED", None): 1, ("FAILED", "INTERNAL"): 1}


def test_a_follower_that_has_an_execution_does_not_fail(world: World) -> None:
    job = world.job()
    world.begin()
    failed = replace(world.execution, status=ExecutionStatus.FAILED, reason=SkipReason.INTERNAL)
    with pytest.raises(Contended):
        world.jobs.give_up(job, [failed])
    assert (world.known, world.counted()) == (world.execution, {})
