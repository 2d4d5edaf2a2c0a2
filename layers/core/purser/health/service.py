"""Bounded, concurrent and cached checks of dependencies."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from purser.health.model import Health, overall

LONGEST_CHECK_S = 2.0
KEPT_S = 5.0
"""The time for which a result is cached. The route is public, and its callers must not load the dependencies."""

Check = Callable[[], None]
"""Returns if a dependency is well, raises anything if not. It ends within ``KEPT_S``."""

Report = Callable[[str, BaseException], None]
"""Reports a dependency that is not well, and its error."""


class HealthChecks:
    """The checks by name. Without a ``vital`` one, Purser is unhealthy."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        vital: Collection[str],
        report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = dict(checks)
        self._vital = frozenset(vital)
        self._report = report
        self._clock = clock
        self._found: Health | None = None
        self._found_at = 0.0

    def health(self) -> Health:
        """Return the health, cached for ``KEPT_S``. A check fails if it takes longer than ``LONGEST_CHECK_S``."""
        if self._found is None or self._clock() - self._found_at >= KEPT_S:
            self._found = self._look()
            self._found_at = self._clock()
        return self._found

    def _look(self) -> Health:
        # New threads, because a check of an earlier request may still occupy one, frozen with the sandbox.
        threads = ThreadPoolExecutor(max_workers=len(self._checks), thread_name_prefix="health")
        running = {name: threads.submit(check) for name, check in self._checks.items()}
        threads.shutdown(wait=False)
        overdue = self._clock() + LONGEST_CHECK_S
        well = {name: self._is_well(name, check, overdue) for name, check in running.items()}
        return overall(well, self._vital)

    def _is_well(self, name: str, check: Future[None], overdue: float) -> bool:
        try:
            trouble = check.exception(timeout=max(0.0, overdue - self._clock()))
        except TimeoutError as late:
            trouble = late
        if trouble is not None:
            self._report(name, trouble)
        return trouble is None
