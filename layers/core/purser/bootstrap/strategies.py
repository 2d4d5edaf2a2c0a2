"""Strategies, what they come to, and who follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import table
from purser.bootstrap.billing import subscriptions
from purser.clock import now_ms
from purser.process import kept

if TYPE_CHECKING:
    from purser.follows.service import Follows
    from purser.strategies.service import Results, Strategies


@kept
def strategies() -> Strategies:
    """The use cases of strategies and risk profiles."""
    from purser.strategies.service import Strategies
    from purser.strategies.store import DynamoStrategyStore

    return Strategies(DynamoStrategyStore(table("strategies_table")), now_ms)


@kept
def strategy_results() -> Results:
    """Publishing results of strategies, and reading what they come to."""
    from purser.strategies.service import Results
    from purser.strategies.store import DynamoResultStore, DynamoStrategyStore

    strategies_table = table("strategies_table")
    return Results(DynamoStrategyStore(strategies_table), DynamoResultStore(strategies_table), now_ms)


@kept
def follows() -> Follows:
    """The use cases of follows."""
    from purser.follows.service import Follows
    from purser.follows.store import DynamoFollowStore
    from purser.strategies.store import DynamoStrategyStore
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    keys = table("keys_table")
    catalog = DynamoStrategyStore(table("strategies_table"))
    return Follows(DynamoFollowStore(keys), DynamoTradingAccountStore(keys), catalog, subscriptions(), now_ms)
