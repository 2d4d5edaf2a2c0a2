"""Prorations: what a change within a period costs, and what it gives back.

They wait as invoice items for the next invoice. As in flexible billing mode, a credit is a share of what was charged
before, and amounts include discounts (https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations).
"""

from __future__ import annotations

from local.doubles.stripe import discounts, shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.discounts import Reduction
from local.doubles.stripe.periods import day_of
from local.doubles.stripe.prices import cost, name_of, share

MONEY_DUE = ("active", "past_due", "unpaid")
"""The statuses in which a change is prorated."""


def note_charge(item: Object, amount: int, start: int, until: int) -> None:
    """Note what an item of a subscription was charged for a time, in cents."""
    item["_charge"] = {"amount": amount, "start": start, "until": until}


def credited(account: Account, item: Object, at: int) -> int:
    """Return the credit for what is left of the time that an item was charged for, in cents. It is not positive."""
    charge = item.get("_charge") or _whole_charge(account, item)
    start, until = charge["start"], charge["until"]
    return -share(charge["amount"], until - max(at, start), until - start)


def _whole_charge(account: Account, item: Object) -> Object:
    """Return the charge of an item from a state that an earlier version of this double has stored."""
    amount = cost(account.get("price", item["price"]["id"]), item["quantity"])
    return {"amount": amount, "start": item["current_period_start"], "until": item["current_period_end"]}


def charged(account: Account, subscription: Object, item: Object, price: Object, quantity: int, at: int) -> int:
    """Return the charge for the rest of the period of an item at a price, in cents."""
    full, less = _charged(account, subscription, item, price, quantity, at)
    return full - sum(each.amounts[0] for each in less)


def _charged(
    account: Account, subscription: Object, item: Object, price: Object, quantity: int, at: int
) -> tuple[int, list[Reduction]]:
    """Return the charge without discounts, and what they take off it. Discounts are shared with the other items."""
    others = [each for each in subscription["items"]["data"] if each["id"] != item["id"]]
    costs = [cost(account.get("price", each["price"]["id"]), each["quantity"]) for each in others]
    start, until = item["current_period_start"], item["current_period_end"]
    in_force = discounts.of_subscription(account, subscription)
    whole = discounts.reductions(account, in_force, [cost(price, quantity), *costs])
    less = [Reduction(each.discount, [share(each.amounts[0], until - at, until - start)]) for each in whole]
    return share(cost(price, quantity), until - at, until - start), less


def credit(account: Account, subscription: Object, item: Object, at: int) -> None:
    """Credit what is left of the time that an item was charged for."""
    _add(account, subscription, item, credited(account, item, at), "Unused time on", at, [])


def charge(account: Account, subscription: Object, item: Object, at: int) -> None:
    """Charge an item for the rest of its period."""
    price = account.get("price", item["price"]["id"])
    full, less = _charged(account, subscription, item, price, item["quantity"], at)
    amount = full - sum(each.amounts[0] for each in less)
    _add(account, subscription, item, amount, "Remaining time on", at, less)
    note_charge(item, amount, at, item["current_period_end"])


def _add(
    account: Account, subscription: Object, item: Object, amount: int, text: str, at: int, less: list[Reduction]
) -> None:
    price = account.get("price", item["price"]["id"])
    described = f"{text} {name_of(account, price)} after {day_of(at)}"
    period = (at, item["current_period_end"])
    entity = shapes.invoice_item(account.now, subscription["customer"], item, price, amount, described, period)
    entity["discounts"] = [each.discount for each in less]
    entity["proration_details"]["discount_amounts"] = [
        {"amount": each.amounts[0], "discount": each.discount} for each in less
    ]
    account.add(entity, "invoiceitem.created")


def waiting(account: Account, subscription: Object) -> list[Object]:
    """Return the prorations of a subscription that are on no invoice yet."""
    pending = account.where("invoiceitem", customer=subscription["customer"], invoice=None)
    return [item for item in pending if item["parent"]["subscription_details"]["subscription"] == subscription["id"]]


def line_of(account: Account, item: Object) -> Object:
    """Return the line of an invoice for a proration. Its amount includes its discounts."""
    subscribed = item["parent"]["subscription_details"]
    period = (item["period"]["start"], item["period"]["end"])
    of = {
        "subscription": subscribed["subscription"],
        "id": subscribed["subscription_item"],
        "quantity": item["quantity"],
    }
    price = account.get("price", item["pricing"]["price_details"]["price"])
    line = shapes.invoice_line(of, item["amount"], item["description"], period, price, item)
    none = [{"amount": 0, "discount": id} for id in item["discounts"]]
    return line | {"discounts": list(item["discounts"]), "discount_amounts": none}
