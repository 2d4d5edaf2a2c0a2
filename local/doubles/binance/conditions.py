"""When a conditional order triggers: stops, take-profits and trailing stops, on spot and futures alike."""

from __future__ import annotations

from decimal import Decimal

from local.doubles.binance.model import Condition
from local.doubles.binance.wire import ZERO


def touch(condition: Condition, price: Decimal) -> bool:
    """Show a condition the latest price: follow it, and say whether the order triggers now."""
    if not condition.active and not _activates(condition, price):
        return False
    if condition.distance:
        return _trails(condition, price)
    return price >= condition.price if condition.rises else price <= condition.price


def _activates(condition: Condition, price: Decimal) -> bool:
    """A trailing order sleeps until its activation price: below the market to buy, above it to sell."""
    condition.active = price <= condition.activation if condition.rises else price >= condition.activation
    return condition.active


def _trails(condition: Condition, price: Decimal) -> bool:
    """Follow the best price since activation and trigger at the given distance behind it."""
    if condition.extreme == ZERO:
        condition.extreme = price
    condition.extreme = min(condition.extreme, price) if condition.rises else max(condition.extreme, price)
    turn = condition.extreme * (1 + condition.distance if condition.rises else 1 - condition.distance)
    return price >= turn if condition.rises else price <= turn
