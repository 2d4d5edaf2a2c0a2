"""Balances of each day: snapshots, backfills of past days, and their history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, queue, table, vault
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.queues import Queue
    from purser.exchanges.port import ExchangeGateway
    from purser.snapshots.backfilling import BackfillRequests, BackfillWorker
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.model import Backfill
    from purser.snapshots.planner import SnapshotPlanner
    from purser.snapshots.store import DynamoBackfillStore, DynamoRunStore
    from purser.snapshots.sweeper import SnapshotSweeper
    from purser.snapshots.telemetry import PowertoolsSnapshotTelemetry
    from purser.snapshots.worker import SnapshotWorker
    from purser.work.sweeper import Sweeper


@kept
def balance_history() -> BalanceHistory:
    """The history of balances."""
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.store import DynamoBalanceHistoryStore

    return BalanceHistory(DynamoBalanceHistoryStore(table("snapshots_table")))


@kept
def snapshot_queue() -> Queue:
    """The queue of balance snapshot jobs."""
    return queue("snapshot_queue_url")


@kept
def snapshot_planner() -> SnapshotPlanner:
    """Planning balance snapshots."""
    from purser.snapshots.planner import SnapshotPlanner
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    accounts = DynamoTradingAccountStore(table("keys_table"))
    return SnapshotPlanner(accounts, _runs(), snapshot_queue(), _telemetry(), now_ms)


@kept
def snapshot_worker() -> SnapshotWorker:
    """Taking balance snapshots."""
    from purser.snapshots.reader import ReaderPorts
    from purser.snapshots.store import DynamoSnapshotStore
    from purser.snapshots.worker import SnapshotWorker
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    keys = table("keys_table")
    reader_ports = ReaderPorts(
        snapshots=DynamoSnapshotStore(table("snapshots_table"), keys),
        backfills=_backfills(),
        accounts=DynamoTradingAccountStore(keys),
        vault=vault(),
        gateway=_paced_gateway(),
        telemetry=_telemetry(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )
    return SnapshotWorker(
        _runs(), snapshot_queue(), _telemetry(), reader_ports, now_ms, settings().snapshot_max_receives
    )


@kept
def snapshot_sweeper() -> SnapshotSweeper:
    """Sending lost balance snapshot jobs again."""
    from purser.snapshots.sweeper import SnapshotSweeper

    return SnapshotSweeper(_runs(), snapshot_queue(), _telemetry(), now_ms)


@kept
def _runs() -> DynamoRunStore:
    from purser.snapshots.store import DynamoRunStore

    return DynamoRunStore(table("snapshots_table"))


@kept
def _telemetry() -> PowertoolsSnapshotTelemetry:
    from purser.snapshots.telemetry import PowertoolsSnapshotTelemetry

    return PowertoolsSnapshotTelemetry(settings().powertools_metrics_namespace)


@kept
def _paced_gateway() -> ExchangeGateway:
    """The gateway of a snapshot worker: it keeps to its share of the exchange's weight, and a connection a reader."""
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.reader import READERS

    pacers = {
        TradeType.SPOT: WeightPacer(settings().snapshot_weight_per_minute_spot),
        TradeType.FUTURES: WeightPacer(settings().snapshot_weight_per_minute_futures),
    }
    return CcxtGateway(endpoint=settings().exchange_endpoint, pool_size=READERS, pacers=pacers)


CLOSES_WEIGHT_PER_MINUTE = 600
"""Of a worker that reads closing prices, which count against the limit of all spot requests: a tenth of it."""


@kept
def backfill_queue() -> Queue:
    """The queue of backfills."""
    return queue("backfill_queue_url")


@kept
def backfill_requests() -> BackfillRequests:
    """Asking for the backfill of a new trading account."""
    from purser.snapshots.backfilling import BackfillRequests

    return BackfillRequests(backfill_queue())


@kept
def backfill_worker() -> BackfillWorker:
    """Fetching past days."""
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.backfilling import BackfillPorts, BackfillWorker
    from purser.snapshots.daily_closes import DailyCloses
    from purser.snapshots.store import DynamoBalanceHistoryStore, DynamoRateGate, DynamoSnapshotStore

    snapshots = table("snapshots_table")
    pacers = {TradeType.SPOT: WeightPacer(CLOSES_WEIGHT_PER_MINUTE)}
    past_pacer = WeightPacer(settings().backfill_weight_per_minute)
    gateway = CcxtGateway(endpoint=settings().exchange_endpoint, pacers=pacers, past_pacer=past_pacer)
    ports = BackfillPorts(
        backfills=_backfills(),
        rate_gate=DynamoRateGate(snapshots, _backfill_pause_ms()),
        access=account_access(),
        snapshots=DynamoSnapshotStore(snapshots, table("keys_table")),
        history=DynamoBalanceHistoryStore(snapshots),
        gateway=gateway,
        closes=DailyCloses(gateway, now_ms),
        telemetry=_telemetry(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )
    return BackfillWorker(ports, backfill_queue(), settings().backfill_max_receives)


@kept
def backfill_sweeper() -> Sweeper[Backfill]:
    """Queueing the backfills that are due."""
    from purser.snapshots.backfilling import backfill_sweeper

    return backfill_sweeper(_backfills(), backfill_queue(), now_ms, _backfill_pause_ms())


@kept
def _backfills() -> DynamoBackfillStore:
    from purser.snapshots.store import DynamoBackfillStore

    return DynamoBackfillStore(table("keys_table"))


def _backfill_pause_ms() -> int:
    from purser.exchanges.ccxt_gateway import PAST_BALANCES

    return PAST_BALANCES.weight * 60_000 // settings().backfill_weight_per_minute
