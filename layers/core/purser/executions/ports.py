"""The ports of executions. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from purser.executions.model import Execution, ExecutionJob
from purser.follows.model import Follow, Follower
from purser.orders.intents import Intent, OrderLock
from purser.signals.model import Mode, Signal, State
from purser.strategies.model import RiskProfile, Strategy
from purser.work.ports import WorkStore


class ExecutionStore(Protocol):
    """The store of executions, and of the intents that begin with them."""

    def get(self, follow_id: str, signal_id: str) -> Execution | None:
        """Return an execution, or None."""

    def known(self, job: ExecutionJob) -> Mapping[str, Execution]:
        """Return the executions of a job that exist, by follow id."""

    def skip(self, execution: Execution) -> None:
        """Store a skipped execution, unless the signal has an execution for the follow."""

    def entries(self, trading_account_id: str) -> int:
        """Return how many entries an account has begun while the number of its open trades was limited."""

    def begin(
        self,
        execution: Execution,
        intent: Intent,
        lock: OrderLock,
        replaced: Intent | None,
        entries: int | None = None,
    ) -> None:
        """Store an execution that enters with its intent and the order lock, all or nothing.

        It needs an active follow of its strategy and an active account. ``entries`` are those that the account must
        have begun before, None if the number of its open trades is not limited.

        Raises:
            EntriesChanged: it has begun another.
            ExecutionExists: the signal has an execution for the follow.
            FollowStopped, AccountStopped: the follow or the account is not active.
            OrderLockTaken, Contended: as ``IntentStore.begin``.
        """

    def begin_closing(self, execution: Execution, trade: Intent, lock: OrderLock) -> None:
        """Store an execution that closes a trade with the trade and its order lock, as ``IntentStore.keep``."""

    def keep(self, trade: Intent, lock: OrderLock) -> None:
        """Store a trade that is to be closed and its order lock, as ``IntentStore.keep``."""

    def settle(self, execution: Execution) -> None:
        """Store what became of an execution, and correct the counts of its signal if they include it.

        Raises:
            purser.errors.Contended: it was counted at this moment.
        """

    def open_symbols(self, trading_account_id: str) -> Sequence[str]:
        """Return the symbols in which an account has an open trade, or an order under way."""

    def lock(self, trading_account_id: str, symbol: str) -> OrderLock | None:
        """Return the order lock of a symbol, or None if nothing is open."""

    def intent(self, trading_account_id: str, intent_id: str) -> Intent | None:
        """Return an intent."""

    def newest(self, follow_id: str, before: str | None, limit: int) -> Sequence[Execution]:
        """Return at most ``limit`` executions of a follow, by signal, newest first, after the signal ``before``."""


class JobStore(WorkStore[ExecutionJob], Protocol):
    """The store of jobs. When a job is done, or dead, the executions that it began are counted."""

    def add(self, jobs: Sequence[ExecutionJob]) -> None:
        """Store new jobs, at most 100."""

    def give_up(self, job: ExecutionJob, failed: Sequence[Execution]) -> None:
        """Store executions of followers that have none, and count all that a dead job began, once.

        Raises:
            purser.errors.Contended: the job or an execution has changed.
        """


class Follows(Protocol):
    """The store of follows."""

    def followers(self, strategy_id: str) -> Iterator[Follower]:
        """Yield the active follows of a strategy, perhaps with one that has just ended."""

    def of_account(self, user_id: str, trading_account_id: str) -> list[Follow]:
        """Return the follows of an account."""


class Signals(Protocol):
    """The store of signals."""

    def get(self, strategy_id: str, signal_id: str) -> Signal | None:
        """Return a signal, or None."""


class States(Protocol):
    """The state of strategies."""

    def mode_of(self, strategy_id: str) -> Mode:
        """Return the stricter one of a strategy's mode and that of everything."""

    def state_of(self, strategy_id: str) -> State:
        """Return the state of a strategy's trade, as it is now."""


class Catalog(Protocol):
    """The store of strategies and risk profiles."""

    def find(
        self, strategy_ids: Sequence[str], risk_profile_ids: Sequence[str]
    ) -> tuple[dict[str, Strategy], dict[str, RiskProfile]]:
        """Return the existing strategies and risk profiles by id."""
