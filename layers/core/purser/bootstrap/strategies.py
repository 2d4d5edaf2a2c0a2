"""Strategies, their results and their follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_store, queue, recording, table
from purser.bootstrap.billing import subscriptions
from purser.clock import now_ms
from purser.process import kept

if TYPE_CHECKING:
    from purser.follows.service import Follows
    from purser.follows.store import DynamoTradeClosingStore
    from purser.strategies.service import Results, Strategies


@kept
def strategies() -> Strategies:
    """The use cases of strategies and risk profiles."""
    from purser.strategies.service import Strategies
    from purser.strategies.store import DynamoStrategyStore

    return Strategies(DynamoStrategyStore(table("strategies_table"), recording), now_ms)


@kept
def strategy_results() -> Results:
    """The use cases of strategy results."""
    from purser.strategies.service import Results
    from purser.strategies.store import DynamoResultStore, DynamoStrategyStore

    strategies_table = table("strategies_table")
    return Results(
        DynamoStrategyStore(strategies_table, recording), DynamoResultStore(strategies_table, recording), now_ms
    )


@kept
def follows() -> Follows:
    """The use cases of follows."""
    from purser.follows.service import Follows
    from purser.follows.store import DynamoFollowStore
    from purser.strategies.store import DynamoStrategyStore

    catalog = DynamoStrategyStore(table("strategies_table"), recording)
    closings, jobs = trade_closings(), queue("execution_queue_url")
    store = DynamoFollowStore(table("keys_table"), closings)
    return Follows(store, closings, jobs, account_store(), catalog, subscriptions(), now_ms)


@kept
def trade_closings() -> DynamoTradeClosingStore:
    """The store of the closings of trades whose follow has stopped."""
    from purser.follows.store import DynamoTradeClosingStore
    from purser.orders.store import DynamoIntentStore

    orders_table = table("orders_table")
    return DynamoTradeClosingStore(orders_table, DynamoIntentStore(orders_table))
