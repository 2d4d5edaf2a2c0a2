"""Checking dependencies: all at once, each for a bounded time, not more often than needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from purser.health.model import Health, overall

LONGEST_CHECK_S = 2.0
KEPT_S = 5.0
"""How long a finding answers for: the route is open, and strangers must not load what it checks."""

Check = Callable[[], None]
"""Returns when a dependency is well; raises anything when it is not. It ends by itself within ``KEPT_S``."""

Report = Callable[[str, BaseException], None]
"""Tells the operators which dependency is not well, and why."""


class HealthChecks:
    """How Purser is. ``vital`` names the checks without which there is no service."""

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
        """How Purser is, at most ``KEPT_S`` ago. Takes at most ``LONGEST_CHECK_S``; a slower check counts as down."""
        if self._found is None or self._clock() - self._found_at >= KEPT_S:
            self._found = self._look()
            self._found_at = self._clock()
        return self._found

    def _look(self) -> Health:
        # Threads of its own: a check that outlived the request before, and was frozen with the sandbox, is in nobody's
        # way, and what it finds then is of the past.
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
