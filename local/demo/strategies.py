"""Demo strategies: three risk profiles, and two strategies with results for each of the latest days.

The application's own services publish them, because no route accepts an id. Existing ones stay unchanged. After an
interruption, or on another day, only the missing ones are added.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from purser.strategies.service import NewResult, Results, Strategies

RISK_PROFILES = (
    ("ab00673a-cd19-44d4-a7c4-05c63e309663", "CONSERVATIVE", Decimal("1.5")),
    ("3dc38f3d-4b4e-43b3-a102-e250b7cd3551", "MODERATE", Decimal(2)),
    ("9234a512-48d0-4fa9-8b77-fdaec0fd3e00", "AGGRESSIVE", Decimal(3)),
)
STRATEGIES = (
    ("b9f67eb2-1d6e-4a47-a735-d0d9039c9b08", "STRATEGY #1"),
    ("b762dad3-b720-4ddd-a515-32ae48e39f94", "STRATEGY #2"),
)
MOST_TRADES = (1, 1, 1, 2, 3)
PRICE, CENT = Decimal(20000), Decimal("0.01")
PRICE_SWING, TRADE_MEAN, TRADE_SWING = 0.02, 0.0006, 0.011

Tell = Callable[[int, int], None]
"""Receives how many results are published, and of how many."""


def publish(table_name: str, audit_table_name: str, days: int, tell: Tell) -> None:
    """Publish what is missing of the latest days into the tables of the environment's DynamoDB."""
    from purser.actor import SYSTEM
    from purser.audit.store import recording
    from purser.aws.tables import Table
    from purser.clock import now_ms
    from purser.strategies.service import Results, Strategies
    from purser.strategies.store import DynamoResultStore, DynamoStrategyStore

    record = partial(recording, Table(audit_table_name))
    store = DynamoStrategyStore(Table(table_name), record)
    publish_catalog(Strategies(store, now_ms))
    results = Results(store, DynamoResultStore(Table(table_name), record), now_ms)
    missing = [(id, result) for id, _ in STRATEGIES for result in missing_results(results, id, days)]
    for done, (strategy_id, result) in enumerate(missing):
        tell(done, len(missing))
        results.publish(SYSTEM, strategy_id, result)


def publish_catalog(strategies: Strategies) -> None:
    """Publish the risk profiles and the strategies."""
    from purser.actor import SYSTEM
    from purser.strategies.service import NewStrategy

    for profile_id, name, percentage in RISK_PROFILES:
        strategies.publish_risk_profile(SYSTEM, profile_id, name, percentage)
    for strategy_id, name in STRATEGIES:
        strategies.publish(SYSTEM, NewStrategy(strategy_id, name, None, "BINANCE", "BTC/USDT"))


def missing_results(results: Results, strategy_id: str, days: int) -> Iterator[NewResult]:
    """Yield the results of each past day that lacks some, oldest first. The current day is not over."""
    from purser.strategies.model import Interval

    _, *past = results.history(strategy_id, Interval.DAY, days + 1)
    for row in reversed(past):
        trades = list(believable_trades(strategy_id, row.start))
        if row.figures.trades < len(trades):  # A result that is stored already is not counted twice.
            yield from trades


def believable_trades(strategy_id: str, day: date) -> Iterator[NewResult]:
    """Yield a day's trades, in order. They depend only on the strategy and the day, so they are always the same."""
    from purser.strategies.model import Direction
    from purser.strategies.service import NewResult

    chance = random.Random(f"{strategy_id} {day}")  # noqa: S311 - no secret
    opened = datetime.combine(day, time(), UTC)
    for number in range(chance.choice(MOST_TRADES)):
        opened += timedelta(minutes=chance.randint(10, 120))
        closed = opened + timedelta(minutes=chance.randint(20, 300))
        direction = chance.choice(list(Direction))
        entry = _moved(PRICE, chance.gauss(0, PRICE_SWING))
        gain = chance.gauss(TRADE_MEAN, TRADE_SWING)
        yield NewResult(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"demo:{strategy_id}:{day}:{number}")),
            direction=direction,
            entry_price=entry,
            exit_price=_moved(entry, gain if direction is Direction.LONG else -gain),
            opened_at=int(opened.timestamp() * 1000),
            closed_at=int(closed.timestamp() * 1000),
        )
        opened = closed


def _moved(price: Decimal, by: float) -> Decimal:
    return (price * Decimal(str(1 + by))).quantize(CENT)
