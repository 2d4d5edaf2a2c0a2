"""Snapshots, and the runs and jobs that take them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import ClassVar

from purser.clock import DAY_MS, day_of
from purser.credentials.model import SealedCredential
from purser.exchanges.model import DAYS_REMEMBERED
from purser.trading_accounts.model import AccountRef, ApiKeyStatus, TradingAccount
from purser.work.model import WorkItem

RUN_HORIZON_MS = 3 * 24 * 3600 * 1000
"""The age up to which runs are swept. A valuation can only be taken on its own day."""

PLANNER_LOST_MS = 60_000
"""The time without new jobs after which the planner of an unfinished run counts as lost.

Its calls time out sooner. A planner that comes back nevertheless does no harm.
"""

ACCOUNTS_A_JOB = 24
"""The number of trading accounts in a job. All that is known of them fits into one batch read (at most 100 items)."""

LEASE_MS = 310_000
"""The lease of an attempt at a backfill, or of the last one at a job: longer than their functions may run."""

READY_MS = 6 * 3600 * 1000
"""The time after a day's end by which the exchange has its snapshot, if it ever has."""


class Source(StrEnum):
    """The origin of a snapshot: LIVE is a valuation that was taken on that very day.

    BACKFILLED is the exchange's record of the balance at the day's end, at the day's closing prices. A live snapshot
    replaces it, and is never replaced.
    """

    LIVE = "LIVE"
    BACKFILLED = "BACKFILLED"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The value of a trading account on a UTC day (``YYYY-MM-DD``) in USD, taken at ``taken_at`` (Unix ms).

    ``run_id`` is the run that stored it, if one did.
    """

    trading_account_id: str
    date: str
    total_usd: Decimal
    source: Source
    taken_at: int
    run_id: str | None = None


class NoSnapshot(Enum):
    """The reasons for which a run stores no snapshot of a planned trading account."""

    SKIPPED = auto()
    """It has one of that day, is disconnected or disabled, or the day is over and nothing is known of it."""
    UNAUTHORIZED = auto()
    """The exchange refused its credential for good."""


Outcome = Snapshot | NoSnapshot
"""The result for a planned trading account: the snapshot to store, or the reason why there is none."""


class Pending(Enum):
    """The reasons for which a planned trading account has no outcome yet."""

    FAILED = auto()
    """It was tried, or its prices were, and something failed."""
    COOLDOWN = auto()
    """The exchange has asked to wait."""
    OUT_OF_TIME = auto()
    """The invocation had no time left for it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of trading accounts with each outcome. ``failed`` counts those of dead jobs."""

    stored: int = 0
    skipped: int = 0
    unauthorized: int = 0
    failed: int = 0

    @property
    def done(self) -> int:
        """The number of accounts that are accounted for."""
        return self.stored + self.skipped + self.unauthorized + self.failed


@dataclass(frozen=True, slots=True)
class Run:
    """One round over all active trading accounts.

    ``planned`` is None until all of them are planned, and all messages of jobs are sent. Until then, ``jobs`` and
    ``accounts`` count those planned so far, and ``last_account`` is where to continue. The last jobs were added at
    ``extended_at`` (Unix ms).
    """

    id: str
    date: str
    started_at: int
    planned: int | None = None
    counts: Counts = Counts()
    jobs: int = 0
    accounts: int = 0
    last_account: str | None = None
    extended_at: int | None = None

    def extended(self, jobs: Sequence[Job], now: int) -> Run:
        """Return the run with further jobs. Without any, it is planned."""
        if not jobs:
            return replace(self, planned=self.accounts)
        refs = [ref for job in jobs for ref in job.pending]
        return replace(
            self,
            jobs=self.jobs + len(jobs),
            accounts=self.accounts + len(refs),
            last_account=refs[-1].id,
            extended_at=now,
        )

    def has_lost_planner(self, now: int) -> bool:
        """Return whether the planning of the run has stopped before its end."""
        return self.planned is None and (self.extended_at or self.started_at) + PLANNER_LOST_MS <= now


@dataclass(frozen=True, slots=True)
class Job(WorkItem):
    """A group of trading accounts of a run.

    ``pending`` have no outcome yet. While the job is ``dead``, the run counts them as failed. It is due when its
    message should long have been delivered. Only the last attempt of a message is leased, so that a sweep notices when
    it was killed.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("runId", "jobId")

    run_id: str
    id: str
    date: str
    pending: tuple[AccountRef, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The ids of the run and the job."""
        return self.run_id, self.id

    @property
    def since(self) -> int | None:
        """The time at which its run started, with which the run's id begins."""
        started_at, _, _ = self.run_id.partition("-")
        return int(started_at) if started_at.isdigit() else None

    @property
    def is_waiting(self) -> bool:
        """True while something is left to do, so that a message must be on its way."""
        return bool(self.pending) and not self.dead

    def in_last_attempt(self, until: int) -> Job:
        """Return the job during the last attempt of its message, which is over by ``until``."""
        return replace(self, leased_until=until, due_at=max(self.due_at, until), version=self.version + 1)

    def was_killed(self, now: int) -> bool:
        """Return whether its last attempt has ended without recording any progress."""
        return 0 < self.leased_until <= now

    def progress(self, outcomes: Mapping[str, Outcome], *, exhausted: bool, due_at: int) -> Progress:
        """Return the step that these outcomes (by trading account id) make.

        Outcomes of accounts that are no longer pending do not count. ``exhausted`` says that this was the last attempt:
        if anything is left, the job is dead. What a dead job still achieves is subtracted from the failed.
        """
        left = tuple(ref for ref in self.pending if ref.id not in outcomes)
        new = [outcomes[ref.id] for ref in self.pending if ref.id in outcomes]
        snapshots = tuple(outcome for outcome in new if isinstance(outcome, Snapshot))
        dead = bool(left) and (self.dead or exhausted)
        counts = Counts(
            stored=len(snapshots),
            skipped=new.count(NoSnapshot.SKIPPED),
            unauthorized=new.count(NoSnapshot.UNAUTHORIZED),
            failed=len(left) * dead - len(self.pending) * self.dead,
        )
        job = replace(self, pending=left, due_at=due_at, leased_until=0, dead=dead, version=self.version + 1)
        return Progress(job, counts, snapshots)


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a job: its next version, what it adds to the counts of the run, and the snapshots to store."""

    job: Job
    counts: Counts
    snapshots: tuple[Snapshot, ...] = ()


class StaleRun(Exception):
    """Another planner has planned more of the run since it was read."""


class StaleJob(Exception):
    """The job has changed since it was read."""


class SnapshotsExist(Exception):
    """Some of the days already have a snapshot."""

    def __init__(self, trading_account_ids: Collection[str]) -> None:
        super().__init__()
        self.trading_account_ids = trading_account_ids


@dataclass(frozen=True, slots=True)
class Known:
    """The stored data of a job's trading accounts, by account id.

    ``snapshots`` are those of the job's day; ``unbroken`` are the accounts with one of the day before.
    """

    accounts: Mapping[str, TradingAccount]
    credentials: Mapping[str, SealedCredential]
    snapshots: Mapping[str, Snapshot]
    unbroken: frozenset[str]


@dataclass(frozen=True, slots=True)
class Backfill(WorkItem):
    """A request for past days of a trading account: those of the last ``DAYS_REMEMBERED`` that have no snapshot.

    A repeated request changes it, so that a worker does not end a newer request. Versions start at the time of the
    request, so that a new backfill repeats no version of a former one.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("tradingAccountId",)

    ref: AccountRef
    requested_at: int
    version: int = field(default=0, kw_only=True)

    @property
    def key(self) -> tuple[str, ...]:
        """The id of the trading account."""
        return (self.ref.id,)

    @property
    def since(self) -> int:
        """The time at which it was requested."""
        return self.requested_at


def past_days(now: int) -> list[str]:
    """Return the last ``DAYS_REMEMBERED`` complete UTC days (``YYYY-MM-DD``), oldest first."""
    return [day_of(now - ago * DAY_MS) for ago in range(DAYS_REMEMBERED, 0, -1)]


def day_before(day: str) -> str:
    """Return the day before a day."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def ready_at(day: str) -> int:
    """Return when (Unix ms) the exchange has the snapshots of all days before ``day``, if it ever has."""
    return int(datetime.fromisoformat(f"{day}T00:00Z").timestamp() * 1000) + READY_MS


def outcome_of_inactive(account: TradingAccount) -> NoSnapshot:
    """Return the outcome of an account that its user or the exchange has made inactive since it was planned."""
    died = account.api_key_status is ApiKeyStatus.UNAUTHORIZED
    return NoSnapshot.UNAUTHORIZED if died else NoSnapshot.SKIPPED


def live_snapshot(account: TradingAccount, run_id: str | None = None) -> Snapshot | None:
    """Return the snapshot of an account's latest valuation, for the day on which it was taken."""
    valuation = account.valuation
    if valuation is None:
        return None
    return Snapshot(
        account.id, day_of(valuation.taken_at), valuation.total_usd, Source.LIVE, valuation.taken_at, run_id
    )


def snapshot_of(account: TradingAccount, job: Job) -> Snapshot | None:
    """Return the snapshot of an account's latest valuation if it was taken on the job's day."""
    snapshot = live_snapshot(account, job.run_id)
    return snapshot if snapshot and snapshot.date == job.date else None
