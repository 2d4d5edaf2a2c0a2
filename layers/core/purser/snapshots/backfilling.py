"""Backfilling of days that were missed, or from before a trading account was connected.

The exchange keeps daily snapshots of each account for a month, and limits the rate of reading them. A backfill is
stored until its account has all of them. Each message allows one account to be fetched, and the sweep enqueues only
as many as the rate gate permits.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from purser.clock import day_of
from purser.correlation import correlation_id, tagged
from purser.errors import ExchangeAuthorizationFailed, NotFound
from purser.exchanges.model import PastBalance
from purser.exchanges.port import ExchangeGateway
from purser.exchanges.valuation import value_totals
from purser.ports import Sender
from purser.snapshots.daily_closes import DailyCloses
from purser.snapshots.model import LEASE_MS, Backfill, Snapshot, Source, live_snapshot, past_days, ready_at
from purser.snapshots.ports import BackfillStore, BalanceHistoryStore, RateGate, SnapshotStore, Telemetry
from purser.trading_accounts.key_status import AccountAccess
from purser.trading_accounts.model import TradingAccount
from purser.work.model import RESEND_AFTER_MS, Delivery, Postponed
from purser.work.ports import WorkTelemetry
from purser.work.sweeper import MAX_DELAY_S, SWEEP_INTERVAL_MS, Sweeper
from purser.work.worker import Worker

REFUSED_PAUSE_MS = 3600 * 1000
"""The pause after a refusal that may not be the key's."""

SWEPT_SHARE = 0.8
"""The share of the permits until the next sweep. The rest is for accounts that are connected meanwhile."""

logger = logging.getLogger(__name__)


class BackfillRequests:
    """Queues backfills that are stored."""

    def __init__(self, queue: Sender) -> None:
        self._queue = queue

    def begin(self, trading_account_id: str) -> None:
        """Queue the backfill of a new trading account. Raises nothing, since the sweep finds what is not queued."""
        try:
            self._queue.send([tagged({"tradingAccountId": trading_account_id}, correlation_id())])
        except Exception as error:
            logger.warning("a backfill could not be queued: %s", trading_account_id, exc_info=error)


@dataclass(frozen=True, slots=True)
class BackfillPorts:
    """The ports of backfilling. ``now`` gives Unix ms, ``usdc_usd`` the value of one USDC in USD."""

    backfills: BackfillStore
    rate_gate: RateGate
    access: AccountAccess
    snapshots: SnapshotStore
    history: BalanceHistoryStore
    gateway: ExchangeGateway
    closes: DailyCloses
    telemetry: Telemetry
    now: Callable[[], int]
    usdc_usd: Decimal


class BackfillWorker:
    """Works on backfills. After ``max_attempts`` deliveries a message goes to the dead letters."""

    def __init__(self, ports: BackfillPorts, queue: Sender, max_attempts: int) -> None:
        self._ports = ports
        self._queue = queue
        self._worker = Worker(
            ports.backfills,
            self._work,
            ports.telemetry,
            ports.now,
            lease_ms=LEASE_MS,
            max_attempts=max_attempts,
        )

    def work(self, trading_account_id: str, delivery: Delivery) -> None:
        """Fetch the absent days of a trading account, if the rate gate grants a permit.

        A backfill that is over is no error, nor is an account that is disconnected, disabled or has a dead key.

        Raises:
            ExchangeError: the exchange fails, or asks to wait.
            Contended: another worker has the backfill.
            Unavailable: a part of Purser is down.
        """
        self._worker.work(trading_account_id, delivery=delivery)

    def _work(self, backfill: Backfill) -> Postponed | None:
        try:
            return self._fetch(backfill)
        except NotFound:
            return None
        except ExchangeAuthorizationFailed as error:
            if not error.is_ambiguous:
                return self._after_refusal(backfill)
            # If it is the key that is refused, the account is inactive by the next attempt.
            return Postponed(self._ports.now() + REFUSED_PAUSE_MS, succeeded=False)

    def _after_refusal(self, backfill: Backfill) -> Postponed | None:
        """Return when to fetch with the credential that has replaced the refused one meanwhile, None without one."""
        try:
            account, _ = self._ports.access.get(backfill.ref.user_id, backfill.ref.id)
        except NotFound:
            return None
        return Postponed(self._ports.now(), succeeded=False) if account.active else None

    def _fetch(self, backfill: Backfill) -> Postponed | None:
        account, credential = self._ports.access.get(backfill.ref.user_id, backfill.ref.id)
        now = self._ports.now()
        days = past_days(now)
        absent = self._absent(account, days, day_of(now)) if account.active else set()
        if not absent:
            return None
        if wait := self._ports.rate_gate.take(account.id, now):
            # As a new message, because another delivery of this one would count as an attempt though nothing failed.
            delay_s = min(math.ceil(wait / 1000), MAX_DELAY_S)
            self._queue.send([backfill.message], delay_s=delay_s)
            return Postponed(max(backfill.due_at, now + delay_s * 1000 + LEASE_MS), succeeded=False)
        with self._ports.access.recording_key_status(account):
            past = self._ports.gateway.past_balances(credential, account.trade_type)
        self._keep(account, [balance for balance in past if balance.date in absent])
        absent -= {balance.date for balance in past}
        ready = ready_at(day_of(now))
        return Postponed(ready, succeeded=True) if days[-1] in absent and now < ready else None

    def _absent(self, account: TradingAccount, days: list[str], today: str) -> set[str]:
        """Return the past days without a snapshot, after storing the latest valuation as one."""
        stored = self._ports.history.page(account.id, days[0], today, len(days) + 1)
        live = {snapshot.date for snapshot in stored if snapshot.source is Source.LIVE}
        latest = live_snapshot(account)
        if latest and latest.date not in live:
            self._ports.snapshots.keep(latest)
        return set(days) - {snapshot.date for snapshot in stored} - ({latest.date} if latest else set())

    def _keep(self, account: TradingAccount, past: list[PastBalance]) -> None:
        days, unpriced = 0, list[str]()
        for balance in past:
            prices = self._ports.closes.on(balance.date)
            valuation = value_totals(balance.totals, prices, self._ports.usdc_usd)
            if valuation.unpriced and prices.last("USDC", "USDT") is None:
                continue  # All other prices depend on it. A day that cannot be valued stays absent.
            now = self._ports.now()
            snapshot = Snapshot(account.id, balance.date, valuation.total_usd, Source.BACKFILLED, now)
            days += self._ports.snapshots.keep(snapshot) == snapshot
            unpriced.extend(valuation.unpriced)
        self._ports.telemetry.backfilled(account.id, days, unpriced)


def backfill_sweeper(
    backfills: BackfillStore, queue: Sender, telemetry: WorkTelemetry, now: Callable[[], int], pause_ms: int
) -> Sweeper[Backfill]:
    """Return the sweeper of backfills, with ``pause_ms`` between two permits.

    It queues as many as there are permits until the next sweep.
    """
    limit = max(1, int(SWEEP_INTERVAL_MS * SWEPT_SHARE / pause_ms))
    return Sweeper(backfills, queue, telemetry, now, RESEND_AFTER_MS, limit=limit, interval_ms=pause_ms)
