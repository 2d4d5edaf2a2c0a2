"""Discounts: coupons that were redeemed, what they take off an invoice, and how long they last.

Source: https://docs.stripe.com/billing/subscriptions/coupons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local.doubles.stripe import shapes
from local.doubles.stripe.account import Account, Object, public
from local.doubles.stripe.periods import shifted
from local.doubles.stripe.prices import share
from local.doubles.stripe.wire import StripeError


@dataclass(frozen=True)
class Redeemable:
    """A coupon to redeem, and the promotion code by which it is redeemed, if any."""

    coupon: Object
    code: Object | None = None


@dataclass(frozen=True)
class Reduction:
    """The amounts that one discount takes off each of some amounts, in cents."""

    discount: str
    amounts: Sequence[int]


def redeem(account: Account, wanted: Redeemable, customer: str, subscription: str | None = None) -> Object:
    """Redeem a coupon for a customer, or for one of its subscriptions. Return the discount."""
    coupon = wanted.coupon
    end = None
    if coupon["duration"] == "repeating":
        months = {"interval": "month", "interval_count": coupon["duration_in_months"]}
        end = shifted(account.now, months, 1)
    for each in filter(None, (coupon, wanted.code)):
        with account.changing(each):
            each["times_redeemed"] += 1
    code = wanted.code["id"] if wanted.code else None
    discount = shapes.discount(account.now, coupon["id"], code, customer, subscription, end)
    return account.add(discount, "customer.discount.created")


def check(account: Account, wanted: Redeemable, customer: str | None, amount: int, param: str) -> None:
    """Refuse a coupon or a promotion code that cannot be redeemed for a purchase of this amount."""
    coupon, code = wanted.coupon, wanted.code
    if not is_valid(account, coupon):
        raise StripeError(f"Coupon expired: {coupon['id']}", "coupon_expired", param)
    if code is None:
        return
    if not is_active(account, code) or code["customer"] not in (None, customer):
        raise StripeError("This promotion code cannot be redeemed.", param=param)
    limits = code["restrictions"]
    if limits["first_time_transaction"] and customer and _has_paid(account, customer):
        raise StripeError(
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            param=param,
        )
    if limits["minimum_amount"] and amount < limits["minimum_amount"]:
        raise StripeError(
            "This promotion code cannot be redeemed because the minimum amount is not reached.", param=param
        )


def _has_paid(account: Account, customer: str) -> bool:
    return any(invoice["status"] == "paid" for invoice in account.where("invoice", customer=customer))


def is_valid(account: Account, coupon: Object) -> bool:
    """Return whether a coupon can be redeemed now."""
    return not coupon.get("_deleted") and _is_open(account, coupon, coupon["redeem_by"])


def is_active(account: Account, code: Object) -> bool:
    """Return whether a promotion code can be redeemed now. It needs a valid coupon."""
    coupon = account.get("coupon", code["promotion"]["coupon"])
    return code["_enabled"] and is_valid(account, coupon) and _is_open(account, code, code["expires_at"])


def _is_open(account: Account, redeemed: Object, until: int | None) -> bool:
    most = redeemed["max_redemptions"]
    return (until is None or account.now <= until) and (most is None or redeemed["times_redeemed"] < most)


def of_subscription(account: Account, subscription: Object) -> list[str]:
    """Return the ids of the discounts that are in force: its own, or else its customer's."""
    if subscription["discounts"]:
        return list(subscription["discounts"])
    customer = account.get("customer", subscription["customer"])
    return [customer["discount"]["id"]] if customer["discount"] else []


def reductions(account: Account, ids: Iterable[str], amounts: Sequence[int]) -> list[Reduction]:
    """Return what discounts take off amounts, one after the other. They make none of them negative."""
    found = {id: account.get("discount", id)["source"]["coupon"] for id in ids}
    coupons = [account.get("coupon", coupon) for coupon in found.values()]
    return [Reduction(id, taken) for id, taken in zip(found, _taken_off(coupons, amounts), strict=True)]


def of_purchase(account: Account, customer: Object | None, wanted: Sequence[Redeemable], costs: Sequence[int]) -> int:
    """Return what coupons, or without any the customer's discount, would take off a purchase, in cents."""
    coupons = [each.coupon for each in wanted]
    if not coupons and customer and customer["discount"]:
        coupons = [account.get("coupon", customer["discount"]["source"]["coupon"])]
    return sum(sum(taken) for taken in _taken_off(coupons, costs))


def _taken_off(coupons: Iterable[Object], amounts: Sequence[int]) -> list[list[int]]:
    """Return for each coupon what it takes off each amount, after the coupons before it."""
    left, found = list(amounts), []
    for coupon in coupons:
        found.append(_share_out(coupon, left))
        left = [amount - less for amount, less in zip(left, found[-1], strict=True)]
    return found


def _share_out(coupon: Object, amounts: Sequence[int]) -> list[int]:
    """Return what a coupon takes off each amount. A fixed amount is spread over them."""
    if coupon["percent_off"] is not None:
        return [share(amount, round(coupon["percent_off"] * 100), 10_000) for amount in amounts]
    left, whole, taken = min(coupon["amount_off"], sum(amounts)), sum(amounts), []
    for amount in amounts:
        less = share(left, amount, whole) if whole else 0
        taken.append(less)
        left, whole = left - less, whole - amount
    return taken


def use_up(account: Account, ids: Iterable[str]) -> None:
    """End those of an invoice's discounts that are for one charge. The caller tells of the change of the subscription.

    Source: Stripe's staff in https://github.com/stripe/stripe-go/issues/944.
    """
    for id in ids:
        discount = account.get("discount", id)
        if account.get("coupon", discount["source"]["coupon"])["duration"] == "once":
            _end(account, discount)


def remove(account: Account, discount: Object) -> None:
    """End a discount. Invoices keep what it took off them."""
    _end(account, discount, "customer.subscription.updated")


def _end(account: Account, discount: Object, *events: str) -> None:
    if discount["subscription"]:
        subscription = account.get("subscription", discount["subscription"])
        with account.changing(subscription, *events):
            subscription["discounts"] = [id for id in subscription["discounts"] if id != discount["id"]]
    else:
        customer = account.get("customer", discount["customer"])
        with account.changing(customer, "customer.updated"):
            customer["discount"] = None
    with account.changing(discount, "customer.discount.deleted"):
        discount["_over"] = True


def give(account: Account, customer: Object, coupon: Object) -> None:
    """Discount all invoices of a customer, as only the dashboard can: the API lost the parameter for it.

    Source: https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-singular-coupon-promotion-code.
    """
    if customer["discount"]:
        remove(account, account.get("discount", customer["discount"]["id"]))
    discount = redeem(account, Redeemable(coupon), customer["id"])
    with account.changing(customer, "customer.updated"):
        customer["discount"] = public(discount)
