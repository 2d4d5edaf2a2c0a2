"""Prices: what a quantity and a part of a period cost, and the name of what is sold."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from local.doubles.stripe.account import Account, Object


def cost(price: Object, quantity: int) -> int:
    """Return the cost of a quantity, in cents. A tiered price has no ``unit_amount``."""
    if price["unit_amount"] is not None:
        return int(price["unit_amount"]) * quantity
    tier = next(each for each in price["_tiers"] if each["up_to"] is None or quantity <= each["up_to"])
    return int(tier["unit_amount"]) * quantity


def name_of(account: Account, price: Object) -> str:
    """Return the name of a price's product."""
    product = account.get("product", price["product"])
    name: str = product["name"]
    return name


def share(amount: int, part: int, whole: int) -> int:
    """Return a share of an amount, rounded to the nearest cent."""
    return int((Decimal(amount) * part / whole).quantize(Decimal(1), ROUND_HALF_UP))
