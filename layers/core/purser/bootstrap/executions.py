"""Executions of signals: their planner, their executor and their list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, queue, recording, table
from purser.bootstrap.books import results
from purser.bootstrap.exchanges import order_desk, public_gateway
from purser.bootstrap.orders import orders
from purser.bootstrap.signals import signals
from purser.bootstrap.strategies import trade_closings
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.executions.model import ExecutionJob
    from purser.executions.service import Executions
    from purser.executions.store import DynamoExecutionStore, DynamoJobStore
    from purser.follows.model import TradeClosing
    from purser.follows.store import DynamoFollowStore
    from purser.signals.model import FanOut
    from purser.signals.store import DynamoSignalStore
    from purser.work.store import DynamoWorkStore
    from purser.work.sweeper import Sweeper
    from purser.work.telemetry import PowertoolsWorkTelemetry
    from purser.work.worker import Worker

SWEEP_LIMIT = 4000
"""The fan-outs or jobs that one sweep enqueues at most: all jobs of a signal with 100,000 followers."""


@kept
def executions() -> Executions:
    """The use case of a follow's executions."""
    from purser.executions.service import Executions

    return Executions(_executions(), _follows(), results(), now_ms)


@kept
def fan_out_worker() -> Worker[FanOut]:
    """The worker that carries signals to their followers, as jobs."""
    from purser.executions.fan_out import FanOuts
    from purser.signals.model import LEASE_MS
    from purser.work.worker import Worker

    jobs = queue("execution_queue_url")
    fan_outs = FanOuts(_signals(), _follows(), _jobs(), jobs, public_gateway(), signals(), now_ms)
    return Worker(
        _fan_outs(),
        fan_outs.plan,
        _telemetry(),
        now_ms,
        lease_ms=LEASE_MS,
        max_attempts=settings().signal_max_receives,
    )


@kept
def fan_out_sweeper() -> Sweeper[FanOut]:
    """The sweeper that queues lost fan-outs again."""
    from purser.signals.model import RESEND_AFTER_MS
    from purser.work.sweeper import Sweeper

    return Sweeper(
        _fan_outs(), queue("signal_queue_url"), _telemetry(), now_ms, resend_after_ms=RESEND_AFTER_MS, limit=SWEEP_LIMIT
    )


@kept
def execution_worker() -> Worker[ExecutionJob]:
    """The worker that executes signals for their followers."""
    from purser.executions.executor import Executor, Stores
    from purser.executions.giving_up import DeadJobs
    from purser.executions.model import LEASE_MS
    from purser.signals.store import DynamoModeStore
    from purser.strategies.store import DynamoStrategyStore
    from purser.work.worker import Worker

    strategies = table("strategies_table")
    stores = Stores(
        executions=_executions(),
        follows=_follows(),
        signals=_signals(),
        states=DynamoModeStore(strategies, recording),
        catalog=DynamoStrategyStore(strategies, recording),
    )
    executor = Executor(stores, account_access(), order_desk(), orders(), now_ms)
    return Worker(
        _jobs(),
        executor.execute,
        _telemetry(),
        now_ms,
        lease_ms=LEASE_MS,
        max_attempts=settings().execution_max_receives,
        give_up=DeadJobs(_jobs(), _executions(), _signals(), now_ms).give_up,
    )


@kept
def closing_worker() -> Worker[TradeClosing]:
    """The worker that closes the trades of follows that have stopped."""
    from purser.executions.closing import StoppedTrades
    from purser.executions.model import LEASE_MS
    from purser.work.worker import Worker

    stopped = StoppedTrades(_executions(), account_access(), orders(), now_ms)
    attempts = settings().execution_max_receives
    return Worker(trade_closings(), stopped.close, _telemetry(), now_ms, lease_ms=LEASE_MS, max_attempts=attempts)


@kept
def closing_sweeper() -> Sweeper[TradeClosing]:
    """The sweeper that queues lost closings again."""
    from purser.executions.model import RESEND_AFTER_MS
    from purser.work.sweeper import Sweeper

    waiting = queue("execution_queue_url")
    return Sweeper(trade_closings(), waiting, _telemetry(), now_ms, resend_after_ms=RESEND_AFTER_MS, limit=SWEEP_LIMIT)


@kept
def execution_sweeper() -> Sweeper[ExecutionJob]:
    """The sweeper that queues lost jobs again."""
    from purser.executions.model import RESEND_AFTER_MS
    from purser.work.sweeper import Sweeper

    jobs, waiting = _jobs(), queue("execution_queue_url")
    return Sweeper(jobs, waiting, _telemetry(), now_ms, resend_after_ms=RESEND_AFTER_MS, limit=SWEEP_LIMIT)


@kept
def _executions() -> DynamoExecutionStore:
    from purser.executions.store import DynamoExecutionStore

    return DynamoExecutionStore(table("orders_table"), table("keys_table"), table("strategies_table"))


@kept
def _jobs() -> DynamoJobStore:
    from purser.executions.store import DynamoJobStore

    return DynamoJobStore(table("orders_table"), _executions())


@kept
def _fan_outs() -> DynamoWorkStore[FanOut]:
    from purser.signals.store import FAN_OUT_LAYOUT
    from purser.work.store import DynamoWorkStore

    return DynamoWorkStore(table("strategies_table"), FAN_OUT_LAYOUT)


@kept
def _signals() -> DynamoSignalStore:
    from purser.signals.store import DynamoSignalStore

    return DynamoSignalStore(table("strategies_table"), recording)


@kept
def _follows() -> DynamoFollowStore:
    from purser.follows.store import DynamoFollowStore

    return DynamoFollowStore(table("keys_table"))


@kept
def _telemetry() -> PowertoolsWorkTelemetry:
    from purser.work.telemetry import PowertoolsWorkTelemetry

    return PowertoolsWorkTelemetry(settings().powertools_metrics_namespace)
