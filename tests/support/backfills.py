"""Backfills in memory: a snapshot world whose exchange also remembers past days."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from threading import Lock
from typing import Any

from purser.batches import work_batch
from purser.clock import day_of
from purser.snapshots.backfilling import BackfillPorts, BackfillWorker, backfill_sweeper
from purser.snapshots.daily_closes import DailyCloses
from purser.snapshots.model import Backfill, Snapshot, past_days
from purser.trading_accounts.key_status import AccountAccess
from purser.trading_accounts.model import AccountRef, AccountValuation
from purser.work.model import Delivery
from tests.support.events import LambdaContext
from tests.support.fakes import FakeClock, FakeVault
from tests.support.snapshots import (
    DAY,
    HOUR,
    MAX_RECEIVES,
    MINUTE,
    MORNING,
    FakeSqs,
    Message,
    World,
    sqs_event,
)

NOON = MORNING + 12 * HOUR
PAUSE_MS = 60_000


@dataclass
class FakeRateGate:
    """Grants one permit per pause, and none during the cooldown of the venue."""

    free_at: int = 0
    cooldown_until: int = 0
    taken: int = 0
    lock: Lock = field(default_factory=Lock)

    def take(self, trading_account_id: str, now: int) -> int:
        with self.lock:
            wait = max(self.free_at, self.cooldown_until) - now
            if wait > 0:
                return wait
            self.free_at, self.taken = now + PAUSE_MS, self.taken + 1
            return 0


class Past:
    """Backfills with everything around them faked. Accounts were connected long ago."""

    def __init__(self, now: int = NOON) -> None:
        self.world = World(now)
        self.clock: FakeClock = self.world.clock
        self.exchange = self.world.exchange
        self.records = self.world.backfills.records
        self.queue = FakeSqs(self.clock)
        self.rate_gate = FakeRateGate()
        self.sweeper = backfill_sweeper(self.world.backfills, self.queue, self.world.telemetry, self.clock, PAUSE_MS)
        self.restart()

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Make a sweep that has a minute."""
        return self.sweeper.sweep(until=self.clock() + MINUTE, queue_is_empty=queue_is_empty)

    def restart(self) -> None:
        """Replace the worker by one of a new process."""
        world = self.world
        ports = BackfillPorts(
            world.backfills,
            self.rate_gate,
            AccountAccess(world.accounts, FakeVault(), self.clock),
            world.snapshots,
            world.snapshots,
            world.exchange,
            DailyCloses(world.exchange, self.clock),
            world.telemetry,
            self.clock,
            Decimal(1),
        )
        self.worker = BackfillWorker(ports, self.queue, MAX_RECEIVES)

    def ago(self, days: int) -> str:
        """Return the day that was this number of days ago."""
        return day_of(self.clock() - days * DAY)

    @property
    def days(self) -> list[str]:
        """Return the days that can be backfilled now, oldest first."""
        return past_days(self.clock())

    def add_key(self, name: str = "key", past: dict[str, dict[str, str]] | None = None, **given: Any) -> str:
        """Connect an account of which the exchange remembers these days, and request its backfill."""
        self.world.add_key(name, **given)
        self.remember(name, past or {})
        self.world.change_key(name, created_at=self.clock(), valuation=AccountValuation(Decimal(100), self.clock()))
        ref = AccountRef(f"user of {name}", name)
        self.world.backfills.add(Backfill(ref, self.clock(), due_at=self.clock()))
        self.queue.send([{"tradingAccountId": name}])
        return name

    def remember(self, name: str, past: dict[str, dict[str, str]]) -> None:
        """Make the exchange remember the balances of an account."""
        amounts = {day: {a: Decimal(n) for a, n in totals.items()} for day, totals in past.items()}
        self.exchange.keys[name] = replace(self.exchange.keys[name], past=amounts)

    def stored(self, name: str = "key") -> dict[str, Snapshot]:
        """Return the snapshots of an account by day."""
        return {s.date: s for s in self.world.snapshots.days.values() if s.trading_account_id == name}

    def values(self, name: str = "key") -> dict[str, Decimal]:
        """Return the values of an account on past days."""
        return {day: s.total_usd for day, s in self.stored(name).items() if day in self.days}

    def deliver(self, messages: list[Message] | None = None) -> int:
        """Deliver each message in an invocation of its own, and return how many failed."""
        failed = 0
        for message in self.queue.receive() if messages is None else messages:

            def work(body: dict[str, Any], delivery: Delivery) -> None:
                self.worker.work(body["tradingAccountId"], delivery)

            if work_batch(sqs_event([message]), LambdaContext(remaining_ms=300_000), self.queue, work)[
                "batchItemFailures"
            ]:
                failed += 1
            else:
                self.queue.messages = [m for m in self.queue.messages if m is not message]
        return failed

    def drain(self, rounds: int = 200) -> None:
        """Deliver messages until the queue is empty, advancing the clock as needed."""
        for _ in range(rounds):
            if not self.queue.messages:
                return
            self.clock.now = max(self.clock.now, min(m.visible_at for m in self.queue.messages))
            self.deliver()
        raise AssertionError("the queue does not empty")

    def recover(self) -> None:
        """Let time pass and sweep until no backfill is pending."""
        for _ in range(400):
            self.drain()
            if not any(not record.dead for record in self.records.values()):
                return
            self.clock.advance(5 * 60_000)
            self.sweep()
        raise AssertionError("backfills wait for ever")
