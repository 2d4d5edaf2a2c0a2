"""Subscriptions: create without a page, read, change and end."""

from __future__ import annotations

from local.doubles.stripe import discounts, invoices, payments, prorations, shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.collecting import ENDED, UPDATED
from local.doubles.stripe.coupon_routes import redeemables
from local.doubles.stripe.discounts import Redeemable
from local.doubles.stripe.periods import DAY
from local.doubles.stripe.prices import cost
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.subscriptions import (
    add_item,
    begin,
    cancel_at_end,
    cancel_now,
    change_price,
    end_trial,
    interval_of,
    item_of,
    items_of,
)
from local.doubles.stripe.wire import Params, StripeError, missing

router = Router()

STATUSES = ("active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid")
BEHAVIORS = ("create_prorations", "always_invoice", "none")
PAYMENT_BEHAVIORS = ("allow_incomplete", "error_if_incomplete")
LONGEST_TRIAL_DAYS = 730
MOST_ITEMS = 20
PAUSES = ("keep_as_draft", "mark_uncollectible", "void")


def recurring_price(account: Account, params: Params) -> Object:
    """Return the price that a parameter names. Refuse one that no subscription can have."""
    name = params.name("price")
    price = account.get("price", params.required("price"), name)
    if not price["active"]:
        raise StripeError(f"The price specified is inactive: '{price['id']}'.", param=name)
    if price["recurring"] is None:
        raise StripeError(
            "The price specified is set to `type=one_time` but this field only accepts recurring.", param=name
        )
    return price


def trial_end_of(account: Account, params: Params) -> int | None:
    """Return the end of the requested trial, or None."""
    days = params.integer("trial_period_days", least=1)
    at = account.now + days * DAY if days else params.integer("trial_end")
    if at is not None and not 0 < at - account.now <= LONGEST_TRIAL_DAYS * DAY:
        raise StripeError("Invalid timestamp: must be in the future, within 730 days", param=params.name("trial_end"))
    return at


@router.endpoint(
    "POST", "/v1/subscriptions",
    "customer items.*.price items.*.quantity default_payment_method metadata trial_period_days trial_end description "
    "payment_behavior discounts.*.coupon discounts.*.promotion_code",
)  # fmt: skip
def create(call: Call) -> Object:
    account, params = call.account, call.params
    customer = account.get("customer", params.required("customer"), "customer")
    items = params.groups("items")
    if not 0 < len(items) <= MOST_ITEMS:
        raise StripeError(f"A subscription has 1 to {MOST_ITEMS} items.", param="items")
    wanted = [(recurring_price(account, each), each.integer("quantity", 1, 1) or 1) for each in items]
    if len({interval_of(price) for price, _ in wanted}) > 1:
        raise StripeError("This double wants the same interval for all items.", param="items")
    params.choice("payment_behavior", PAYMENT_BEHAVIORS)
    id = params.text("default_payment_method")
    card = _attached(account.get("payment_method", id, "default_payment_method"), customer["id"]) if id else None
    card = card or account.find(customer["invoice_settings"]["default_payment_method"] or "")
    trial_end, metadata = trial_end_of(account, params), params.metadata()
    costs = [cost(price, quantity) for price, quantity in wanted]
    coupons = redeemables(account, params, customer["id"], sum(costs))
    if card is None and not trial_end and sum(costs) > discounts.of_purchase(account, customer, coupons, costs):
        raise StripeError("This customer has no attached payment source or default payment method.", "resource_missing")
    subscription = begin(account, customer, wanted, card, metadata, trial_end, coupons)
    with account.changing(subscription):
        subscription["description"] = params.text("description")
    return subscription


@router.endpoint("GET", "/v1/subscriptions/{id}")
def retrieve(call: Call) -> Object:
    return call.account.get("subscription", call.id)


@router.endpoint("GET", "/v1/subscriptions", f"{PAGING} {CREATED} customer price status")
def list_all(call: Call) -> Object:
    """List subscriptions. Without a status, leave out the canceled ones."""
    status = call.params.choice("status", (*STATUSES, "all", "ended"))
    every = call.created(call.of_customer(call.account.all("subscription")))
    price = call.params.text("price")
    return call.page(each for each in every if _has(each, status) and (price is None or price in _prices(each)))


def _prices(subscription: Object) -> set[str]:
    return {item["price"]["id"] for item in items_of(subscription)}


def _has(subscription: Object, status: str | None) -> bool:
    match status:
        case None:
            return bool(subscription["status"] != "canceled")
        case "all":
            return True
        case "ended":
            return subscription["status"] in ENDED
    return bool(subscription["status"] == status)


