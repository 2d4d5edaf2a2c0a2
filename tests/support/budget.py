"""A weight budget in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock

from purser.aws.tables import Table
from purser.bootstrap.exchanges import weight_budgets
from purser.clock import now_ms
from purser.errors import Unavailable
from purser.exchanges.budget import Cooldown, WeightBudget
from purser.exchanges.store import address_pk, cooldown_sk


class FakeBudgetStore:
    """The store of a weight budget. ``trips`` counts its calls; while it ``is_down`` they fail."""

    def __init__(self) -> None:
        self.counters: dict[tuple[str, int], int] = {}
        self.cooldowns: dict[str, Cooldown] = {}
        self.trips = 0
        self.is_down = False
        self._lock = Lock()

    def add(self, counter: str, ends_at: int, amount: int, most: int | None = None) -> int | None:
        self._enter()
        with self._lock:
            total = self.counters.get((counter, ends_at), 0) + amount
            if most is not None and total > most:
                return None
            self.counters[counter, ends_at] = total
            return total

    def raise_to(self, counter: str, ends_at: int, total: int) -> None:
        self._enter()
        self.counters[counter, ends_at] = max(total, self.counters.get((counter, ends_at), 0))

    def cooldown(self, market: str) -> Cooldown:
        self._enter()
        return self.cooldowns.get(market, Cooldown())

    def start_cooldown(self, market: str, cooldown: Cooldown) -> None:
        self._enter()
        known = self.cooldowns.get(market, Cooldown())
        latest = max(known.until, cooldown.until), max(known.closings_until, cooldown.closings_until)
        self.cooldowns[market] = Cooldown(*latest)

    def _enter(self) -> None:
        self.trips += 1
        if self.is_down:
            raise Unavailable


def end_cooldowns() -> None:
    """Let functions in this process ask the exchange again, which has refused their address."""
    table = Table(os.environ["VENUES_TABLE"])
    for lane, budget in weight_budgets().items():
        for market in ("SPOT", "FUTURES", "PAST_BALANCES"):
            table.delete(address_pk(address=lane.name), cooldown_sk(market))
        budget._cooldowns.clear()


def own_budget(now: Callable[[], int] = now_ms, limits: Mapping[str, int] | None = None) -> WeightBudget:
    """Return the budget of an address that nobody else uses, by default with cooldowns and without limits."""
    return WeightBudget(FakeBudgetStore(), limits or {}, now, lambda _metric, _market: None)
