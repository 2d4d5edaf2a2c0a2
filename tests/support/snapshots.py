"""Balance snapshots in memory: atomic stores, and a queue with receipts and dead letters.

Each store calls ``interrupt`` before and after each method, with its name. There a test may let another worker go
first, or crash.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from purser.batches import work_batch
from purser.credentials.model import SealedCredential, sealing_context
from purser.exchanges.model import AccountBalance, ApiCredential, TradeType, Venue
from purser.snapshots.model import (
    Backfill,
    Counts,
    Job,
    Known,
    Progress,
    Run,
    Snapshot,
    SnapshotsExist,
    Source,
    StaleJob,
    StaleRun,
    day_before,
)
from purser.snapshots.planner import SnapshotPlanner
from purser.snapshots.reader import ReaderPorts
from purser.snapshots.sweeper import SnapshotSweeper
from purser.snapshots.worker import SnapshotWorker
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus
from purser.work.model import Delivery
from tests.support.accounts import trading_account
from tests.support.events import LambdaContext
from tests.support.fakes import FakeClock, FakeExchange, FakeTradingAccounts, FakeVault
from tests.support.work import FakeWorkStore, FakeWorkTelemetry, Interruptible

MAX_RECEIVES = 5
VISIBILITY_S = 1800
MORNING = int(datetime(2026, 11, 20, 0, 5, tzinfo=UTC).timestamp() * 1000)
TODAY, YESTERDAY, TOMORROW = "2026-11-20", "2026-11-19", "2026-11-21"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class FakeRuns(FakeWorkStore[Job]):
    """The run store."""

    def __init__(self, snapshots: FakeSnapshots) -> None:
        super().__init__()
        self._snapshots = snapshots
        self.runs: dict[str, Run] = {}
        self.closed: dict[str, int] = {}
        self.planned: dict[str, list[str]] = {}
        """The trading accounts of each run, as they were planned."""

    def begin(self, run: Run) -> Run:
        with self.step("begin"):
            return self.runs.setdefault(run.id, run)

    def extend(self, run: Run, jobs: Sequence[Job]) -> None:
        with self.step("extend"):
            current = self.runs[run.id]
            if current.planned is not None or current.jobs != run.jobs - len(jobs):
                raise StaleRun
            self.runs[run.id] = replace(run, counts=current.counts)
            self.planned[run.id] = self.planned.get(run.id, []) + [ref.id for job in jobs for ref in job.pending]
            for job in jobs:
                self.put(job)

    def record(self, progress: Progress) -> None:
        job = progress.job
        with self.step("record"):
            current = self.records.get("/".join(job.key))
            if current is None or current.version != job.version - 1:
                raise StaleJob
            existing = {s.trading_account_id for s in progress.snapshots if not self._snapshots.would_keep(s)}
            if existing:
                raise SnapshotsExist(existing)
            self._snapshots.days |= {(s.trading_account_id, s.date): s for s in progress.snapshots}
            self.put(job)
            run = self.runs[job.run_id]
            self.runs[run.id] = replace(run, counts=_sum(run.counts, progress.counts))

    def close(self, run_id: str, now: int) -> Run | None:
        with self.step("close"):
            run = self.runs[run_id]
            if run.planned != run.counts.done or run_id in self.closed:
                return None
            self.closed[run_id] = now
            return run

    def open_runs(self, since: int) -> Iterator[Run]:
        runs = sorted(self.runs.values(), key=lambda run: run.id, reverse=True)
        return (run for run in runs if run.started_at >= since and run.id not in self.closed)

    def jobs(self, run_id: str) -> Iterator[Job]:
        return iter([job for job in self.records.values() if job.run_id == run_id])


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.stored + other.stored,
        one.skipped + other.skipped,
        one.unauthorized + other.unauthorized,
        one.failed + other.failed,
    )


class FakeSnapshots(Interruptible):
    """The snapshot and history stores, over the memory of trading accounts."""

    def __init__(self, accounts: FakeTradingAccounts) -> None:
        super().__init__()
        self._accounts = accounts
        self.days: dict[tuple[str, str], Snapshot] = {}

    def known(self, job: Job) -> Known:
        with self.step("known"):
            accounts = {ref.id: a for ref in job.pending if (a := self._accounts.get(ref.user_id, ref.id))}
            days = (self.days.get((ref.id, job.date)) for ref in job.pending)
            yesterday = day_before(job.date)
            return Known(
                accounts=accounts,
                credentials={a.id: self._accounts.credentials[a.credential_id] for a in accounts.values()},
                snapshots={day.trading_account_id: day for day in days if day},
                unbroken=frozenset(ref.id for ref in job.pending if (ref.id, yesterday) in self.days),
            )

    def keep(self, snapshot: Snapshot) -> Snapshot:
        with self.step("keep"):
            key = snapshot.trading_account_id, snapshot.date
            if self.would_keep(snapshot):
                self.days[key] = snapshot
            return self.days[key]

    def would_keep(self, snapshot: Snapshot) -> bool:
        kept = self.days.get((snapshot.trading_account_id, snapshot.date))
        return kept is None or (kept.source, snapshot.source) == (Source.BACKFILLED, Source.LIVE)

    def page(self, trading_account_id: str, first: str, last: str, limit: int) -> list[Snapshot]:
        own_snapshots = [s for s in self.days.values() if s.trading_account_id == trading_account_id]
        return sorted((s for s in own_snapshots if first <= s.date <= last), key=lambda s: s.date, reverse=True)[:limit]


class FakeBackfills(FakeWorkStore[Backfill]):
    """The store of backfills."""

    def add(self, backfill: Backfill) -> None:
        with self.step("add"):
            earlier = self.records.get(backfill.ref.id)
            version = (earlier.version if earlier else backfill.requested_at) + 1
            leased_until = earlier.leased_until if earlier else 0
            self.put(replace(backfill, dead=False, version=version, leased_until=leased_until))


class FakeTelemetry(FakeWorkTelemetry):
    """Records what operators would have seen."""

    def __init__(self) -> None:
        super().__init__()
        self.planned_runs: list[tuple[Run, int]] = []
        self.finished_runs: list[Run] = []
        self.unpriced: list[str] = []
        self.troubles: list[tuple[str, str]] = []
        self.resent_jobs = 0
        self.backfilled_days: dict[str, int] = {}

    def planned(self, run: Run, planned: int) -> None:
        self.planned_runs.append((run, planned))

    def finished(self, run: Run) -> None:
        self.finished_runs.append(run)

    def worked(self, job: Job, counts: Counts, unpriced: Sequence[str]) -> None:
        self.unpriced.extend(unpriced)

    def retrying(self, subject: str, error: Exception) -> None:
        self.troubles.append((subject, type(error).__name__))

    def resent(self, run: Run, jobs: int) -> None:
        self.resent_jobs += jobs

    def backfilled(self, trading_account_id: str, days: int, unpriced: Sequence[str]) -> None:
        self.backfilled_days[trading_account_id] = self.backfilled_days.get(trading_account_id, 0) + days
        self.unpriced.extend(unpriced)


@dataclass
class Message:
    """One message in a queue."""

    body: str
    visible_at: int
    receives: int = 0
    receipt: str = ""
    sent_at: int = 0


@dataclass
class FakeSqs:
    """A queue like those of SQS: at-least-once, with visibility timeouts and dead letters. Sends can be lost."""

    clock: FakeClock
    losing: bool = False
    messages: list[Message] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)
    sent: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def send(self, messages: Iterable[Any], *, delay_s: int = 0) -> int:
        before = self.sent
        for message in messages:
            body = json.dumps(message)
            self.sent += 1
            if not self.losing:
                self.messages.append(Message(body, self.clock() + delay_s * 1000, sent_at=self.clock()))
        return self.sent - before

    def postpone(self, receipt_handles: Sequence[str], seconds: float) -> None:
        for message in self.messages:
            if message.receipt in receipt_handles:
                message.visible_at = self.clock() + int(seconds * 1000)

    def receive(self, most: int = 10) -> list[Message]:
        """Return visible messages. Those received too often become dead letters instead."""
        visible = [m for m in self.messages if m.visible_at <= self.clock()]
        worn_out = [m for m in visible if m.receives >= MAX_RECEIVES]
        self.dead.extend(worn_out)
        self.messages = [m for m in self.messages if m not in worn_out]
        taken = [m for m in visible if m not in worn_out][:most]
        for message in taken:
            message.receives += 1
            message.receipt = f"receipt-{next(self._numbers)}"
            message.visible_at = self.clock() + VISIBILITY_S * 1000
        return taken

    def redrive(self) -> None:
        """Move the dead letters back to the queue, as an operator does."""
        self.messages.extend(Message(m.body, self.clock(), sent_at=self.clock()) for m in self.dead)
        self.dead.clear()


class ScriptedExchange(FakeExchange):
    """An exchange with scripted errors for each key: they are raised in turn, then calls succeed."""

    def __init__(self) -> None:
        super().__init__()
        self.script: dict[str, list[Exception]] = {}
        self.on_call: Callable[[str], None] = lambda _: None

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        self.on_call(credential.api_key)
        if errors := self.script.get(credential.api_key):
            self.calls.append("account_balance")
            raise errors.pop(0)
        return super().account_balance(credential, trade_type)

    def prices(self) -> Any:
        self.on_call("prices")
        if errors := self.script.get("prices"):
            self.calls.append("prices")
            raise errors.pop(0)
        return super().prices()

    @property
    def balances_read(self) -> int:
        return self.calls.count("account_balance")


class World:
    """Planner, workers and sweeper with everything around them faked."""

    def __init__(self, now: int = MORNING) -> None:
        self.clock = FakeClock(now)
        self.lanes: dict[str, str] = {}
        self.accounts = FakeTradingAccounts()
        self.exchange = ScriptedExchange()
        self.snapshots, self.telemetry = FakeSnapshots(self.accounts), FakeTelemetry()
        self.runs = FakeRuns(self.snapshots)
        self.backfills, self.queue = FakeBackfills(), FakeSqs(self.clock)
        self.planner = SnapshotPlanner(self.accounts, self.runs, self.queue, self.telemetry, self.clock)
        self.sweeper = SnapshotSweeper(self.runs, self.planner, self.queue, self.telemetry, self.clock)
        reader_ports = ReaderPorts(
            self.snapshots,
            self.backfills,
            self.accounts,
            FakeVault(),
            self.exchange,
            self.telemetry,
            self.clock,
            Decimal(1),
            lambda account: self.lanes.get(account, ""),
        )
        self.worker = SnapshotWorker(self.runs, self.queue, self.telemetry, reader_ports, self.clock, MAX_RECEIVES)

    def add_key(self, name: str, *, trade_type: TradeType = TradeType.SPOT, **balances: str) -> str:
        """Connect an account whose id and API key are ``name``."""
        user = f"user of {name}"
        worth: dict[str, Any] = balances or {"USDC": "100"}
        self.exchange.add(name, "secret", **worth)
        sealed = FakeVault().encrypt("secret", sealing_context(user, name))
        self.accounts.credentials[name] = SealedCredential(name, user, Venue.BINANCE, name, sealed, 0)
        self.accounts.accounts[name] = trading_account(name, user, trade_type=trade_type)
        return name

    def add_keys(self, number: int) -> list[str]:
        return [self.add_key(f"key-{i}") for i in range(number)]

    def change_key(self, name: str, **changes: Any) -> None:
        known = self.accounts.accounts[name]
        self.accounts.accounts[name] = replace(known, version=known.version + 1, **changes)

    def valuation(self, name: str) -> AccountValuation | None:
        return self.accounts.accounts[name].valuation

    def status(self, name: str) -> ApiKeyStatus:
        return self.accounts.accounts[name].api_key_status

    def stored(self, day: str = TODAY) -> dict[str, Decimal]:
        return {s.trading_account_id: s.total_usd for s in self.snapshots.days.values() if s.date == day}

    def sweep(self, *, queue_is_empty: bool = False) -> int:
        """Make a sweep that has a minute."""
        return self.sweeper.sweep(until=self.clock() + MINUTE, queue_is_empty=queue_is_empty)

    def run(self) -> Run:
        """Return the only run."""
        (run,) = self.runs.runs.values()
        return run

    def deliver(self, messages: Sequence[Message] | None = None, seconds: float = 300) -> list[str]:
        """Invoke the worker with messages, by default the visible ones, and return the bodies of failed ones."""
        batch = self.queue.receive() if messages is None else messages
        if not batch:
            return []  # Lambda invokes nothing then
        reader = self.worker.reader(seconds)

        def work(body: dict[str, Any], delivery: Delivery) -> None:
            self.worker.work(body["runId"], body["jobId"], delivery, reader)

        response = work_batch(sqs_event(batch), LambdaContext(remaining_ms=int(seconds * 1000)), self.queue, work)
        failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        done = [message for message in batch if message.receipt not in failed]
        self.queue.messages = [m for m in self.queue.messages if m not in done]
        return [message.body for message in batch if message not in done]

    def drain(self, rounds: int = 100) -> None:
        """Deliver messages until the queue is empty, advancing the clock as needed."""
        for _ in range(rounds):
            if not self.queue.messages:
                return
            self.clock.now = max(self.clock.now, min(m.visible_at for m in self.queue.messages))
            self.deliver()
        raise AssertionError("the queue does not empty")


def sqs_event(messages: Sequence[Message]) -> dict[str, Any]:
    """Return the event that Lambda passes to a function for a batch of messages."""
    return {
        "Records": [
            {
                "messageId": message.receipt,
                "receiptHandle": message.receipt,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    "SentTimestamp": str(message.sent_at),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:snapshots",
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }
