"""Execute a job: bring a signal to each of its followers, exactly once.

An execution begins in one transaction with its intent and the order lock, so that of two executors only one goes on.
From then on the intent is the truth, and ``OrderReconciler`` completes or undoes it whatever is cut. So an executor
never repeats an entry. It repeats a closing until the trade is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, partial

from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    NotFound,
    PurserError,
    Unfinished,
)
from purser.exchanges.budget import Purpose
from purser.exchanges.model import ApiCredential
from purser.exchanges.orders import Margin, MarginType, OrderDesk, Refusal, Side
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
from purser.executions.ports import Catalog, ExecutionStore, Follows, Signals, States
from purser.executions.sizing import Funds, Setup, SizedOrder, size
from purser.follows.model import Follow, Follower
from purser.orders.intents import ENTRY_RESERVE_MS, ORDER_TIME_MS, Intent, OrderLock, StrategyTrade
from purser.orders.intents import State as IntentState
from purser.orders.model import EntryType, Leg, ManualOrder, Role, Stop, StopType, legs_of
from purser.orders.service import Begin, Keep, Orders
from purser.ports import Access
from purser.retrying import until_fresh
from purser.signals.deciding import is_plausible
from purser.signals.model import Mode, Signal
from purser.strategies.model import Direction, RiskProfile, Strategy
from purser.trading_accounts.model import TradingAccount

THREADS = 8
"""The followers of a job that are worked on at a time."""

WORKING_MS = 60_000
"""The time in which an attempt begins with followers. Its function then has time left for the last orders."""

FIRST_RETRY_S = 5
RETRY_GROWTH = 4
"""A job whose followers are not all settled is tried again after 5 s, 20 s, 80 s and 320 s."""

GREATEST_SHARE = Decimal("0.5")
SHARED = Decimal("0.95")
"""The share of the available margin that one trade may bind, and that all follows of an account may bind together."""

REFUSALS: Mapping[str | None, SkipReason] = {
    Refusal.HEDGE_MODE: SkipReason.HEDGE_MODE,
    Refusal.MARGIN_INSUFFICIENT: SkipReason.MARGIN,
    Refusal.LEVERAGE_TOO_HIGH: SkipReason.BRACKET,
    Refusal.OPEN_ORDERS: SkipReason.SYMBOL_BUSY,
    Refusal.OPEN_POSITION: SkipReason.SYMBOL_BUSY,
    Refusal.MULTI_ASSETS: SkipReason.MULTI_ASSETS,
}
"""The reasons that the venue's codes mean."""


class NotSettled(Exception):
    """Some followers of a job are not settled, for these reasons by follow. It is the cause of what is raised."""

    def __init__(self, failures: Mapping[str, Exception]) -> None:
        super().__init__(f"{len(failures)} followers are not settled")
        self.failures = failures


class Skipped(Exception):
    """The signal is not executed for a follower."""

    def __init__(self, reason: SkipReason, detail: str | None = None) -> None:
        super().__init__(reason)
        self.skip = Skip(reason, detail)


