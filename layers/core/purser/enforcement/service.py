"""Making a user's trading accounts and follows what the user's plan allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from purser.enforcement.model import Change, PlanUsage, changes
from purser.plans.model import Plans
from purser.retrying import until_fresh
from purser.trading_accounts.model import StaleAccounts

MOST_CHANGES = 19
"""In one transaction of a hundred writes, beside the version of the user's set: an account's is up to five of them."""


class PlanUsageStore(Protocol):
    """What users have. Every method may raise ``purser.errors.Unavailable``."""

    def of(self, user_id: str) -> PlanUsage:
        """What a user has."""

    def apply(self, user_id: str, changes: Sequence[Change], version: int, now: int) -> None:
        """Makes the changes, all or nothing, and moves the version of the user's set on, also without any.

        Raises:
            StaleAccounts: the set is no longer at ``version``, or what is to change has changed otherwise.
        """


class Enforcement:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, store: PlanUsageStore, plans: Plans, now: Callable[[], int]) -> None:
        self._store = store
        self._plans = plans
        self._now = now

    def enforce(self, user_id: str) -> int:
        """Suspends and brings back what the user's plan of now says. Nothing is deleted.

        It may be called at any time and any number of times, and goes on where a call that was cut has ended.

        Returns:
            How many trading accounts and follows were changed.

        Raises:
            Contended: too many changes at once; call it again.
            Unavailable: something of our own is down; call it again.
        """
        changed, is_done = 0, False
        while not is_done:
            number, is_done = until_fresh(lambda: self._enforce_some(user_id), stale=StaleAccounts)
            changed += number
        return changed

    def _enforce_some(self, user_id: str) -> tuple[int, bool]:
        """Make as many changes as one transaction takes; return how many, and whether these were all."""
        usage = self._store.of(user_id)
        # The plan comes after the set, and the set's version is moved on whatever there is to do: so who connects
        # or enables an account on a plan that has ended meanwhile finds the set stale, and reads the plan anew.
        pending = changes(usage, self._plans.plan_of(user_id))
        batch = list(islice(pending, MOST_CHANGES))
        self._store.apply(user_id, batch, usage.version, self._now())
        return len(batch), next(pending, None) is None
