"""Executions at a paper exchange, with the stores in memory, for interrupting them at every point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from local.doubles.binance import PaperControl
from purser.errors import Contended, PurserError, Unfinished
from purser.exchanges.model import ApiCredential
from purser.executions.executor import Executor, Stores
from purser.executions.giving_up import DeadJobs
from purser.executions.model import (
    LEASE_MS,
    AccountStopped,
    EntriesChanged,
    Execution,
    ExecutionExists,
    ExecutionJob,
    FollowStopped,
    Outcome,
)
from purser.executions.service import IntentFollower
from purser.follows.model import Follow, Follower
from purser.orders.intents import Intent, OrderLock
from purser.orders.model import EntryType
from purser.signals.model import Action, Level, Mode, Signal, Source, State, Status, TakeProfit
from purser.strategies.model import Direction, RiskProfile, Strategy
from purser.work.model import Delivery
from purser.work.worker import Worker
from tests.support.crashes import Killed, Scissors
from tests.support.fakes import FakeClock
from tests.support.intents import USER_ID, CutDesk, FakeAccess, FakeIntents, World
from tests.support.paper import is_open
from tests.support.work import FakeWorkStore, FakeWorkTelemetry

D = Decimal
SYMBOL, PRICE = "BTC/USDT", D(20000)
STRATEGY = Strategy("strategy", True, "Trend", None, "BINANCE", SYMBOL, 1, 1)
PROFILE = RiskProfile("profile", "MODERATE", D(2), 1, 1)


class FakeExecutions:
    """The execution store in memory, beside intents in memory."""

    def __init__(self, intents: FakeIntents, follows: list[Follow], access: FakeAccess, scissors: Scissors) -> None:
        self.executions: dict[tuple[str, str], Execution] = {}
        self.counts = Counter[Outcome]()
        self._entries: dict[str, int] = {}
        self._intents = intents
        self._follows = follows
        self._access = access
        self._scissors = scissors

    def get(self, follow_id: str, signal_id: str) -> Execution | None:
        return self.executions.get((follow_id, signal_id))

    def known(self, job: ExecutionJob) -> Mapping[str, Execution]:
        found = {each.follow_id: self.get(each.follow_id, job.signal_id) for each in job.followers}
        return {follow_id: execution for follow_id, execution in found.items() if execution}

    def skip(self, execution: Execution) -> None:
        self._scissors.cut(lambda: self.executions.setdefault((execution.follow_id, execution.signal_id), execution))

    def entries(self, trading_account_id: str) -> int:
        return self._entries.get(trading_account_id, 0)

    def begin(
        self,
        execution: Execution,
        intent: Intent,
        lock: OrderLock,
        replaced: Intent | None,
        entries: int | None = None,
    ) -> None:
        key = (execution.follow_id, execution.signal_id)
        if key in self.executions:
            raise ExecutionExists
        follow = next((each for each in self._follows if each.id == execution.follow_id), None)
        if follow is None or not follow.active or follow.strategy_id != execution.strategy_id:
            raise FollowStopped
        if not self._access.account.active:
            raise AccountStopped
        if entries is not None and entries != self.entries(execution.trading_account_id):
            raise EntriesChanged

        def also() -> None:
            self._put(execution)
            if entries is not None:
                self._entries[execution.trading_account_id] = entries + 1

        self._intents.begin(intent, lock, replaced, also)

    def begin_closing(self, execution: Execution, trade: Intent, lock: OrderLock) -> None:
        self._intents.keep(trade, lock, also=lambda: self._put(execution))

    def keep(self, trade: Intent, lock: OrderLock) -> None:
        self._intents.keep(trade, lock)

    def _put(self, execution: Execution) -> None:
        self.executions[execution.follow_id, execution.signal_id] = execution

    def settle(self, execution: Execution) -> None:
        def write() -> None:
            before = self.executions.get((execution.follow_id, execution.signal_id))
            if before is not None and before.counted != execution.counted:
                raise Contended
            after = execution
            if execution.counted is not None:
                self.counts[execution.counted] -= 1
                self.counts[execution.outcome] += 1
                after = replace(execution, counted=execution.outcome)
            self._put(after)

        self._scissors.cut(write)

    def count(self, job: ExecutionJob, failed: Sequence[Execution] = ()) -> None:
        """Count the executions that a job began, and those that have failed."""
        begun = [each for each in self.known(job).values() if each.job_id == job.id]
        for execution in (*begun, *failed):
            self.counts[execution.outcome] += 1
            counted = execution.outcome if execution.may_change else None
            self._put(replace(execution, counted=counted))

    def open_symbols(self, trading_account_id: str) -> Sequence[str]:
        return [lock.symbol for lock in self._intents.stored_locks if lock.trading_account_id == trading_account_id]

    def lock(self, trading_account_id: str, symbol: str) -> OrderLock | None:
        return self._intents.locks.get(trading_account_id, symbol)

    def intent(self, trading_account_id: str, intent_id: str) -> Intent | None:
        return self._intents.get(trading_account_id, intent_id)

    def newest(self, follow_id: str, before: str | None, limit: int) -> Sequence[Execution]:
        found = sorted((key[1] for key in self.executions if key[0] == follow_id), reverse=True)
        return [self.executions[follow_id, each] for each in found if before is None or each < before][:limit]


class FakeJobs(FakeWorkStore[ExecutionJob]):
    """The job store in memory."""

    def __init__(self, executions: FakeExecutions) -> None:
        super().__init__()
        self._executions = executions

    def add(self, jobs: Sequence[ExecutionJob]) -> None:
        for job in jobs:
            self.put(job)

    def finish(self, item: ExecutionJob) -> bool:
        is_done = super().finish(item)
        if is_done and not item.counted:
            self._executions.count(item)
        return is_done

    def give_up(self, job: ExecutionJob, failed: Sequence[Execution]) -> None:
        current = self.get(*job.key)
        if current is None or current.version != job.version or current.counted:
            raise Contended
        if any(self._executions.get(each.follow_id, each.signal_id) for each in failed):
            raise Contended
        self.put(replace(current, counted=True))
        self._executions.count(job, failed)

    def advance(self, after: ExecutionJob) -> bool:
        # As in DynamoDB, where it changes only what belongs to every kind of work.
        current = self.get(*after.key)
        return super().advance(replace(after, counted=current is not None and current.counted))


@dataclass
class Market:
    """Strategies, signals and follows in memory."""

    follows: list[Follow]
    signals: dict[str, Signal] = field(default_factory=dict)
    state: State = field(default_factory=State)
    mode: Mode = Mode.ACTIVE

    def followers(self, strategy_id: str) -> Iterator[Follower]:
        for each in self.follows:
            if each.active and each.strategy_id == strategy_id:
                yield Follower(each.user_id, each.trading_account_id, each.id)

    def of_account(self, user_id: str, trading_account_id: str) -> list[Follow]:
        return [each for each in self.follows if each.trading_account_id == trading_account_id]

    def get(self, strategy_id: str, signal_id: str) -> Signal | None:
        return self.signals.get(signal_id)

    def mode_of(self, strategy_id: str) -> Mode:
        return self.mode

    def state_of(self, strategy_id: str) -> State:
        return self.state

    def find(
        self, strategy_ids: Iterable[str], risk_profile_ids: Iterable[str]
    ) -> tuple[dict[str, Strategy], dict[str, RiskProfile]]:
        strategies = {id: replace(STRATEGY, id=id) for id in strategy_ids}
        return strategies, dict.fromkeys(risk_profile_ids, PROFILE)


class FollowedAccount:
    """One account that follows a strategy at a paper exchange."""

    def __init__(
        self, control: PaperControl, desk: CutDesk, clock: FakeClock, balance: str = "10000", **settings: Any
    ) -> None:
        clock.advance(60_000)
        control.prices(BTC_USDT=PRICE, ETH_USDT="1000")
        key = control.key(futures={"USDT": balance, "BNB": "1"}, **settings)
        self.control, self.clock, self.api_key = control, clock, key["apiKey"]
        self.credential = ApiCredential(key["apiKey"], key["secret"])
        self.world = World(desk, clock, self.credential)
        self.follow = Follow(
            f"follow-{self.api_key}", USER_ID, self.world.account_id, SYMBOL, STRATEGY.id, PROFILE.id, True, 1, 1
        )
        self.market = Market([self.follow])
        intents = self.world.store
        assert isinstance(intents, FakeIntents)
        self.store = FakeExecutions(intents, self.market.follows, self.world.access, self.world.scissors)
        self.jobs = FakeJobs(self.store)
        self.world.follow = IntentFollower(self.store, clock).changed
        self.executor = Executor(
            Stores(self.store, self.market, self.market, self.market, self.market),
            self.world.access,
            desk,
            self.world.orders,
            clock,
        )

    def deliver(self, job: ExecutionJob, attempts: int = 1, most: int = 2) -> None:
        """Store a job, and deliver its message so many times. After ``most`` failed attempts, the job is dead."""
        if self.jobs.get(*job.key) is None:
            self.jobs.add([job])
        give_up = DeadJobs(self.jobs, self.store, self.market, self.clock).give_up
        worker = Worker(
            self.jobs,
            self.executor.execute,
            FakeWorkTelemetry(),
            self.clock,
            lease_ms=LEASE_MS,
            max_attempts=most,
            give_up=give_up,
        )
        for attempt in range(attempts):
            self.clock.advance(LEASE_MS)
            with suppress(PurserError):
                worker.work(*job.key, delivery=Delivery(attempt + 1, sent_at=self.clock()))

    def counts(self) -> dict[str, int]:
        """Return how many executions are in which state, for whichever reason."""
        return {"/".join(filter(None, outcome)): count for outcome, count in self.store.counts.items() if count}

    def change(self, **changes: Any) -> None:
        """Change the follow."""
        self.follow = self.market.follows[0] = replace(self.follow, **changes)

    def enter(self, number: int, direction: Direction = Direction.LONG, **given: Any) -> ExecutionJob:
        """Accept a signal that enters, and return the job that carries it here."""
        sign = 1 if direction is Direction.LONG else -1
        prices = [PRICE + sign * D(each) for each in (500, 1000)]
        signal = self._signal(
            number,
            action=Action.ENTER,
            direction=direction,
            stop=Level(price=PRICE - sign * 1000),
            take_profits=tuple(TakeProfit(Level(price=price), D(50)) for price in prices),
        )
        signal = replace(signal, **given)
        self.market.state = State(direction=direction, opened_by=signal.id)
        return self._job(signal)

    def exit(self, number: int, **given: Any) -> ExecutionJob:
        """Accept a signal that closes, and return the job that carries it here."""
        self.market.state = State()
        return self._job(replace(self._signal(number, action=Action.EXIT, closes=True), **given))

    def _signal(self, number: int, **given: Any) -> Signal:
        now = self.clock()
        defaults: dict[str, Any] = {"direction": None, "stop": None, "take_profits": (), "closes": False}
        return Signal(
            id=f"signal-{number}",
            strategy_id=STRATEGY.id,
            source=Source.ADMIN,
            symbol=SYMBOL,
            entry_type=EntryType.MARKET,
            limit_price=None,
            trigger_price=None,
            stamped_at=now,
            received_at=now,
            expires_at=now + 60_000,
            status=Status.ACCEPTED,
            **defaults | given,
        )

    def _job(self, signal: Signal) -> ExecutionJob:
        self.market.signals[signal.id] = signal
        followers = (Follower(USER_ID, self.world.account_id, self.follow.id),)
        return ExecutionJob(signal.id, "1", signal.strategy_id, followers, PRICE, self.clock(), due_at=self.clock())

    def run_cut(self, job: ExecutionJob) -> str:
        """Execute a job, and return how that ended: ``done``, ``unfinished`` or ``killed``."""
        try:
            self.executor.execute(job)
        except Killed:
            return "killed"
        except Unfinished:
            return "unfinished"
        return "done"

    def settle(self, job: ExecutionJob, deliveries: int = 4) -> None:
        """Let the job be delivered again, and the reconciler run in between."""
        self.control.clear_faults()
        self.world.scissors.at = -1
        for _ in range(deliveries):
            self.clock.advance(15_000)
            with suppress(Unfinished):
                self.executor.execute(job)
            self.world.reconcile(1)

    @property
    def execution(self) -> Execution:
        """The only execution."""
        (execution,) = self.store.executions.values()
        return execution

    def execution_of(self, job: ExecutionJob) -> Execution:
        found = self.store.get(self.follow.id, job.signal_id)
        assert found is not None
        return found

    @property
    def orders(self) -> list[dict[str, Any]]:
        return list(self.control.orders(self.api_key))

    @property
    def open_orders(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if is_open(order)]

    @property
    def position(self) -> Decimal:
        return sum((D(position["positionAmt"]) for position in self.control.positions(self.api_key)), D(0))

    def check_protected(self) -> None:
        """Check that a position has a stop that closes it, and that nothing is left open without one."""
        closing = [o for o in self.open_orders if "algoId" in o and o["closePosition"]]
        if self.position:
            leaving = "SELL" if self.position > 0 else "BUY"
            assert leaving in [order["side"] for order in closing], self.orders
        else:
            assert not self.open_orders