@dataclass(frozen=True, slots=True)
class Task:
    """A job with its signal and what is known of all its followers. No follower is begun with after ``until``.

    ``profile`` returns a risk profile, which is read once.
    """

    job: ExecutionJob
    signal: Signal
    strategy: Strategy
    known: Mapping[str, Execution]
    until: int
    profile: Callable[[str], RiskProfile]


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that an executor reads and writes."""

    executions: ExecutionStore
    follows: Follows
    signals: Signals
    states: States
    catalog: Catalog


class Executor:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(
        self, stores: Stores, accounts: Access, desk: OrderDesk, orders: Orders, now: Callable[[], int]
    ) -> None:
        self._stores = stores
        self._accounts = accounts
        self._desk = desk.spending(Purpose.EXECUTING)
        self._orders = orders
        self._now = now

    def execute(self, job: ExecutionJob) -> None:
        """Bring a signal to the followers of a job that have no settled execution of it.

        Raises:
            Unfinished: some are not settled, and the job is to be tried again.
        """
        signal = self._stores.signals.get(job.strategy_id, job.signal_id)
        strategy = self._stores.catalog.find([job.strategy_id], [])[0].get(job.strategy_id)
        if signal is None or strategy is None:
            return
        known, until = self._stores.executions.known(job), self._now() + WORKING_MS
        task = Task(job, signal, strategy, known, until, cache(self._profile))
        with ThreadPoolExecutor(THREADS) as pool:
            ended = zip(job.followers, pool.map(lambda each: self._settle(task, each), job.followers), strict=True)
            failures = {follower.follow_id: error for follower, error in ended if error}
        for unexpected in failures.values():
            if not isinstance(unexpected, PurserError):
                raise unexpected from NotSettled(failures)
        if failures:
            retry_after = FIRST_RETRY_S * RETRY_GROWTH ** max(0, job.attempts - 1)
            raise Unfinished(retry_after=retry_after) from NotSettled(failures)

    def _profile(self, id: str) -> RiskProfile:
        return self._stores.catalog.find([], [id])[1][id]

    def _settle(self, task: Task, follower: Follower) -> Exception | None:
        """Settle one follower. Return the error for which that must be tried again, so that others go on."""
        known = task.known.get(follower.follow_id)
        # What no attempt of a dead job could close is closed when an operator redrives the job.
        was_given_up = known is not None and known.status is ExecutionStatus.FAILED and known.reason is not None
        if known is not None and known.status.is_settled and not was_given_up:
            return None
        if self._now() >= task.until:
            return Unfinished("no time is left for this follower", retry_after=0)
        try:
            if task.signal.closes:
                self._close(task, follower)
            elif was_given_up:
                with suppress(Skipped):
                    self._end_earlier(follower, task.signal)
            elif known is not None:
                self._look_up(known)
            else:
                self._enter(task, follower)
        except Skipped as skipped:
            store = self._stores.executions.settle if known else self._stores.executions.skip
            store(self._new(task, follower).skipped(skipped.skip))
        except ExecutionExists:
            pass
        except Exception as error:
            return error
        return None

    def _new(self, task: Task, follower: Follower) -> Execution:
        now, known = self._now(), task.known.get(follower.follow_id)
        if known is not None:
            return replace(known, updated_at=now)
        return Execution(
            signal_id=task.signal.id,
            job_id=task.job.id,
            strategy_id=task.signal.strategy_id,
            follow_id=follower.follow_id,
            user_id=follower.user_id,
            trading_account_id=follower.trading_account_id,
            symbol=task.signal.symbol,
            created_at=now,
            updated_at=now,
        )

    def _look_up(self, execution: Execution) -> None:
        """Store what became of an execution that another executor has begun. The reconciler may still be at it."""
        intent = self._stores.executions.intent(execution.trading_account_id, execution.id)
        if intent is None:
            return
        after = execution.after(intent, self._now())
        self._stores.executions.settle(after)
        if not after.status.is_settled:
            raise Unfinished("the order is being looked for", retry_after=FIRST_RETRY_S)

    def _check_current(self, signal: Signal) -> None:
        """Check that a signal may still enter: it is not too old, not replaced, and nobody has stopped its strategy."""
        reason = self._obstacle(signal)
        if reason is not None:
            raise Skipped(reason)

    def _obstacle(self, signal: Signal) -> SkipReason | None:
        if self._stores.states.mode_of(signal.strategy_id) is not Mode.ACTIVE:
            return SkipReason.HALTED
        if self._now() >= signal.expires_at:
            return SkipReason.EXPIRED
        return None if self._stores.states.state_of(signal.strategy_id).opened_by == signal.id else SkipReason.EXPIRED

    def _open(self, follower: Follower) -> tuple[TradingAccount, ApiCredential]:
        try:
            return self._accounts.get(follower.user_id, follower.trading_account_id)
        except NotFound:
            raise Skipped(SkipReason.KEY) from None

    def _close(self, task: Task, follower: Follower) -> None:
        """Close the trade that a follower has open since an earlier signal of the strategy."""
        execution, executions = self._new(task, follower), self._stores.executions
        if execution.trade_id is not None:
            trade = executions.intent(execution.trading_account_id, execution.trade_id)
        else:
            current = self._current(follower, task.signal)
            trade = current if current is not None and self._is_of(current, task.signal, follower) else None
        if trade is None:
            raise Skipped(SkipReason.NOTHING_OPEN)
        _check_earlier(trade, task.signal)
        execution = replace(execution, trade_id=trade.id, status=ExecutionStatus.SENDING, reason=None)
        try:
            ended = self._end(follower, trade, task.signal, partial(executions.begin_closing, execution))
        except Skipped as skipped:
            executions.settle(execution.skipped(skipped.skip))
            return
        # Ending the trade may have settled it.
        stored = executions.get(execution.follow_id, execution.signal_id)
        after = replace(stored or execution, trade_id=trade.id).after(ended, self._now())
        if stored is None or stored.outcome != after.outcome:
            executions.settle(after)

    def _current(self, follower: Follower, signal: Signal) -> Intent | None:
        """Return the intent that has the order lock of an account and a signal's symbol, or None."""
        executions, account_id = self._stores.executions, follower.trading_account_id
        lock = executions.lock(account_id, signal.symbol)
        current = executions.intent(account_id, lock.intent_id) if lock else None
        if current is not None and current.order is None:
            # The user is clearing the symbol. If that comes to nothing, the trade is still there.
            raise Unfinished("the user is clearing the symbol", retry_after=FIRST_RETRY_S)
        return current

    def _is_of(self, intent: Intent, signal: Signal, follower: Follower) -> bool:
        """Return whether an intent is a trade of the signal's strategy for a follow."""
        trade = intent.strategy
        if trade is None or intent.signal_id is None:
            return False
        if trade.strategy_id is not None:
            return (trade.strategy_id, trade.follow_id) == (signal.strategy_id, follower.follow_id)
        # The oldest trades have no ids, but the executions that opened them do.
        opened = self._stores.executions.get(follower.follow_id, intent.signal_id)
        return opened is not None and (opened.id, opened.strategy_id) == (intent.id, signal.strategy_id)

    def _end(self, follower: Follower, trade: Intent, signal: Signal, keep: Keep) -> Intent:
        """Close a trade, unless it has ended by itself, and return it as it is then."""
        if trade.state.is_final:
            return trade
        account, credential = self._open(follower)
        try:
            ended = self._orders.close(account, credential, trade, signal.id, self._now() + ORDER_TIME_MS, keep)
        except ExchangeAuthorizationFailed:
            raise Skipped(SkipReason.KEY) from None
        if not ended.state.is_final:
            raise Unfinished("another order has taken the place of the trade", retry_after=FIRST_RETRY_S)
        return ended

    def _beginning(self, execution: Execution, account: TradingAccount, signal: Signal) -> Begin:
        """Return what begins an execution, if the account's open trades still leave a place for it then."""
        executions = self._stores.executions

        def begin(intent: Intent, lock: OrderLock, replaced: Intent | None) -> None:
            entries = None
            if account.limits.max_open_trades is not None:
                # Before the trades: of two signals that find the last place at once, one finds this changed.
                entries = executions.entries(account.id)
                self._taken(account, signal)
            executions.begin(execution, intent, lock, replaced, entries)

        return lambda *given: until_fresh(lambda: begin(*given), stale=EntriesChanged)

    def _enter(self, task: Task, follower: Follower) -> None:
        """Open a trade for a follower. One that an earlier signal has opened is closed first, whatever comes then."""
        signal = task.signal
        has_closed = self._end_earlier(follower, signal)
        self._check_current(signal)
        # The fan-out refuses such a signal only in its first attempt, since later ones may follow on orders.
        if not is_plausible(signal, task.job.price):
            raise Skipped(SkipReason.SUSPECT_PRICE)
        follow, others = self._follow(task, follower)
        account, credential = self._open(follower)
        if not account.active:
            raise Skipped(SkipReason.KEY)
        waiting = self._waiting(account, others, signal)
        profile = task.profile(follow.risk_profile_id)
        try:
            with self._accounts.recording_key_status(account):
                margin = self._margin(credential, signal.symbol, after_closing=has_closed)
                sized = self._size(task, credential, margin, follow, profile, waiting)
                self._desk.set_margin_type(credential, signal.symbol, MarginType.ISOLATED)
                self._desk.set_leverage(credential, signal.symbol, sized.leverage)
        except ExchangeAuthorizationFailed:
            raise Skipped(SkipReason.KEY) from None
        except ExchangeBadRequest as refusal:
            raise _skipped(refusal) from None
        self._send(task, self._ordered(task, follower, sized), account, credential, sized, profile)

    def _end_earlier(self, follower: Follower, signal: Signal) -> bool:
        """Close the trade that an earlier signal of the strategy has opened, and return whether there was one."""
        trade = self._current(follower, signal)
        if trade is None:
            return False
        if not self._is_of(trade, signal, follower):
            raise Skipped(SkipReason.SYMBOL_BUSY)
        if trade.signal_id == signal.id:
            raise ExecutionExists
        _check_earlier(trade, signal)
        self._end(follower, trade, signal, self._stores.executions.keep)
        return True

    def _follow(self, task: Task, follower: Follower) -> tuple[Follow, list[Follow]]:
        """Return the follow, and the other active ones of its account."""
        follows = self._stores.follows.of_account(follower.user_id, follower.trading_account_id)
        follow = next((each for each in follows if each.id == follower.follow_id), None)
        if follow is None or follow.strategy_id != task.signal.strategy_id:
            raise Skipped(SkipReason.NOT_ACTIVE)
        if not follow.active:
            raise Skipped(SkipReason.PLAN if follow.suspended else SkipReason.NOT_ACTIVE)
        return follow, [each for each in follows if each.active and each.id != follow.id]

    def _waiting(self, account: TradingAccount, others: list[Follow], signal: Signal) -> int:
        """Return how many follows of an account may still open a trade, this one included."""
        taken = self._taken(account, signal)
        return 1 + sum(each.symbol not in taken for each in others)

    def _taken(self, account: TradingAccount, signal: Signal) -> list[str]:
        """Return the symbols in which an account has a trade open, without that of a signal."""
        taken = [each for each in self._stores.executions.open_symbols(account.id) if each != signal.symbol]
        most = account.limits.max_open_trades
        if most is not None and len(taken) >= most:
            raise Skipped(SkipReason.MAX_TRADES)
        return taken

    def _margin(self, credential: ApiCredential, symbol: str, *, after_closing: bool) -> Margin:
        margin = self._desk.margin(credential, symbol)
        if margin.position and after_closing:
            raise Unfinished("the venue still reports the closed position", retry_after=FIRST_RETRY_S)
        if margin.position:
            raise Skipped(SkipReason.SYMBOL_BUSY)
        if margin.shares_assets:
            raise Skipped(SkipReason.MULTI_ASSETS)
        return margin

    def _size(
        self,
        task: Task,
        credential: ApiCredential,
        margin: Margin,
        follow: Follow,
        profile: RiskProfile,
        waiting: int,
    ) -> SizedOrder:
        contract = self._desk.contract(task.signal.symbol)
        brackets = self._desk.brackets(credential, task.signal.symbol)
        funds = Funds(margin.equity, margin.available, min(GREATEST_SHARE, SHARED / waiting))
        protections = follow.protections
        if task.signal.entry_type is EntryType.LIMIT:
            # It waits for its own price.
            protections = replace(protections, max_slippage_percent=Decimal(0))
        sized = size(_setup(task), contract, brackets, funds, profile.percentage, protections)
        if isinstance(sized, Skip):
            raise Skipped(sized.reason)
        return sized

    def _ordered(self, task: Task, follower: Follower, sized: SizedOrder) -> Execution:
        return replace(
            self._new(task, follower),
            amount=sized.amount,
            leverage=sized.leverage,
            worst_price=sized.worst_price,
            risk=sized.risk,
            capped_by=sized.capped_by,
        )

    def _send(
        self,
        task: Task,
        execution: Execution,
        account: TradingAccount,
        credential: ApiCredential,
        sized: SizedOrder,
        profile: RiskProfile,
    ) -> None:
        """Begin the execution and place its orders. Whatever happens then, its intent tells what became of it."""
        if self._now() >= task.until:
            # Closing the trade before and reading the margin may have taken long. An entry now could be cut.
            raise Unfinished("no time is left for this entry", retry_after=FIRST_RETRY_S)
        signal, executions = task.signal, self._stores.executions
        intent = self._intent(task, execution, sized, profile)
        # The placer sends no entry without the reserve before its deadline, so none is sent after the signal expires.
        deadline = min(intent.created_at + ORDER_TIME_MS, signal.expires_at + ENTRY_RESERVE_MS)
        obstacles = list[SkipReason]()

        def may_act(begun: Intent) -> bool:
            busy = SkipReason.SYMBOL_BUSY if begun.replaces else None
            obstacles.extend(filter(None, [self._obstacle(signal), busy]))
            return not obstacles

        failure: ExchangeError | None = None
        try:
            self._orders.run(
                account, credential, intent, deadline, self._beginning(execution, account, signal), may_act
            )
        except FollowStopped:
            raise Skipped(SkipReason.NOT_ACTIVE) from None
        except AccountStopped:
            raise Skipped(SkipReason.KEY) from None
        except ExchangeError as error:
            failure = error
        after = executions.intent(account.id, execution.id)
        if after is None:
            # The order lock could not be taken, so the execution has not begun.
            raise failure or Unfinished(retry_after=FIRST_RETRY_S)
        settled = execution.after(after, self._now())
        if after.state is IntentState.FAILED and not after.placed:
            settled = settled.skipped(Skip(obstacles[0]) if obstacles else _skip_of(failure))
        executions.settle(settled)
        if not settled.status.is_settled:
            raise failure or Unfinished(retry_after=FIRST_RETRY_S)

    def _intent(self, task: Task, execution: Execution, sized: SizedOrder, profile: RiskProfile) -> Intent:
        signal, now = task.signal, self._now()
        order = ManualOrder(
            symbol=signal.symbol,
            type=EntryType.LIMIT,
            side=Side.BUY if signal.direction is Direction.LONG else Side.SELL,
            amount=sized.amount,
            price=sized.worst_price,
            take_profits=tuple(each.price for each in sized.take_profits),
            stop=Stop(sized.stop, StopType.MARKET),
            risk_profile_percent=profile.percentage,
        )
        trade = StrategyTrade(
            name=task.strategy.name,
            exchange_id=task.strategy.venue,
            symbol=signal.symbol,
            trade_side=order.side.value,
            leverage=sized.leverage,
            strategy_id=task.strategy.id,
            follow_id=execution.follow_id,
            risk=sized.risk,
            signal_price=signal.limit_price or task.job.price,
        )
        legs = legs_of(order, self._desk.contract(signal.symbol), execution.id, 1)
        return Intent(
            execution.id,
            execution.user_id,
            execution.trading_account_id,
            signal.symbol,
            created_at=now,
            updated_at=now,
            order=order,
            legs=_sized_legs(legs, sized, immediate=signal.entry_type is EntryType.MARKET),
            strategy=trade,
            signal_id=signal.id,
        )


