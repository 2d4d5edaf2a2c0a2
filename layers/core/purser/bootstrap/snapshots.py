"""Daily balances: snapshots, backfills of past days, and their history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, account_store, queue, table, vault
from purser.bootstrap.exchanges import egress_lanes, lane_name, weight_budgets
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.exchanges.port import ExchangeGateway
    from purser.lanes import Lane
    from purser.snapshots.backfilling import BackfillRequests, BackfillWorker
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.model import Backfill
    from purser.snapshots.planner import SnapshotPlanner
    from purser.snapshots.store.backfills import DynamoBackfillStore
    from purser.snapshots.store.runs import DynamoRunStore
    from purser.snapshots.sweeper import SnapshotSweeper
    from purser.snapshots.telemetry import PowertoolsSnapshotTelemetry
    from purser.snapshots.worker import SnapshotWorker
    from purser.work.sweeper import Sweeper


@kept
def balance_history() -> BalanceHistory:
    """The use cases of the balance history."""
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.store.snapshots import DynamoBalanceHistoryStore

    return BalanceHistory(DynamoBalanceHistoryStore(table("snapshots_table")))


@kept
def snapshot_planner() -> SnapshotPlanner:
    """The planner of balance snapshots."""
    from purser.snapshots.planner import SnapshotPlanner

    return SnapshotPlanner(account_store(), _runs(), queue("snapshot_queue_url"), _telemetry(), now_ms)


@kept
def snapshot_worker() -> SnapshotWorker:
    """The worker that takes balance snapshots."""
    from purser.snapshots.reader import ReaderPorts
    from purser.snapshots.store.snapshots import DynamoSnapshotStore
    from purser.snapshots.worker import SnapshotWorker

    reader_ports = ReaderPorts(
        snapshots=DynamoSnapshotStore(table("snapshots_table"), table("keys_table")),
        backfills=_backfills(),
        accounts=account_store(),
        vault=vault(),
        gateway=_paced_gateway(),
        telemetry=_telemetry(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
        lane_name=lane_name,
    )
    return SnapshotWorker(
        _runs(), queue("snapshot_queue_url"), _telemetry(), reader_ports, now_ms, settings().snapshot_max_receives
    )


@kept
def snapshot_sweeper() -> SnapshotSweeper:
    """The sweeper that queues lost snapshot jobs again."""
    from purser.snapshots.sweeper import SnapshotSweeper

    return SnapshotSweeper(_runs(), snapshot_planner(), queue("snapshot_queue_url"), _telemetry(), now_ms)


@kept
def _runs() -> DynamoRunStore:
    from purser.snapshots.store.runs import DynamoRunStore

    return DynamoRunStore(table("snapshots_table"))


@kept
def _telemetry() -> PowertoolsSnapshotTelemetry:
    from purser.snapshots.telemetry import PowertoolsSnapshotTelemetry

    return PowertoolsSnapshotTelemetry(settings().powertools_metrics_namespace)


@kept
def _paced_gateway() -> ExchangeGateway:
    """The gateway of a snapshot worker: limited to its share of each lane's weight, with a connection per reader."""
    from purser.exchanges.budget import Purpose
    from purser.exchanges.ccxt_gateway import CcxtGateway, Pacers
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.reader import READERS

    def pacers(_: Lane) -> Pacers:
        return {
            TradeType.SPOT: WeightPacer(settings().snapshot_weight_per_minute_spot),
            TradeType.FUTURES: WeightPacer(settings().snapshot_weight_per_minute_futures),
        }

    gateway = CcxtGateway(
        budget=weight_budgets(), endpoint=settings().exchange_endpoint, pool_size=READERS, pacers=pacers
    )
    return gateway.spending(Purpose.BACKGROUND)


CLOSES_WEIGHT_PER_MINUTE = 600
"""The share of a backfill worker: a tenth of the limit of all spot requests, against which closing prices count."""


@kept
def backfill_requests() -> BackfillRequests:
    """The queueing of backfills for new trading accounts."""
    from purser.snapshots.backfilling import BackfillRequests

    return BackfillRequests(queue("backfill_queue_url"))


@kept
def backfill_worker() -> BackfillWorker:
    """The worker that fetches past balances."""
    from purser.exchanges.budget import Purpose
    from purser.exchanges.ccxt_gateway import CcxtGateway, Pacers
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.backfilling import BackfillPorts, BackfillWorker
    from purser.snapshots.daily_closes import DailyCloses
    from purser.snapshots.store.backfills import DynamoRateGate
    from purser.snapshots.store.snapshots import DynamoBalanceHistoryStore, DynamoSnapshotStore

    snapshots = table("snapshots_table")

    def pacers(_: Lane) -> Pacers:
        past = WeightPacer(settings().backfill_weight_per_minute)
        return {TradeType.SPOT: WeightPacer(CLOSES_WEIGHT_PER_MINUTE), None: past}

    of_worker = CcxtGateway(budget=weight_budgets(), endpoint=settings().exchange_endpoint, pacers=pacers)
    gateway = of_worker.spending(Purpose.BACKGROUND)
    ports = BackfillPorts(
        backfills=_backfills(),
        rate_gate=DynamoRateGate(table("venues_table"), _backfill_pause_ms(), lane_name),
        access=account_access(),
        snapshots=DynamoSnapshotStore(snapshots, table("keys_table")),
        history=DynamoBalanceHistoryStore(snapshots),
        gateway=gateway,
        closes=DailyCloses(gateway, now_ms),
        telemetry=_telemetry(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )
    return BackfillWorker(ports, queue("backfill_queue_url"), settings().backfill_max_receives)


@kept
def backfill_sweeper() -> Sweeper[Backfill]:
    """The sweeper that queues due backfills."""
    from purser.snapshots.backfilling import backfill_sweeper

    pause_ms = _backfill_pause_ms() // len(egress_lanes())
    return backfill_sweeper(_backfills(), queue("backfill_queue_url"), _telemetry(), now_ms, pause_ms)


@kept
def _backfills() -> DynamoBackfillStore:
    from purser.snapshots.store.backfills import DynamoBackfillStore

    return DynamoBackfillStore(table("keys_table"))


def _backfill_pause_ms() -> int:
    from purser.exchanges.ccxt_gateway import PAST_BALANCES

    return PAST_BALANCES.weight * 60_000 // settings().backfill_weight_per_minute
