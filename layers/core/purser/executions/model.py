"""Executions: what a signal becomes for each follower, and the jobs that carry it there."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from purser.follows.model import Follower
from purser.orders.intents import Intent
from purser.orders.intents import State as IntentState
from purser.work.model import WorkItem

FOLLOWERS_A_JOB = 25
"""The number of followers in a job. All executions of a job are read by one request."""

RESEND_AFTER_MS = 810_000
"""The time from sending a job's message until it is due again: 1.5 times the queue's visibility time-out."""

LEASE_MS = 100_000
"""The lease of an attempt at a job: longer than its function may run."""

NAMESPACE = uuid.UUID("5f0f4c1b-4a86-5d8c-9f5e-2a1b6f1f7d10")
"""Names the ids of executions. It never changes."""


class SkipReason(StrEnum):
    """The reasons for which a signal is not executed for a follower. Followers see them.

    The last two are of an execution that is FAILED, all others of one that is SKIPPED.
    """

    NOT_ACTIVE = "NOT_ACTIVE"
    """The follow has ended, is paused, or follows another strategy by now."""
    PLAN = "PLAN"
    """The user's plan does not allow strategies."""
    KEY = "KEY"
    """The trading account is disabled or disconnected, or the exchange refuses its key."""
    HALTED = "HALTED"
    """An administrator has stopped the strategy, or all trading."""
    EXPIRED = "EXPIRED"
    """The signal was too old, or a later one had replaced it, before its order could be sent."""
    NOTHING_OPEN = "NOTHING_OPEN"
    """The signal closes a trade that the trading account does not have."""
    TOO_SMALL = "TOO_SMALL"
    """The follower's risk buys less than the venue's least amount."""
    STOP_TOO_TIGHT = "STOP_TOO_TIGHT"
    """The stop is on the wrong side of the price, or so near that fees would be most of the loss."""
    MARGIN = "MARGIN"
    """The available margin, at the leverage that the follower allows, carries less than the venue's least amount."""
    SLIPPAGE = "SLIPPAGE"
    """The market was worse than the worst price that the follower accepts."""
    MIN_EQUITY = "MIN_EQUITY"
    """The equity is below the follower's minimum."""
    LIQUIDATION = "LIQUIDATION"
    """Even the least position would be liquidated before its stop."""
    BRACKET = "BRACKET"
    """The venue's brackets of leverage do not allow even the least position."""
    MAX_TRADES = "MAX_TRADES"
    """The trading account has reached its greatest number of open trades."""
    HEDGE_MODE = "HEDGE_MODE"
    """The account is in hedge mode, and Purser trades in one-way mode only."""
    MULTI_ASSETS = "MULTI_ASSETS"
    """All assets of the account are margin together, so that no position is isolated."""
    SYMBOL_BUSY = "SYMBOL_BUSY"
    """The symbol has a position that is not of a strategy, or an order that keeps it from being isolated."""
    SUSPECT_PRICE = "SUSPECT_PRICE"
    """The prices of the signal cannot be right at the market's."""
    VENUE_REFUSED = "VENUE_REFUSED"
    """The venue refused the order. Nothing of it is left."""
    EXCHANGE_UNAVAILABLE = "EXCHANGE_UNAVAILABLE"
    """The exchange did not answer, or was asked too often, until the last attempt."""
    INTERNAL = "INTERNAL"
    """Purser did not carry the signal here until the last attempt."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A signal is not executed for a follower, for this reason. ``detail`` is the venue's code, if it refused."""

    reason: SkipReason
    detail: str | None = None


class ExecutionStatus(StrEnum):
    """The status of a signal's execution for a follower.

    SENDING: its orders are being placed. RESTING: its entry waits for its price. OPEN: its entry was executed. CLOSED:
    it has closed the follower's trade. FAILED: it was undone, its entry was withdrawn before anything was executed, or
    no attempt could carry it out.
    UNKNOWN: Purser is finding out what became of it. ABANDONED: Purser could not find out, and a position may be open.
    """

    SENDING = "SENDING"
    RESTING = "RESTING"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    ABANDONED = "ABANDONED"

    @property
    def is_settled(self) -> bool:
        """Return whether an executor has nothing left to do."""
        return self not in (ExecutionStatus.SENDING, ExecutionStatus.UNKNOWN)


Outcome = tuple[str, str | None]
"""A status and a reason, as they are counted."""


def execution_id(signal_id: str, follow_id: str) -> str:
    """Return the id of the one execution of a signal for a follow, and of its intent."""
    return str(uuid.uuid5(NAMESPACE, f"{signal_id}#{follow_id}"))


