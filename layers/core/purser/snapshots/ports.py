"""The ports of snapshots. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from purser.snapshots.model import Backfill, Counts, Job, Known, Progress, Run, Snapshot
from purser.trading_accounts.key_status import Accounts
from purser.trading_accounts.model import AccountRef, AccountValuation
from purser.work.ports import ItemStore, WorkStore, WorkTelemetry


class RunStore(ItemStore[Job], Protocol):
    """The store of runs and their jobs. Whether a job is due depends on its run, so it is no ``WorkStore``."""

    def begin(self, run: Run) -> Run:
        """Store a run unless it is stored already, and return the stored one."""

    def extend(self, run: Run, jobs: Sequence[Job]) -> None:
        """Store new jobs and the run that was extended by them: all of it or nothing.

        Raises:
            StaleRun: another planner has planned more of the run.
        """

    def record(self, progress: Progress) -> None:
        """Store a job's next version and its snapshots, and add the counts to its run: all of it or nothing.

        Raises:
            StaleJob: the job is no longer at the version before.
            SnapshotsExist: some of the snapshots are of days that have a live one.
        """

    def close(self, run_id: str, now: int) -> Run | None:
        """Close a run whose trading accounts are all accounted for; return it to the one caller who did."""

    def open_runs(self, since: int) -> Iterator[Run]:
        """Yield the runs begun since then (Unix ms) that are not closed, newest first."""

    def jobs(self, run_id: str) -> Iterator[Job]:
        """Yield a run's jobs."""


class SnapshotStore(Protocol):
    """The store of snapshots, which also knows the stored data of a job."""

    def known(self, job: Job) -> Known:
        """Return the stored data of a job's pending trading accounts."""

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Store a snapshot and return the one stored. Only a live one replaces another, a backfilled one."""


class BalanceHistoryStore(Protocol):
    """Snapshots, as a reader of the history sees them."""

    def page(self, trading_account_id: str, first: str, last: str, limit: int) -> list[Snapshot]:
        """Return at most ``limit`` snapshots of the days from ``first`` to ``last``, newest first.

        A range that ends before it begins has none.
        """


class BackfillStore(WorkStore[Backfill], Protocol):
    """The store of backfills. The write that connects a trading account stores its first one."""

    def add(self, backfill: Backfill) -> None:
        """Store a backfill, in place of a waiting one of the same trading account."""


class RateGate(Protocol):
    """Grants permits to ask the exchange for past balances, at a fixed rate in each lane for all workers together."""

    def take(self, trading_account_id: str, now: int) -> int:
        """Take a permit in the lane of a trading account: return 0, or the number of ms after which to try again."""


class AccountStore(Accounts, Protocol):
    """Trading accounts, as a worker changes them."""

    def record_valuation(self, user_id: str, trading_account_id: str, valuation: AccountValuation) -> None:
        """Record what an active account is worth, unless a later one is stored; its key is AUTHORIZED."""


class ActiveAccounts(Protocol):
    """The index of active trading accounts."""

    def active(self, after: str | None = None) -> Iterator[AccountRef]:
        """Yield all active trading accounts in a fixed order, or those that come after the id ``after``."""


class Telemetry(WorkTelemetry, Protocol):
    """Telemetry for operators: log lines and metrics."""

    def planned(self, run: Run, planned: int) -> None:
        """Report a run that has been planned."""

    def finished(self, run: Run) -> None:
        """Report a run that is over, in the one line with its outcome."""

    def worked(self, job: Job, counts: Counts, unpriced: Sequence[str]) -> None:
        """Report the progress of a job; ``unpriced`` are assets that were left out for want of a price."""

    def retrying(self, subject: str, error: Exception) -> None:
        """Report that reading a trading account, or something else, failed and will be retried."""

    def resent(self, run: Run, jobs: int) -> None:
        """Report the number of jobs that were sent again because their messages had been lost."""

    def backfilled(self, trading_account_id: str, days: int, unpriced: Sequence[str]) -> None:
        """Report backfilled days; ``unpriced`` are assets that were left out, once for each day."""