def _setup(task: Task) -> Setup:
    signal, price = task.signal, task.job.price
    if signal.direction is None or price is None:
        raise ValueError("a signal to enter has a direction, and its job a price")
    return Setup(signal.direction, signal.limit_price or price, signal.exits(price))


def _sized_legs(legs: tuple[Leg, ...], sized: SizedOrder, *, immediate: bool) -> tuple[Leg, ...]:
    """Return legs with the amounts of the take-profits, and an entry that does not rest if it is ``immediate``."""
    amounts = iter([each.amount for each in sized.take_profits])
    changed: list[Leg] = []
    for leg in legs:
        order = leg.order
        if leg.role is Role.ENTRY:
            order = replace(order, immediate=immediate)
        elif leg.role is Role.TAKE_PROFIT:
            order = replace(order, amount=next(amounts))
        changed.append(replace(leg, order=order))
    return tuple(changed)


def _check_earlier(trade: Intent, signal: Signal) -> None:
    """Check that a trade is of an earlier signal. Ids of signals sort by the order in which they were accepted."""
    if trade.signal_id is not None and trade.signal_id > signal.id:
        raise Skipped(SkipReason.EXPIRED)


def _skip_of(failure: ExchangeError | None) -> Skip:
    """Return the skip of an order of which nothing was executed, and nothing is left."""
    if isinstance(failure, ExchangeAuthorizationFailed):
        return Skip(SkipReason.KEY)
    if not isinstance(failure, ExchangeBadRequest):
        return Skip(SkipReason.EXPIRED)
    if failure.venue_code is None:
        return Skip(SkipReason.SLIPPAGE)
    return _skipped(failure).skip


def _skipped(refusal: ExchangeBadRequest) -> Skipped:
    return Skipped(REFUSALS.get(refusal.venue_code, SkipReason.VENUE_REFUSED), refusal.venue_code)