@dataclass(frozen=True, slots=True)
class Execution:
    """One signal for one follow. Times are Unix milliseconds.

    ``amount``, ``leverage``, ``worst_price`` and ``risk`` are those of the order, and ``capped_by`` is why it is
    smaller than the risk allows. ``detail`` is the venue's code of a refusal. ``job_id`` is the job that began it.
    ``trade_id`` is the intent that the signal closes, None if it enters. ``counted`` is how the counts of the signal
    include an execution that may still change, None before.
    """

    signal_id: str
    strategy_id: str
    follow_id: str
    user_id: str
    trading_account_id: str
    symbol: str
    created_at: int
    updated_at: int
    job_id: str
    status: ExecutionStatus = ExecutionStatus.SENDING
    reason: SkipReason | None = None
    detail: str | None = None
    amount: Decimal | None = None
    leverage: int | None = None
    worst_price: Decimal | None = None
    risk: Decimal | None = None
    capped_by: str | None = None
    trade_id: str | None = None
    counted: Outcome | None = None

    @property
    def id(self) -> str:
        """The id that derives from signal and follow."""
        return execution_id(self.signal_id, self.follow_id)

    @property
    def outcome(self) -> Outcome:
        """What the execution counts as: its status and reason."""
        return self.status.value, self.reason.value if self.reason else None

    @property
    def may_change(self) -> bool:
        """Return whether it may still come to something else. A closing does, even if the key was refused at first."""
        closes, status = self.trade_id is not None, self.status
        may_change = status in (ExecutionStatus.RESTING, ExecutionStatus.FAILED)
        return may_change or not status.is_settled or (closes and status is ExecutionStatus.SKIPPED)

    @property
    def intent_id(self) -> str:
        """The id of the intent that decides: that of its order, or of the trade that it closes."""
        return self.trade_id or self.id

    def skipped(self, skip: Skip) -> Execution:
        """Return the execution that was skipped."""
        return replace(self, status=ExecutionStatus.SKIPPED, reason=skip.reason, detail=skip.detail)

    def after(self, intent: Intent, now: int) -> Execution:
        """Return the execution as the intent shows it: that of its order, or of the trade that it closes."""
        status = status_of(intent) if self.trade_id is None else _status_of_closing(intent)
        return replace(self, status=status, reason=None, detail=None, updated_at=now)


def _status_of_closing(trade: Intent) -> ExecutionStatus:
    """Return what closing a trade has come to."""
    if trade.state is IntentState.ABANDONED:
        return ExecutionStatus.ABANDONED
    return ExecutionStatus.CLOSED if trade.state.is_final else ExecutionStatus.SENDING


def status_of(intent: Intent) -> ExecutionStatus:
    """Return what the intent of an entry has come to."""
    match intent.state:
        case IntentState.PENDING:
            return ExecutionStatus.SENDING
        case IntentState.UNKNOWN:
            return ExecutionStatus.UNKNOWN
        case IntentState.FAILED:
            return ExecutionStatus.FAILED
        case IntentState.ABANDONED:
            return ExecutionStatus.ABANDONED
    entry = intent.placed_entry
    if entry is None or entry.filled:
        return ExecutionStatus.OPEN
    return ExecutionStatus.RESTING if intent.state is IntentState.RESTING else ExecutionStatus.FAILED


@dataclass(frozen=True, slots=True)
class ExecutionJob(WorkItem):
    """A group of followers to whom a signal is carried.

    ``price`` is the venue's price from which all followers count, None if the signal only closes trades. A job that was
    dead before has ``counted`` its executions.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("signalId", "jobId")

    signal_id: str
    id: str
    strategy_id: str
    followers: tuple[Follower, ...]
    price: Decimal | None
    created_at: int
    counted: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The ids of the signal and the job."""
        return self.signal_id, self.id

    @property
    def since(self) -> int:
        """The time at which it was planned."""
        return self.created_at


def shuffled(followers: Iterable[Follower], signal_id: str) -> list[Follower]:
    """Return followers in an order of the signal's own, so that nobody is always last."""

    def place(follower: Follower) -> bytes:
        return hashlib.sha256(f"{signal_id}#{follower.follow_id}".encode()).digest()

    return sorted(followers, key=place)


class ExecutionExists(Exception):
    """The signal has been executed for the follow before."""


class ExecutionChanged(Exception):
    """The execution has changed since it was read."""


class EntriesChanged(Exception):
    """The trading account has begun another entry since its entries were read."""


class FollowStopped(Exception):
    """The follow has ended, is paused, or follows another strategy by now."""


class AccountStopped(Exception):
    """The trading account is inactive, or its key is not accepted."""
