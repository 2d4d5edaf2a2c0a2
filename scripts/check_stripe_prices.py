"""Compare the catalog of plans with the prices at Stripe. Run it before a deployment.

    STRIPE_API_KEY=sk_… check_stripe_prices.py BASIC=price_…,ADVANCED=price_…,PROFESSIONAL=price_…

A plan whose price has changed has its earlier prices behind the new one: ``BASIC=price_new:price_old``. They must
exist, and may differ. STRIPE_ENDPOINT asks another address than Stripe's. Exits with 1 and one line for each
difference.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers/core"))

from purser.billing.model import Prices
from purser.billing.stripe_gateway import StripeGateway
from purser.errors import PaymentUnavailable
from purser.plans.model import CATALOG, Plan
from purser.settings import prices_of


def main() -> None:
    """Print the differences.

    Raises:
        SystemExit: something differs, or Stripe could not be asked.
    """
    if len(sys.argv) != 2 or not sys.argv[1] or "STRIPE_API_KEY" not in os.environ:
        raise SystemExit(__doc__)
    try:
        by_plan = prices_of(sys.argv[1])
    except ValueError as fault:
        raise SystemExit(f"{__doc__}\n{fault}") from None
    secret = json.dumps({"apiKey": os.environ["STRIPE_API_KEY"]})
    gateway = StripeGateway(lambda: secret, os.environ.get("STRIPE_ENDPOINT", ""), Prices(by_plan))
    try:
        found = {price["id"]: price for price in gateway.prices([id for ids in by_plan.values() for id in ids])}
    except PaymentUnavailable as failure:
        raise SystemExit(f"Stripe could not be asked: {failure.__cause__}") from None
    wrong = list(differences(by_plan, found))
    print("\n".join(wrong) or "every plan for sale has its price")
    raise SystemExit(1 if wrong else 0)


def differences(by_plan: Mapping[str, Sequence[str]], found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Return what is wrong with the prices, by the names of plans. ``found`` has the prices at Stripe, by id."""
    prices = Prices(by_plan)
    for plan in CATALOG:
        price_id = prices.of(plan)
        if plan.public and price_id is None:
            yield f"{plan.name} is for sale and has no price"
        elif price_id is not None and price_id not in found:
            yield f"{plan.name}: Stripe knows no price {price_id}"
        elif price_id is not None:
            yield from (f"{plan.name}: {price_id} {fault}" for fault in faults(plan, found[price_id]))
        for earlier in by_plan.get(plan.name, ())[1:]:
            if earlier not in found:
                yield f"{plan.name}: Stripe knows no price {earlier}"
    for name in sorted(by_plan.keys() - {plan.name for plan in CATALOG if plan.public}):
        yield f"{name} is no plan that is for sale"


def faults(plan: Plan, price: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with a plan's price."""
    recurring = price["recurring"] or {}
    if not price["active"]:
        yield "is not active"
    if price["currency"] != "usd":
        yield f"is in {price['currency']}, not usd"
    if price["unit_amount"] != plan.monthly_price_usd * 100:
        yield f"is {price['unit_amount']} cents, not {plan.monthly_price_usd * 100}"
    if (recurring.get("interval"), recurring.get("interval_count")) != ("month", 1):
        yield "is not paid every month"
    if recurring and recurring["usage_type"] != "licensed":
        yield "is paid by use"


if __name__ == "__main__":
    main()