@router.endpoint(
    "POST", "/v1/subscriptions/{id}",
    "cancel_at_period_end cancel_at metadata description default_payment_method trial_end proration_behavior "
    "proration_date payment_behavior items.*.id items.*.price items.*.quantity "
    "cancellation_details.comment cancellation_details.feedback pause_collection.behavior pause_collection "
    "discounts discounts.*.coupon discounts.*.promotion_code",
)  # fmt: skip
def update(call: Call) -> Object:
    account, params = call.account, call.params
    subscription = account.get("subscription", call.id)
    if subscription["status"] in ENDED:
        raise StripeError("A canceled subscription can only update its cancellation_details and metadata.", param="id")
    _check_cancellation(params, subscription)
    change = _item_change(account, params, subscription)
    behavior = params.choice("proration_behavior", BEHAVIORS, "create_prorations") or ""
    at = _proration_date(account, params, subscription)
    ending, trial = params.flag("cancel_at_period_end"), _trial_change(account, params)
    coupons = redeemables(account, params, subscription["customer"], _cost_of(account, subscription))
    is_strict = params.choice("payment_behavior", PAYMENT_BEHAVIORS) == "error_if_incomplete"
    if is_strict and change and _is_charged(account, subscription, change, at):
        _check_card(account, subscription)
    _set_fields(account, params, subscription)
    if "discounts" in params:
        _set_discounts(account, subscription, coupons)
    if trial is not None:
        end_trial(account, subscription, trial)
    if change:
        item, price, quantity = change
        if item is None:
            add_item(account, subscription, price, quantity, behavior, at)
        else:
            change_price(account, subscription, item, price, quantity, behavior, at)
    if "cancel_at_period_end" in params and ending != subscription["cancel_at_period_end"]:
        cancel_at_end(account, subscription, ending)
    return subscription


def _check_cancellation(params: Params, subscription: Object) -> None:
    """Refuse what Stripe refuses about ending a subscription.

    Both parameters at once, https://docs.stripe.com/billing/subscriptions/billing-mode/compare; and either one while a
    schedule manages the subscription, laravel/cashier-stripe#1748.
    """
    given = [name for name in ("cancel_at", "cancel_at_period_end") if name in params]
    if len(given) > 1:
        text = "You may only specify one of these parameters: cancel_at, cancel_at_period_end."
        raise StripeError(text, param="cancel_at")
    if given and subscription["schedule"]:
        raise StripeError(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead.",
            param=given[0],
        )


ItemChange = tuple[Object | None, Object, int]
"""An item, or None for one to be added; its price and its quantity."""


def _item_change(account: Account, params: Params, subscription: Object) -> ItemChange | None:
    """Return the change of the item that was sent. Without an id, an item is added."""
    groups = params.groups("items")
    if not groups:
        return None
    if len(groups) > 1:
        raise StripeError("This double changes one item at a time.", param="items")
    if groups[0].text("id") is None:
        price = recurring_price(account, groups[0])
        _check_addition(subscription, price)
        return None, price, groups[0].integer("quantity", 1, 1) or 1
    item = next((each for each in items_of(subscription) if each["id"] == groups[0].text("id")), None)
    if item is None:
        raise missing("subscription item", groups[0].text("id") or "", "items[0][id]")
    price = recurring_price(account, groups[0]) if "price" in groups[0] else account.get("price", item["price"]["id"])
    return item, price, groups[0].integer("quantity", item["quantity"], 1) or 1


def _check_addition(subscription: Object, price: Object) -> None:
    items = items_of(subscription)
    if len(items) == MOST_ITEMS:
        raise StripeError(f"A subscription has 1 to {MOST_ITEMS} items.", param="items")
    if any(each["price"]["id"] == price["id"] for each in items):
        raise StripeError(
            "Cannot add multiple subscription items with the same price: an existing Subscription Item is already "
            f"using that price `{price['id']}`.",
            param="items[0][price]",
        )
    if interval_of(price) != interval_of(items[0]["price"]):
        raise StripeError("This double wants the same interval for all items.", param="items")


def _is_charged(account: Account, subscription: Object, change: ItemChange, at: int) -> bool:
    """Return whether a change that is invoiced at once asks for money: what it costs, and what waits, less credit."""
    item, price, quantity = change
    if item is None:
        return True
    if interval_of(price) != interval_of(item["price"]):
        return cost(price, quantity) > cost(account.get("price", item["price"]["id"]), item["quantity"])
    charged = prorations.charged(account, subscription, item, price, quantity, at)
    waiting = sum(each["amount"] for each in prorations.waiting(account, subscription))
    total = charged + prorations.credited(account, item, at) + waiting
    return invoices.due(account.get("customer", subscription["customer"])["balance"], total) > 0


def _cost_of(account: Account, subscription: Object) -> int:
    return sum(cost(account.get("price", each["price"]["id"]), each["quantity"]) for each in items_of(subscription))


def _set_discounts(account: Account, subscription: Object, coupons: list[Redeemable]) -> None:
    """Put discounts in place of those that a subscription has."""
    for id in list(subscription["discounts"]):
        discounts.remove(account, account.get("discount", id))
    redeemed = [discounts.redeem(account, each, subscription["customer"], subscription["id"]) for each in coupons]
    with account.changing(subscription, UPDATED):
        subscription["discounts"] = [each["id"] for each in redeemed]


def _proration_date(account: Account, params: Params, subscription: Object) -> int:
    at = params.integer("proration_date", account.now) or 0
    item = item_of(subscription)
    if not item["current_period_start"] <= at <= item["current_period_end"]:
        raise StripeError(
            "Cannot specify `proration_date` outside of current subscription period.", param="proration_date"
        )
    return at


