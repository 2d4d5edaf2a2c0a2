"""Read trading accounts at the exchange, on behalf of jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from purser.clock import day_of
from purser.credentials.model import SealedCredential, opened
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeRateLimited,
    ExchangeUnavailable,
)
from purser.exchanges.model import AccountBalance, Prices
from purser.exchanges.port import ExchangeGateway
from purser.exchanges.valuation import value_usd
from purser.ports import Opener
from purser.snapshots.model import (
    Backfill,
    Job,
    Known,
    NoSnapshot,
    Outcome,
    Pending,
    Snapshot,
    Source,
    outcome_of_inactive,
    ready_at,
    snapshot_of,
)
from purser.snapshots.ports import AccountStore, BackfillStore, SnapshotStore, Telemetry
from purser.trading_accounts.key_status import record_refusal
from purser.trading_accounts.model import AccountRef, AccountValuation, ApiKeyStatus, TradingAccount

READERS = 8
"""The number of trading accounts that are read at the same time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReaderPorts:
    """The ports of a reader.

    The gateway is paced; ``now`` gives Unix ms, ``usdc_usd`` the value of one USDC in USD, ``lane_name`` the lane of a
    trading account.
    """

    snapshots: SnapshotStore
    backfills: BackfillStore
    accounts: AccountStore
    vault: Opener
    gateway: ExchangeGateway
    telemetry: Telemetry
    now: Callable[[], int]
    usdc_usd: Decimal
    lane_name: Callable[[str], str] = lambda _: ""


class Reader:
    """Reads for one invocation: prices at most once, and nothing after ``ends_at`` (Unix ms).

    A lane is not used during its cooldown, nor after users have needed all of its weight.

    Attributes:
        unpriced: the assets without a price of the latest job, once for each account.
    """

    def __init__(self, ports: ReaderPorts, ends_at: int) -> None:
        self._ports = ports
        self._ends_at = ends_at
        self._prices: Prices | None = None
        self._cooldowns: dict[str, int] = {}
        self._spent_lanes: set[str] = set()
        self.unpriced: list[str] = []

    def read(self, job: Job) -> dict[str, Outcome | Pending]:
        """Return the outcome, or the reason why there is none yet, of each pending trading account of a job, by its id.

        The exchange is asked only where necessary. The caller stores the snapshots.

        Raises:
            Unavailable: a part of Purser is down.
        """
        self.unpriced = []
        known = self._ports.snapshots.known(job)
        stored = {ref.id: self._from_stored(job, ref, known) for ref in job.pending}
        live = [known.accounts[key] for key, outcome in stored.items() if outcome is None]
        results: dict[str, Outcome | Pending] = {key: outcome for key, outcome in stored.items() if outcome}
        return results | self._read_live(job, live, known)

    def _from_stored(self, job: Job, ref: AccountRef, known: Known) -> Outcome | None:
        """Return the outcome that needs no exchange, or None."""
        kept = known.snapshots.get(ref.id)
        if kept and kept.source is Source.LIVE:
            return NoSnapshot.SKIPPED
        account = known.accounts.get(ref.id)
        if account is None:
            return NoSnapshot.SKIPPED
        if not account.active:
            return outcome_of_inactive(account)
        if job.date != day_of(self._ports.now()):
            # The day is over: a valuation that was taken on it may still become its snapshot, a new one may not.
            return self._outcome(job, account, snapshot_of(account, job), known)
        return None

    def _outcome(self, job: Job, account: TradingAccount, snapshot: Snapshot | None, known: Known) -> Outcome:
        if snapshot is None:
            return NoSnapshot.SKIPPED
        if account.id not in known.unbroken and day_of(account.created_at) < job.date:
            # Before the snapshot, after which nobody would look any more.
            ref = AccountRef(account.user_id, account.id)
            backfill = Backfill(ref, self._ports.now(), due_at=ready_at(job.date), correlation_id=job.correlation_id)
            self._ports.backfills.add(backfill)
        return snapshot

    def _read_live(self, job: Job, accounts: Sequence[TradingAccount], known: Known) -> dict[str, Outcome | Pending]:
        if not accounts:
            return {}
        prices = self._attempt(f"prices for job {job.id}", "", self._prices_once)
        if isinstance(prices, Pending):
            return {account.id: prices for account in accounts}

        def read(account: TradingAccount) -> Outcome | Pending:
            lane = self._ports.lane_name(account.id)
            return self._attempt(account.id, lane, lambda: self._read_account(job, account, known, prices))

        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip((account.id for account in accounts), pool.map(read, accounts), strict=True))

    @property
    def cooldown_until(self) -> int:
        """Until when (Unix ms) a lane that was wanted must not be used."""
        return max(self._cooldowns.values(), default=0)

    def _attempt(self, subject: str, lane: str, call: Callable[[], T]) -> T | Pending:
        """Call the exchange unless it is time to stop. An error leaves the subject pending."""
        now = self._ports.now()
        if now < self._cooldowns.get(lane, 0):
            return Pending.COOLDOWN
        if now >= self._ends_at or lane in self._spent_lanes:
            return Pending.OUT_OF_TIME
        try:
            return call()
        except ExchangeRateLimited as error:
            if not error.by_venue:
                # Nothing is wrong: users need the lane now.
                self._spent_lanes.add(lane)
                return Pending.OUT_OF_TIME
            self._cooldowns[lane] = self._ports.now() + int(error.retry_after * 1000)
            return Pending.COOLDOWN
        except Exception as error:
            # One bad account must not harm the others of its job.
            self._ports.telemetry.retrying(subject, error)
            return Pending.FAILED

    def _prices_once(self) -> Prices:
        if self._prices is None:
            self._prices = self._ports.gateway.prices()
        return self._prices

    def _read_account(self, job: Job, account: TradingAccount, known: Known, prices: Prices) -> Outcome:
        balance = self._balance(account, known.credentials[account.id])
        if balance is None:
            return NoSnapshot.UNAUTHORIZED
        worth = value_usd(balance, prices, self._ports.usdc_usd)
        self.unpriced.extend(worth.unpriced)
        valuation = AccountValuation(worth.total_usd, self._ports.now())
        self._ports.accounts.record_valuation(account.user_id, account.id, valuation)
        # Midnight may have passed meanwhile: the valuation then belongs to another day than the job.
        now_worth = replace(account, valuation=valuation)
        return self._outcome(job, account, snapshot_of(now_worth, job) or snapshot_of(account, job), known)

    def _balance(self, account: TradingAccount, sealed: SealedCredential) -> AccountBalance | None:
        """Return the live balance, or None when the exchange refuses the credential for good.

        Raises:
            ExchangeAuthorizationFailed: it refuses, but perhaps not for good, or the account has changed. It must be
                read again.
        """
        credential = opened(sealed, self._ports.vault.decrypt(sealed.ciphertext, sealed.context), account.id)
        try:
            return self._ports.gateway.account_balance(credential, account.trade_type)
        except ExchangeAuthorizationFailed as error:
            if record_refusal(self._ports.accounts, account, error, self._ports.now()):
                return None
            raise  # It may not be the key that is refused, or no longer the account's key.
        except ExchangeUnavailable:
            self._mark_failed(account)
            raise

    def _mark_failed(self, account: TradingAccount) -> None:
        if account.api_key_status is ApiKeyStatus.AUTHORIZED:
            self._ports.accounts.mark(account, ApiKeyStatus.FAILED, self._ports.now())
