"""Checkout sessions: a page where a customer subscribes, and its effects."""

from __future__ import annotations

from local.doubles.stripe import discounts, shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.coupon_routes import code_named, redeemables
from local.doubles.stripe.discounts import Redeemable
from local.doubles.stripe.dues import expire_session
from local.doubles.stripe.expanding import line_items_of
from local.doubles.stripe.periods import DAY
from local.doubles.stripe.prices import cost
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.subscription_routes import recurring_price, trial_end_of
from local.doubles.stripe.subscriptions import begin
from local.doubles.stripe.wire import Params, StripeError

router = Router()

FIELDS = """
    mode customer customer_email client_reference_id success_url cancel_url metadata expires_at locale
    line_items.*.price line_items.*.quantity payment_method_types.* payment_method_collection allow_promotion_codes
    billing_address_collection
    subscription_data.metadata subscription_data.description subscription_data.trial_period_days
    subscription_data.trial_end discounts.*.coupon discounts.*.promotion_code
"""
COLLECTIONS = ("always", "if_required")
LEAST_LIFE, LONGEST_LIFE = 30 * 60, DAY
CARDS = {"pay": "never", "pay_declined_later": "later", "pay_declined": "always"}
"""The buttons of the page, and when the card that pays is declined."""


@router.endpoint("POST", "/v1/checkout/sessions", FIELDS)
def create(call: Call) -> Object:
    account, params = call.account, call.params
    params.required("mode")
    if params.text("mode") != "subscription":
        raise StripeError("This double sells subscriptions alone.", param="mode")
    price, quantity = _line(account, params)
    customer = params.text("customer")
    if customer:
        account.get("customer", customer, "customer")
    if customer and "customer_email" in params:
        raise StripeError("You may only specify one of these parameters: customer, customer_email.", param="customer")
    if "allow_promotion_codes" in params and "discounts" in params:
        raise StripeError(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
            param="allow_promotion_codes",
        )
    wanted = redeemables(account, params, customer, cost(price, quantity))
    if len(wanted) > 1:
        raise StripeError("You may only specify one discount.", param="discounts")
    group = params.group("subscription_data")
    trial_end = trial_end_of(account, group)
    session = shapes.checkout_session(
        account.now, account.base_url + "/c/pay/{id}",
        allow_promotion_codes=params.flag("allow_promotion_codes") if "allow_promotion_codes" in params else None,
        amount_subtotal=0 if trial_end else cost(price, quantity), cancel_url=params.text("cancel_url"),
        payment_method_collection=params.choice("payment_method_collection", COLLECTIONS, "always"),
        client_reference_id=params.text("client_reference_id"), customer=customer,
        customer_creation=None if customer else "always", customer_email=params.text("customer_email"),
        expires_at=_expiry(account, params), locale=params.text("locale"), metadata=params.metadata(),
        success_url=params.required("success_url"), _price=price["id"], _quantity=quantity,
        _subscription={
            "metadata": group.metadata(), "description": group.text("description"),
            "trial_days": group.integer("trial_period_days", least=1), "trial_end": group.integer("trial_end"),
        },
    )  # fmt: skip
    _discount(account, session, wanted)
    return account.add(session)


def _discount(account: Account, session: Object, wanted: list[Redeemable]) -> None:
    """Set the discounts and the total of a session. Without any, its customer's discount applies."""
    subtotal = session["amount_subtotal"]
    customer = account.get("customer", session["customer"]) if session["customer"] else None
    less = discounts.of_purchase(account, customer, wanted, [subtotal])
    session["discounts"] = [
        {"coupon": None if each.code else each.coupon["id"], "promotion_code": each.code and each.code["id"]}
        for each in wanted
    ]
    session["amount_total"] = subtotal - less
    session["total_details"]["amount_discount"] = less


