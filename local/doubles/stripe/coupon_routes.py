"""Coupons, the promotion codes that redeem them, and discounts."""

from __future__ import annotations

import re

from local.doubles.stripe import discounts, shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.discounts import Redeemable
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.wire import Params, StripeError, missing

router = Router()

DURATIONS = ("forever", "once", "repeating")
CODE = re.compile(r"[A-Za-z0-9-]{1,500}")


@router.endpoint(
    "POST", "/v1/coupons",
    "id name percent_off amount_off currency duration duration_in_months max_redemptions redeem_by metadata",
)  # fmt: skip
def create_coupon(call: Call) -> Object:
    account, params = call.account, call.params
    id, months = params.text("id"), params.integer("duration_in_months", least=1)
    if id and account.find(id, "coupon"):
        raise StripeError("Coupon already exists.", "resource_already_exists", "id")
    duration = params.choice("duration", DURATIONS, "once")
    if (duration == "repeating") != (months is not None):
        raise StripeError("A repeating coupon, and no other, has a duration in months.", param="duration_in_months")
    percent, amount = _percent(params), params.integer("amount_off", least=1)
    if (percent is None) == (amount is None):
        raise StripeError("Must provide either percent_off or amount_off.", param="percent_off")
    if amount is not None and params.required("currency") != shapes.CURRENCY:
        raise StripeError("This account sells in USD alone.", param="currency")
    coupon = shapes.coupon(
        account.now, id,
        amount_off=amount, currency=amount and shapes.CURRENCY, duration=duration, duration_in_months=months,
        max_redemptions=params.integer("max_redemptions", least=1), metadata=params.metadata(),
        name=params.text("name"), percent_off=percent, redeem_by=params.integer("redeem_by", least=account.now),
    )  # fmt: skip
    return account.add(coupon, "coupon.created")


def _percent(params: Params) -> float | None:
    text = params.text("percent_off")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", text) or not 0 < float(text) <= 100:
        raise StripeError("Invalid percent_off: must be more than 0 and at most 100.", param="percent_off")
    return float(text)


@router.endpoint("POST", "/v1/coupons/{id}", "name metadata")
def update_coupon(call: Call) -> Object:
    coupon, params = _coupon(call), call.params
    metadata = params.metadata(coupon["metadata"])
    with call.account.changing(coupon, "coupon.updated"):
        coupon |= {"metadata": metadata, "name": params.text("name") or coupon["name"]}
    return _shown_coupon(call.account, coupon)


@router.endpoint("GET", "/v1/coupons/{id}")
def retrieve_coupon(call: Call) -> Object:
    return _shown_coupon(call.account, _coupon(call))


def _coupon(call: Call) -> Object:
    coupon = call.account.get("coupon", call.id)
    if coupon.get("_deleted"):
        raise missing("coupon", call.id)
    return coupon


@router.endpoint("GET", "/v1/coupons", f"{PAGING} {CREATED}")
def list_coupons(call: Call) -> Object:
    every = [each for each in call.account.all("coupon") if not each.get("_deleted")]
    return call.page(_shown_coupon(call.account, each) for each in call.created(every))


@router.endpoint("DELETE", "/v1/coupons/{id}")
def delete_coupon(call: Call) -> Object:
    """Let nobody redeem a coupon any more. Discounts stay (https://docs.stripe.com/api/coupons/delete)."""
    coupon = _coupon(call)
    with call.account.changing(coupon, "coupon.deleted"):
        coupon["_deleted"] = True
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def _shown_coupon(account: Account, coupon: Object) -> Object:
    return coupon | {"valid": discounts.is_valid(account, coupon)}