def _trial_change(account: Account, params: Params) -> int | None:
    return account.now if params.text("trial_end") == "now" else trial_end_of(account, params)


def _set_fields(account: Account, params: Params, subscription: Object) -> None:
    metadata = params.metadata(subscription["metadata"])
    card = params.text("default_payment_method")
    if card:
        account.get("payment_method", card, "default_payment_method")
    cancel_at = params.integer("cancel_at", least=account.now)
    pause = params.group("pause_collection").choice("behavior", PAUSES)
    details = params.group("cancellation_details")
    with account.changing(subscription, UPDATED):
        subscription["metadata"] = metadata
        if "description" in params:
            subscription["description"] = params.text("description")
        if card:
            subscription["default_payment_method"] = card
        if "pause_collection" in params:
            subscription["pause_collection"] = pause and {"behavior": pause, "resumes_at": None}
        if "cancel_at" in params:
            subscription |= {"cancel_at": cancel_at, "canceled_at": cancel_at and account.now}
            subscription["cancel_at_period_end"] = False
        for name in ("comment", "feedback"):
            if name in details:
                subscription["cancellation_details"][name] = details.text(name)


def _attached(card: Object, customer: str) -> Object:
    """Return a card of the customer; refuses one that is detached or another customer's."""
    if card["customer"] != customer:
        raise StripeError(
            f"The customer does not have a payment method with the ID {card['id']}. The payment method must be "
            "attached to the customer.",
            "resource_missing", "default_payment_method",
        )  # fmt: skip
    return card


def _check_card(account: Account, subscription: Object) -> None:
    card = payments.card_of(account, subscription)
    if card is None:
        raise StripeError("This customer has no attached payment source or default payment method.", "resource_missing")
    if card["_declines"] != "never":
        raise StripeError(
            payments.DECLINED, "card_declined", status=402, type="card_error", decline_code="generic_decline"
        )


@router.endpoint(
    "DELETE", "/v1/subscriptions/{id}",
    "invoice_now prorate cancellation_details.comment cancellation_details.feedback",
)  # fmt: skip
def cancel(call: Call) -> Object:
    account, params = call.account, call.params
    subscription = account.get("subscription", call.id)
    if subscription["status"] in ENDED:
        raise missing("subscription", call.id)
    details = params.group("cancellation_details")
    given = {name: details.text(name) for name in ("comment", "feedback") if name in details}
    prorate, invoice_now = params.flag("prorate"), params.flag("invoice_now")
    if prorate and not invoice_now:
        raise StripeError("This double prorates a cancellation only with invoice_now.", param="prorate")
    subscription["cancellation_details"] |= given
    if subscription["schedule"]:
        # Ending a subscription at once cancels its schedule, too.
        _leave(account, account.get("subscription_schedule", subscription["schedule"]), "canceled")
    cancel_now(account, subscription, prorate, invoice_now)
    return subscription


@router.endpoint("GET", "/v1/subscription_items", f"{PAGING} subscription")
def list_items(call: Call) -> Object:
    subscription = call.account.get("subscription", call.params.required("subscription"), "subscription")
    return call.page(items_of(subscription)[::-1])


@router.endpoint("POST", "/v1/subscription_schedules", "from_subscription")
def create_schedule(call: Call) -> Object:
    """Have a schedule manage a subscription. Its phases do nothing in this double."""
    account = call.account
    subscription = account.get("subscription", call.params.required("from_subscription"), "from_subscription")
    if subscription["schedule"] or subscription["status"] in ENDED:
        raise StripeError("The subscription cannot be migrated to a schedule.", param="from_subscription")
    schedule = account.add(shapes.schedule(account.now, subscription), "subscription_schedule.created")
    with account.changing(subscription, UPDATED):
        subscription["schedule"] = schedule["id"]
    return schedule


@router.endpoint("GET", "/v1/subscription_schedules/{id}")
def retrieve_schedule(call: Call) -> Object:
    return call.account.get("subscription_schedule", call.id)


@router.endpoint("POST", "/v1/subscription_schedules/{id}/release", "preserve_cancel_date")
def release_schedule(call: Call) -> Object:
    """Let the subscription go on by itself (https://docs.stripe.com/api/subscription_schedules/release)."""
    schedule = call.account.get("subscription_schedule", call.id)
    if schedule["status"] not in ("active", "not_started"):
        raise StripeError(
            f"You cannot release a subscription schedule that is currently in the `{schedule['status']}` status. It "
            "must be in `active` or `not_started` status."
        )
    _leave(call.account, schedule, "released")
    return schedule


def _leave(account: Account, schedule: Object, status: str) -> None:
    subscription = account.get("subscription", schedule["subscription"])
    with account.changing(schedule, f"subscription_schedule.{status}"):
        schedule |= {"status": status, "subscription": None, "released_subscription": subscription["id"]}
        schedule |= {f"{status}_at": account.now, "current_phase": None}
    with account.changing(subscription, UPDATED):
        subscription["schedule"] = None
