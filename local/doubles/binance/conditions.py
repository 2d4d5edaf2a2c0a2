"""The triggers of conditional orders: stops, take-profits and trailing stops, for spot and futures."""

from __future__ import annotations

from decimal import Decimal

from local.doubles.binance.model import Condition
from local.doubles.binance.wire import ZERO


def touch(condition: Condition, price: Decimal) -> bool:
    """Update a condition with the latest price, and return whether the order triggers."""
    if not condition.active and not _activates(condition, price):
        return False
    if condition.distance:
        return _trails(condition, price)
    return price >= condition.price if condition.rises else price <= condition.price


def _activates(condition: Condition, price: Decimal) -> bool:
    """Return whether a trailing order is activated: by a price below the market to buy, above it to sell."""
    condition.active = price <= condition.activation if condition.rises else price >= condition.activation
    return condition.active


def _trails(condition: Condition, price: Decimal) -> bool:
    """Follow the best price since activation, and trigger at the given distance from it."""
    if condition.extreme == ZERO:
        condition.extreme = price
    condition.extreme = min(condition.extreme, price) if condition.rises else max(condition.extreme, price)
    turn = condition.extreme * (1 + condition.distance if condition.rises else 1 - condition.distance)
    return price >= turn if condition.rises else price <= turn
