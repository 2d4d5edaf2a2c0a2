"""The request weight of our address at a venue, which all processes share.

The venue counts weight by address, market and minute, and bans an address that goes on after a refusal. So every
process takes weight from one counter a minute before it spends it. It takes blocks, so that one write serves many
calls. The rest of a block expires with its minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Protocol, TypeVar

from purser.errors import ExchangeRateLimited, Unavailable

T = TypeVar("T")

MINUTE_MS = 60_000

SMALLEST_BLOCK, LARGEST_BLOCK = 20, 100
"""A process takes at once what it has spent in this minute, within these bounds.

Of the share of a user it takes no more than it has spent for that user, or needs.
"""

FRESH_MS = 2_000
"""The age up to which a process relies on its last reading of a cooldown."""

STORE_PAUSE_MS = 10_000
"""The time for which a process does not call the store after an outage, since callers wait for each attempt."""

DROPPED_MS = 100
"""A store that fails this soon is asked once more.

A frozen Lambda process wakes up with a connection that was dropped long ago, which is no outage.
"""

CORRECTED_PERCENT = 5
"""The difference from which the venue's higher count replaces ours, in percent of the limit."""


class Purpose(StrEnum):
    """The purpose of a request, which decides how much weight the request must leave to others.

    CLOSING closes, cancels or protects, and is never refused. ORDERING prepares an order or a setting. READING is a
    user's other request. EXECUTING prepares the orders of strategies, READINESS reads accounts for those to come.
    WATCHING looks after open orders. BACKGROUND can wait for another minute.
    """

    CLOSING = "CLOSING"
    ORDERING = "ORDERING"
    READING = "READING"
    EXECUTING = "EXECUTING"
    WATCHING = "WATCHING"
    READINESS = "READINESS"
    BACKGROUND = "BACKGROUND"


CEILINGS = {
    Purpose.ORDERING: 100,
    Purpose.READING: 90,
    Purpose.EXECUTING: 80,
    Purpose.WATCHING: 70,
    Purpose.READINESS: 60,
    Purpose.BACKGROUND: 50,
}
"""The percentages of the limit up to which a request of each purpose may raise the weight of all purposes together."""

USER_PERCENT = 25
"""The percent of a limit that one user may spend in a minute on reading, and again on ordering."""

