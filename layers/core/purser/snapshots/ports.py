"""What the use cases of snapshots need from outside. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from purser.operations.model import Operation
from purser.snapshots.model import Backfill, Counts, Job, Known, Progress, Run, Snapshot
from purser.trading_accounts.model import AccountRef, AccountValuation, ApiKeyStatus, TradingAccount
from purser.work.ports import WorkStore


class RunStore(WorkStore[Job], Protocol):
    """Where runs and their jobs are kept."""

    def begin(self, run: Run) -> None:
        """Keeps a new run."""

    def add_jobs(self, jobs: Sequence[Job]) -> None:
        """Keeps new jobs."""

    def set_planned(self, run_id: str, planned: int) -> None:
        """Notes how many trading accounts a run has, now that all are planned."""

    def record(self, progress: Progress) -> None:
        """Store a job's next version and its snapshots, and add the counts to its run: all of it or nothing.

        Raises:
            StaleJob: the job is no longer at the version before.
            SnapshotsExist: some of the snapshots are of days that have a live one.
        """

    def close(self, run_id: str, now: int) -> Run | None:
        """Closes a run whose trading accounts are all accounted for.

        Returns:
            The run, to the one caller who closed it; None to all others.
        """

    def open_runs(self, since: int) -> Iterator[Run]:
        """The runs begun since then (Unix ms) that are not closed, newest first."""

    def jobs(self, run_id: str) -> Iterator[Job]:
        """A run's jobs, streamed."""


class SnapshotStore(Protocol):
    """Where snapshots are kept, and what else is known of trading accounts."""

    def known(self, job: Job) -> Known:
        """What is stored about a job's pending trading accounts."""

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Keeps a snapshot unless the day has one; a live one replaces a backfilled one. Returns the one kept."""

    def start_cooldown(self, until: int) -> None:
        """Stop all workers from asking the venue before then (Unix ms)."""


class BalanceHistoryStore(Protocol):
    """Snapshots, as a reader of the history sees them."""

    def page(self, trading_account_id: str, first: str, last: str, limit: int) -> list[Snapshot]:
        """Return at most ``limit`` snapshots of the days from ``first`` to ``last``, newest first.

        A range that ends before it begins has none.
        """


class BackfillStore(WorkStore[Backfill], Protocol):
    """Where backfills wait. The write that connects a trading account puts its first one there."""

    def add(self, backfill: Backfill) -> None:
        """Keep a backfill, in the place of one that waits for the same trading account."""


class RateGate(Protocol):
    """Grants permits to ask the exchange for past balances, at a fixed rate for all workers together."""

    def take(self, now: int) -> int:
        """Take a permit: return 0, or after how many ms to try again."""


class AccountStore(Protocol):
    """Trading accounts, as a worker changes them."""

    def deactivate(
        self,
        user_id: str,
        trading_account_id: str,
        now: int,
        status: ApiKeyStatus | None = None,
        *,
        refused: TradingAccount | None = None,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        """Make an account inactive, with a new key status where one is given.

        None when there is none. With ``refused``, the account as it was when the exchange was asked, also None when its
        user has had a credential accepted since, or when the refusal is recorded already.
        """

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int) -> None:
        """Notes how the exchange met the credential, unless that was noted otherwise since the account was read."""

    def record_valuation(self, user_id: str, trading_account_id: str, valuation: AccountValuation) -> None:
        """Record what an active account is worth, unless a later one is stored; its key is AUTHORIZED."""


class ActiveAccounts(Protocol):
    """The index of active trading accounts."""

    def active(self) -> Iterator[AccountRef]:
        """All active trading accounts, streamed."""


class Telemetry(Protocol):
    """What operators see: log lines and metrics."""

    def planned(self, run: Run, planned: int) -> None:
        """A run has been planned."""

    def finished(self, run: Run) -> None:
        """A run is over: the one line that says what it did."""

    def worked(self, job: Job, counts: Counts, unpriced: Sequence[str]) -> None:
        """A job has moved on; ``unpriced`` are assets that were left out for want of a price."""

    def unsettled(self, subject: str, error: Exception) -> None:
        """A trading account, or something else, could not be dealt with; it will be tried again."""

    def resent(self, run: Run, jobs: int) -> None:
        """Jobs whose messages had been lost were sent again."""

    def backfilled(self, trading_account_id: str, days: int, unpriced: Sequence[str]) -> None:
        """So many days were backfilled; ``unpriced`` are assets that were left out, once for each day."""

    def backfill_failed(self, trading_account_id: str) -> None:
        """A backfill was given up, until its message is redriven."""