@router.endpoint(
    "POST", "/v1/promotion_codes",
    "promotion.type promotion.coupon code customer active expires_at max_redemptions metadata "
    "restrictions.first_time_transaction restrictions.minimum_amount restrictions.minimum_amount_currency",
)  # fmt: skip
def create_code(call: Call) -> Object:
    account, params = call.account, call.params
    promotion, customer, code = params.group("promotion"), params.text("customer"), params.text("code")
    promotion.required("type")
    promotion.choice("type", ("coupon",))
    coupon = account.get("coupon", promotion.required("coupon"), "promotion[coupon]")
    if customer:
        account.get("customer", customer, "customer")
    if code and not CODE.fullmatch(code):
        raise StripeError("Promotion codes have letters, digits and dashes.", param="code")
    if code and code_named(account, code, customer):
        raise StripeError("An active promotion code with `code: " + code + "` already exists.", param="code")
    limits = params.group("restrictions")
    least = limits.integer("minimum_amount", least=1)
    entity = shapes.promotion_code(
        account.now, coupon["id"], code,
        customer=customer, expires_at=params.integer("expires_at", least=account.now),
        max_redemptions=params.integer("max_redemptions", least=1), metadata=params.metadata(),
        restrictions={
            "first_time_transaction": limits.flag("first_time_transaction"), "minimum_amount": least,
            "minimum_amount_currency": limits.required("minimum_amount_currency") if least else None,
        },
        _enabled=params.flag("active", True),
    )  # fmt: skip
    return _shown_code(account, account.add(entity, "promotion_code.created"))


@router.endpoint("POST", "/v1/promotion_codes/{id}", "active metadata")
def update_code(call: Call) -> Object:
    code, params = call.account.get("promotion_code", call.id), call.params
    metadata, enabled = params.metadata(code["metadata"]), params.flag("active", code["_enabled"])
    with call.account.changing(code, "promotion_code.updated"):
        code |= {"metadata": metadata, "_enabled": enabled}
    return _shown_code(call.account, code)


@router.endpoint("GET", "/v1/promotion_codes/{id}")
def retrieve_code(call: Call) -> Object:
    return _shown_code(call.account, call.account.get("promotion_code", call.id))


@router.endpoint("GET", "/v1/promotion_codes", f"{PAGING} {CREATED} active code coupon customer")
def list_codes(call: Call) -> Object:
    params = call.params
    every = call.created(call.matching(call.account.all("promotion_code"), "code", "customer"))
    shown = [_shown_code(call.account, each) for each in every]
    coupon = params.text("coupon")
    found = [each for each in shown if coupon in (None, each["promotion"]["coupon"])]
    if "active" in params:
        found = [each for each in found if each["active"] == params.flag("active")]
    return call.page(found)


def _shown_code(account: Account, code: Object) -> Object:
    return code | {"active": discounts.is_active(account, code)}


def code_named(account: Account, text: str, customer: str | None) -> Object | None:
    """Return the active promotion code of this text, whatever its case, that a customer can use."""
    for each in account.all("promotion_code"):
        is_same = each["code"].lower() == text.lower() and each["customer"] in (None, customer)
        if is_same and discounts.is_active(account, each):
            return each
    return None


def redeemables(account: Account, params: Params, customer: str | None, amount: int) -> list[Redeemable]:
    """Return what ``discounts`` wants to redeem for a purchase of an amount. Refuse what cannot be redeemed."""
    found = []
    for group in params.groups("discounts"):
        if ("coupon" in group) == ("promotion_code" in group):
            raise StripeError("You must specify one of: coupon, promotion_code.", param=group.name("coupon"))
        if "coupon" in group:
            param = group.name("coupon")
            wanted = Redeemable(account.get("coupon", group.required("coupon"), param))
        else:
            param = group.name("promotion_code")
            code = account.get("promotion_code", group.required("promotion_code"), param)
            wanted = Redeemable(account.get("coupon", code["promotion"]["coupon"]), code)
        discounts.check(account, wanted, customer, amount, param)
        found.append(wanted)
    return found


@router.endpoint("DELETE", "/v1/customers/{id}/discount")
def delete_of_customer(call: Call) -> Object:
    customer = call.account.get("customer", call.id, "id")
    if customer["discount"] is None:
        raise StripeError("This customer has no discount.", "resource_missing", status=404)
    return _deleted(call.account, customer["discount"]["id"])


@router.endpoint("DELETE", "/v1/subscriptions/{id}/discount")
def delete_of_subscription(call: Call) -> Object:
    subscription = call.account.get("subscription", call.id)
    if not subscription["discounts"]:
        raise StripeError("This subscription has no discount.", "resource_missing", status=404)
    return _deleted(call.account, subscription["discounts"][-1])


def _deleted(account: Account, id: str) -> Object:
    discount = account.get("discount", id)
    discounts.remove(account, discount)
    return discount | {"deleted": True}
