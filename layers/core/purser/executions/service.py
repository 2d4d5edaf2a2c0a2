"""The use case of a follow's executions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.errors import found
from purser.executions.model import Execution, ExecutionStatus
from purser.executions.ports import ExecutionStore
from purser.follows.model import Follow


class FollowFinder(Protocol):
    """The store of follows."""

    def find(self, user_id: str, follow_id: str) -> Follow | None:
        """Return one of the user's follows, or None."""


class Executions:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, store: ExecutionStore, follows: FollowFinder, now: Callable[[], int]) -> None:
        self._store = store
        self._follows = follows
        self._now = now

    def page(self, user_id: str, follow_id: str, before: str | None, limit: int) -> tuple[list[Execution], str | None]:
        """Return at most ``limit`` executions of a follow, newest first, after the signal ``before``.

        Returns:
            The executions, and the signal after which the next page begins, or None at the end.

        Raises:
            NotFound: the user has no such follow.
        """
        follow = found(self._follows.find(user_id, follow_id))
        # One more than asked for tells whether there is a next page.
        listed = self._store.newest(follow.id, before, limit + 1)
        shown = [self._as_it_is(execution) for execution in listed[:limit]]
        return shown, shown[-1].signal_id if len(listed) > limit else None

    def _as_it_is(self, execution: Execution) -> Execution:
        """Return an execution whose intent may have been completed or undone since it was stored."""
        if execution.status.is_settled and execution.status is not ExecutionStatus.RESTING:
            return execution
        intent = self._store.intent(execution.trading_account_id, execution.trade_id or execution.id)
        return execution.after(intent, intent.updated_at) if intent else execution
