"""The use case of enforcement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from purser.enforcement.model import Change, PlanUsage, changes
from purser.plans.model import Plans
from purser.retrying import until_fresh
from purser.trading_accounts.model import StaleAccounts

MOST_CHANGES = 19
"""The changes of one transaction, which takes 100 writes: one for the set's version, up to five per account."""


class PlanUsageStore(Protocol):
    """The store of usages. Every method may raise ``purser.errors.Unavailable``."""

    def of(self, user_id: str) -> PlanUsage:
        """Return a user's usage."""

    def apply(self, user_id: str, changes: Sequence[Change], version: int, now: int) -> None:
        """Make changes, and advance the set's version. Raises ``StaleAccounts`` if the set or a part has changed."""


class Enforcement:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, store: PlanUsageStore, plans: Plans, now: Callable[[], int]) -> None:
        self._store = store
        self._plans = plans
        self._now = now

    def enforce(self, user_id: str) -> int:
        """Suspend and resume by the user's current plan. Return how many trading accounts and follows changed.

        It is idempotent, and completes an interrupted call.

        Raises:
            Contended: too many concurrent changes. Call it again.
        """
        changed, is_done = 0, False
        while not is_done:
            number, is_done = until_fresh(lambda: self._enforce_some(user_id), stale=StaleAccounts)
            changed += number
        return changed

    def _enforce_some(self, user_id: str) -> tuple[int, bool]:
        """Make as many changes as one transaction takes. Return how many, and whether these were all."""
        usage = self._store.of(user_id)
        # The plan is read after the set, and the set's version always advances. So a concurrent connect or enable under
        # an ended plan finds the set stale, and reads the plan again.
        pending = changes(usage, self._plans.plan_of(user_id))
        batch = list(islice(pending, MOST_CHANGES))
        self._store.apply(user_id, batch, usage.version, self._now())
        return len(batch), next(pending, None) is None
