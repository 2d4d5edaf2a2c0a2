"""Manual orders and positions, their reconciliation and history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, queue, table
from purser.bootstrap.exchanges import has_weight_left, order_desk
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.exchanges.model import ApiCredential
    from purser.executions.service import IntentFollower
    from purser.orders.history import TradeHistory
    from purser.orders.intent_runner import IntentRunner
    from purser.orders.intents import Intent
    from purser.orders.placing import Placement
    from purser.orders.reconciling import Reconciler
    from purser.orders.service import Orders
    from purser.orders.store import DynamoIntentStore
    from purser.orders.telemetry import PowertoolsOrderTelemetry

RECONCILED_AT_ONCE = 8
"""The number of orders that are reconciled at the same time. Each waits for the exchange most of its time."""


@kept
def orders() -> Orders:
    """The use cases of orders and positions."""
    from purser.orders.service import Orders

    return Orders(_intents(), account_access(), order_desk(), _intent_runner(), now_ms)


@kept
def order_reconciler() -> Reconciler:
    """The reconciler of orders that are interrupted, unknown or still open."""
    from concurrent.futures import ThreadPoolExecutor

    from purser.exchanges.budget import Purpose
    from purser.exchanges.model import TradeType
    from purser.orders.reconciling import Reconciler

    def may_watch(trading_account_id: str) -> bool:
        return has_weight_left(trading_account_id, TradeType.FUTURES, Purpose.WATCHING)

    calls = queue("order_reconciler_queue_url")
    threads = ThreadPoolExecutor(RECONCILED_AT_ONCE)
    return Reconciler(_intents(), _intent_runner(), _order_telemetry(), now_ms, calls, may_watch, each=threads.map)


@kept
def trade_history() -> TradeHistory:
    """The use cases of the trading history."""
    from purser.orders.history import TradeHistory
    from purser.orders.store import DynamoTradeHistoryStore

    return TradeHistory(DynamoTradeHistoryStore(table("orders_table")))


@kept
def _intent_runner() -> IntentRunner:
    from purser.exchanges.budget import Purpose
    from purser.orders.intent_runner import IntentRunner
    from purser.orders.placing import Placement

    def placement(credential: ApiCredential, intent: Intent) -> Placement:
        return Placement(order_desk().spending(Purpose.CLOSING), credential, intent)

    return IntentRunner(_intents(), account_access(), placement, _order_telemetry(), now_ms, intent_follower().changed)


@kept
def intent_follower() -> IntentFollower:
    """The use case that keeps executions up with their intents."""
    from purser.executions.service import IntentFollower
    from purser.executions.store import DynamoExecutionStore

    store = DynamoExecutionStore(table("orders_table"), table("keys_table"), table("strategies_table"))
    return IntentFollower(store, now_ms)


@kept
def _intents() -> DynamoIntentStore:
    from purser.orders.store import DynamoIntentStore

    return DynamoIntentStore(table("orders_table"))


@kept
def _order_telemetry() -> PowertoolsOrderTelemetry:
    from purser.orders.telemetry import PowertoolsOrderTelemetry

    return PowertoolsOrderTelemetry(settings().powertools_metrics_namespace)