OF_A_USER = frozenset({Purpose.ORDERING, Purpose.READING})


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The ends (Unix ms) of the times in which a market takes no calls: no CLOSING ones, and no others."""

    until: int = 0
    closings_until: int = 0


class BudgetStore(Protocol):
    """Counters and cooldowns of one address. Every method may raise ``purser.errors.Unavailable``."""

    def add(self, counter: str, ends_at: int, amount: int, most: int | None = None) -> int | None:
        """Add to a counter of the period that ends then (Unix ms), and return its total.

        Return None, and add nothing, if the total would exceed ``most``.
        """

    def raise_to(self, counter: str, ends_at: int, total: int) -> None:
        """Raise a counter to a total. A higher one stays."""

    def cooldown(self, market: str) -> Cooldown:
        """Return the latest cooldown of a market, over or not."""

    def start_cooldown(self, market: str, cooldown: Cooldown) -> None:
        """Store a cooldown. Later ends that are stored already stay."""


@dataclass(slots=True)
class _Block:
    """The weight that this process has taken from a counter. ``left`` is negative if the store failed meanwhile."""

    ends_at: int
    left: int = 0
    spent: int = 0
    refused: int | None = None


class WeightBudget:
    """Grants weight to the calls of this process. Threads may share it.

    ``limits`` are the venue's weights a minute, by market. A market without one has only cooldowns. ``now`` gives Unix
    ms. ``report`` counts refusals, cooldowns and failures of the store for operators. Without a store, or if it fails
    for any reason, every call is granted outside of cooldowns that this process knows. Calls that are not CLOSING are
    then held by the pacers of their process alone.
    """

    def __init__(
        self,
        store: BudgetStore | None,
        limits: Mapping[str, int],
        now: Callable[[], int],
        report: Callable[[str, str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._limits = limits
        self._now = now
        self._report = report
        self._sleep = sleep
        self._lock = Lock()
        self._blocks: dict[str, _Block] = {}
        self._totals: dict[str, tuple[int, int]] = {}
        self._cooldowns: dict[str, tuple[int, Cooldown]] = {}
        self._store_rests_until = 0

    def spend(self, market: str, weight: int, purpose: Purpose, user_id: str = "") -> int:
        """Take weight for a call, and return the end of its minute (Unix ms).

        BACKGROUND waits for the next minute if this one has nothing left for it.

        Raises:
            ExchangeRateLimited: the market has a cooldown; or nothing is left for the purpose or the user
                (``by_venue`` is False).
        """
        try:
            return self._spend(market, weight, purpose, user_id)
        except ExchangeRateLimited as refusal:
            if refusal.by_venue or purpose is not Purpose.BACKGROUND:
                raise
            pause = refusal.retry_after
        self._sleep(pause)
        return self._spend(market, weight, purpose, user_id)

    def is_open(self, market: str, purpose: Purpose) -> bool:
        """Return whether anything is left for a purpose now."""
        with self._lock:
            try:
                self._check_cooldown(market, purpose)
                return self._add(market, self._minute_end(), 0, self._ceiling(market, purpose)) is not None
            except ExchangeRateLimited:
                return False
            except Unavailable:
                return True

    def observe(self, market: str, ends_at: int, used: int) -> None:
        """Raise our count of a minute if the venue's own count is well above it."""
        with self._lock:
            if ends_at != self._minute_end() or market not in self._limits:
                return  # The count may be that of the minute before.
            known_for, known = self._totals.get(market, (0, 0))
            if used <= (known if known_for == ends_at else 0) + self._limits[market] * CORRECTED_PERCENT // 100:
                return
            self._totals[market] = ends_at, used
            with suppress(Unavailable):
                self._asking(lambda store: store.raise_to(market, ends_at, used))

    def start_cooldown(self, market: str, seconds: float, purpose: Purpose, *, is_ban: bool) -> None:
        """Close a market for all processes, because the venue has refused our address.

        CLOSING calls go on after a mere warning (429), until one of them gets a warning too.
        """
        now = self._now()
        until = now + int(seconds * 1000)
        cooldown = Cooldown(until, until if is_ban or purpose is Purpose.CLOSING else 0)
        self._report("ExchangeCooldowns", market)
        with self._lock:
            _, known = self._cooldowns.get(market, (0, Cooldown()))
            latest = Cooldown(max(known.until, until), max(known.closings_until, cooldown.closings_until))
            self._cooldowns[market] = now, latest
            with suppress(Unavailable):  # The others will hear it from the venue itself.
                self._asking(lambda store: store.start_cooldown(market, cooldown))

    def _spend(self, market: str, weight: int, purpose: Purpose, user_id: str) -> int:
        with self._lock:
            self._check_cooldown(market, purpose)
            ends_at = self._minute_end()
            if market not in self._limits:
                return ends_at
            if user_id and purpose in OF_A_USER:
                of_user = f"{market}#{purpose}#{user_id}"
                if not self._take(of_user, of_user, ends_at, weight, self._limits[market] * USER_PERCENT // 100):
                    raise self._refusal("ExchangeUserWeightRefused", market, ends_at)
            if not self._take(f"{market}#{purpose}", market, ends_at, weight, self._ceiling(market, purpose)):
                metric = "ExchangeWeightRefused" if purpose in OF_A_USER else "ExchangeWeightAwaited"
                raise self._refusal(metric, market, ends_at)
            return ends_at

    def _refusal(self, metric: str, market: str, ends_at: int) -> ExchangeRateLimited:
        self._report(metric, market)
        return ExchangeRateLimited(retry_after=(ends_at - self._now()) / 1000, by_venue=False)

    def _take(self, name: str, counter: str, ends_at: int, weight: int, most: int | None) -> bool:
        """Take weight from a block of this process, which takes from the counter what it lacks. Return if it could."""
        block = self._blocks.get(name)
        if block is None or block.ends_at != ends_at:
            self._blocks = {other: each for other, each in self._blocks.items() if each.ends_at == ends_at}
            block = self._blocks[name] = _Block(ends_at)
        missing = weight - block.left
        if missing > 0 and not self._enlarge(block, counter, missing, most):
            return False
        block.left -= weight
        block.spent += weight
        return True

    def _enlarge(self, block: _Block, counter: str, missing: int, most: int | None) -> bool:
        if block.refused is not None and missing >= block.refused:
            return False  # Nothing is given back within a minute.
        smallest = SMALLEST_BLOCK if counter in self._limits else 0
        roomy = max(missing, min(max(block.spent, smallest), LARGEST_BLOCK))
        try:
            for amount in dict.fromkeys((roomy, missing)):
                if self._add(counter, block.ends_at, amount, most) is not None:
                    block.left += amount
                    return True
        except Unavailable:
            return True
        block.refused = missing
        return False

    def _add(self, counter: str, ends_at: int, amount: int, most: int | None) -> int | None:
        total = self._asking(lambda store: store.add(counter, ends_at, amount, most))
        if total is not None and counter in self._limits:
            self._totals[counter] = ends_at, total
        return total

    def _check_cooldown(self, market: str, purpose: Purpose) -> None:
        now = self._now()
        read_at, cooldown = self._cooldowns.get(market, (0, Cooldown()))
        if now - read_at >= FRESH_MS:
            with suppress(Unavailable):
                stored = self._asking(lambda store: store.cooldown(market))
                until, closings = max(cooldown.until, stored.until), max(cooldown.closings_until, stored.closings_until)
                cooldown = Cooldown(until, closings)
                self._cooldowns[market] = now, cooldown
        until = cooldown.closings_until if purpose is Purpose.CLOSING else cooldown.until
        if now < until:
            raise ExchangeRateLimited(retry_after=(until - now) / 1000)

    def _asking(self, ask: Callable[[BudgetStore], T]) -> T:
        """Ask the store, unless there is none or it was down a moment ago."""
        now = self._now()
        if self._store is None or now < self._store_rests_until:
            raise Unavailable
        try:
            return self._ask(ask, self._store)
        except Exception as error:  # even a denied access: no position may stay open because of it
            self._store_rests_until = now + STORE_PAUSE_MS
            self._report("ExchangeBudgetFailures", type(error).__name__)
            raise Unavailable from error

    def _ask(self, ask: Callable[[BudgetStore], T], store: BudgetStore) -> T:
        began = self._now()
        try:
            return ask(store)
        except Unavailable:
            if self._now() - began > DROPPED_MS:
                raise
        # If the first one arrived after all, its weight is counted twice. The minute's end forgets that.
        return ask(store)

    def _ceiling(self, market: str, purpose: Purpose) -> int | None:
        return None if purpose is Purpose.CLOSING else self._limits[market] * CEILINGS[purpose] // 100

    def _minute_end(self) -> int:
        return (self._now() // MINUTE_MS + 1) * MINUTE_MS