def enter_code(account: Account, session: Object, text: str) -> None:
    """Enter a promotion code on the page. Refuse one that is not known or cannot be redeemed."""
    code = code_named(account, text, session["customer"]) if session["allow_promotion_codes"] else None
    if code is None:
        raise StripeError("This code is invalid.", param="promotion_code")
    wanted = Redeemable(account.get("coupon", code["promotion"]["coupon"]), code)
    discounts.check(account, wanted, session["customer"], session["amount_subtotal"], "promotion_code")
    with account.changing(session):
        _discount(account, session, [wanted])


def _wanted(account: Account, session: Object) -> list[Redeemable]:
    """Return what a session redeems. What cannot be redeemed any more is refused."""
    chosen = [{name: id for name, id in each.items() if id} for each in session["discounts"]]
    return redeemables(account, Params({"discounts": chosen}), session["customer"], session["amount_subtotal"])


def _line(account: Account, params: Params) -> tuple[Object, int]:
    lines = params.groups("line_items")
    if len(lines) != 1:
        raise StripeError("This double sells exactly one line item.", param="line_items")
    return recurring_price(account, lines[0]), lines[0].integer("quantity", 1, 1) or 1


def _expiry(account: Account, params: Params) -> int:
    at = params.integer("expires_at", account.now + LONGEST_LIFE) or 0
    if not LEAST_LIFE <= at - account.now <= LONGEST_LIFE:
        raise StripeError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return at


@router.endpoint("GET", "/v1/checkout/sessions/{id}")
def retrieve(call: Call) -> Object:
    return call.account.get("checkout.session", call.id)


@router.endpoint("GET", "/v1/checkout/sessions/{id}/line_items", PAGING)
def list_line_items(call: Call) -> Object:
    return line_items_of(call.account, call.account.get("checkout.session", call.id))


@router.endpoint("GET", "/v1/checkout/sessions", f"{PAGING} {CREATED} customer subscription status payment_intent")
def list_all(call: Call) -> Object:
    every = call.of_customer(call.account.all("checkout.session"))
    return call.page(call.created(call.matching(every, "subscription", "status", "payment_intent")))


@router.endpoint("POST", "/v1/checkout/sessions/{id}/expire")
def expire(call: Call) -> Object:
    session = call.account.get("checkout.session", call.id)
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
    expire_session(call.account, session)
    return session


def needs_card(session: Object) -> bool:
    """Return whether the page asks for a card, since something is due or the session always collects one."""
    return bool(session["amount_total"] or session["payment_method_collection"] == "always")


def complete(account: Account, session: Object, declines: str) -> bool:
    """Pay on the page, with a card that is declined never, later or always. Return whether it was accepted.

    If nothing is due, the session may need no card (https://docs.stripe.com/payments/checkout/free-trials).
    """
    with account.changing(session):
        _discount(account, session, _wanted(account, session))
    if declines == "always" and needs_card(session):
        return False
    price, wanted = account.get("price", session["_price"]), session["_subscription"]
    customer, card = _customer_of(account, session), None
    if needs_card(session):
        card = account.add(shapes.card(account.now, customer["id"], declines), "payment_method.attached")
    trial_end = wanted["trial_end"] or (wanted["trial_days"] and account.now + wanted["trial_days"] * DAY)
    lines, coupons = [(price, session["_quantity"])], _wanted(account, session)
    subscription = begin(account, customer, lines, card, wanted["metadata"], trial_end or None, coupons)
    with account.changing(subscription):
        subscription["description"] = wanted["description"]
    with account.changing(session):
        session |= {
            "customer": customer["id"],
            "customer_details": {
                "address": None, "business_name": None, "email": customer["email"], "individual_name": None,
                "name": customer["name"], "phone": None, "tax_exempt": "none", "tax_ids": [],
            },
            "invoice": subscription["latest_invoice"],
            "payment_status": "paid" if session["amount_total"] else "no_payment_required",
            "status": "complete",
            "subscription": subscription["id"],
            "url": None,
        }  # fmt: skip
    account.emit("checkout.session.completed", session)
    return True


def _customer_of(account: Account, session: Object) -> Object:
    if session["customer"]:
        return account.get("customer", session["customer"], "customer")
    customer = shapes.customer(account.now)
    customer["email"] = session["customer_email"]
    return account.add(customer, "customer.created")
