"""The use cases of executions: list those of a follow, and keep up with their intents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from purser.books.model import TradeResult
from purser.errors import Contended, found
from purser.executions.model import Execution, ExecutionStatus, status_of
from purser.executions.ports import ExecutionStore
from purser.follows.model import Follow
from purser.orders.intents import Intent
from purser.retrying import until_fresh


class FollowFinder(Protocol):
    """The store of follows."""

    def find(self, user_id: str, follow_id: str) -> Follow | None:
        """Return one of the user's follows, or None."""


class Results(Protocol):
    """The results of trades."""

    def between(self, follow_id: str, first_signal_id: str, last_signal_id: str) -> Mapping[str, TradeResult]:
        """Return the results of a follow by signal, from the first to the last one."""


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution, and the result of the trade that it opened, or None as long as the books are open."""

    execution: Execution
    result: TradeResult | None


class Executions:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, store: ExecutionStore, follows: FollowFinder, results: Results, now: Callable[[], int]) -> None:
        self._store = store
        self._follows = follows
        self._results = results
        self._now = now

    def page(
        self, user_id: str, follow_id: str, before: str | None, limit: int
    ) -> tuple[list[ExecutionView], str | None]:
        """Return at most ``limit`` executions of a follow, newest first, after the signal ``before``.

        Returns:
            The executions with their results, and the signal after which the next page begins, or None at the end.

        Raises:
            NotFound: the user has no such follow.
        """
        follow = found(self._follows.find(user_id, follow_id))
        # One more than asked for tells whether there is a next page.
        listed = self._store.newest(follow.id, before, limit + 1)
        shown = [self._as_it_is(execution) for execution in listed[:limit]]
        if not shown:
            return [], None
        results = self._results.between(follow.id, shown[-1].signal_id, shown[0].signal_id)
        views = [ExecutionView(execution, results.get(execution.signal_id)) for execution in shown]
        return views, shown[-1].signal_id if len(listed) > limit else None

    def _as_it_is(self, execution: Execution) -> Execution:
        """Return an execution whose intent may have been completed or undone since it was stored."""
        if execution.status.is_settled and execution.status is not ExecutionStatus.RESTING:
            return execution
        intent = self._store.intent(execution.trading_account_id, execution.intent_id)
        return execution.after(intent, intent.updated_at) if intent else execution


class IntentFollower:
    """The use case of keeping executions, and the counts of signals, up with intents that change after their job.

    ``now`` gives Unix milliseconds.
    """

    def __init__(self, store: ExecutionStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def changed(self, before: Intent, after: Intent) -> None:
        """Store what an intent that is about to change means for its executions. It may be called again."""
        trade = after.strategy
        if trade is None or trade.follow_id is None:
            return
        if (before.state, status_of(before)) == (after.state, status_of(after)):
            return
        for signal_id in filter(None, (after.signal_id, after.closed_by_signal)):
            until_fresh(partial(self._follow, trade.follow_id, signal_id, after), stale=Contended)

    def _follow(self, follow_id: str, signal_id: str, intent: Intent) -> None:
        execution = self._store.get(follow_id, signal_id)
        if execution is None or execution.intent_id != intent.id:
            return
        is_skipped_entry = execution.status is ExecutionStatus.SKIPPED and execution.trade_id is None
        after = execution.after(intent, self._now())
        if after.outcome != execution.outcome and not is_skipped_entry:
            self._store.settle(after)
