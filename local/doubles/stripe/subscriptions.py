"""The life of a subscription: begin, renew, change the plan with prorations, end."""

from __future__ import annotations

from local.doubles.stripe import invoices, shapes
from local.doubles.stripe.account import Account, Object, public
from local.doubles.stripe.collecting import UPDATED, collect, end
from local.doubles.stripe.periods import day_of, end_of_period
from local.doubles.stripe.prices import cost, share

MONEY_DUE = ("active", "past_due", "unpaid")


def items_of(subscription: Object) -> list[Object]:
    """The items of a subscription, up to 20 (https://docs.stripe.com/billing/subscriptions/quantities)."""
    items: list[Object] = subscription["items"]["data"]
    return items


def item_of(subscription: Object) -> Object:
    """The first item of a subscription. In this double, all items have the same period."""
    return items_of(subscription)[0]


def begin(
    account: Account,
    customer: Object,
    wanted: list[tuple[Object, int]],
    card: Object | None,
    metadata: dict[str, str],
    trial_end: int | None = None,
) -> Object:
    """A new subscription to prices in quantities, with its first invoice collected from the card."""
    now = account.now
    entity = shapes.subscription(now, customer["id"], card["id"] if card else None, metadata)
    if trial_end:
        entity |= {"status": "trialing", "trial_start": now, "trial_end": trial_end, "billing_cycle_anchor": trial_end}
    until = trial_end or end_of_period(now, wanted[0][0]["recurring"], now)
    for price, quantity in wanted:
        entity["items"]["data"].append(shapes.subscription_item(now, entity["id"], price, quantity, now, until))
    entity["items"]["total_count"] = len(wanted)
    account.add(entity)
    if customer["currency"] is None:
        with account.changing(customer, "customer.updated"):
            customer["currency"] = shapes.CURRENCY
    lines = _recurring_lines(account, entity, trial=bool(trial_end))
    invoice = invoices.draft(account, entity, "subscription_create", lines)
    account.emit("customer.subscription.created", entity)
    account.emit("invoice.created", invoice)
    invoices.finalize(account, invoice)
    collect(account, invoice, card, first=True)
    return entity


def _recurring_lines(account: Account, subscription: Object, trial: bool = False) -> list[Object]:
    return [_recurring_line(account, item, trial) for item in items_of(subscription)]


def _recurring_line(account: Account, item: Object, trial: bool) -> Object:
    price = account.get("price", item["price"]["id"])
    name = name_of(account, price)
    period = (item["current_period_start"], item["current_period_end"])
    amount = 0 if trial else cost(price, item["quantity"])
    each = f"(at ${cost(price, 1) / 100:.2f} / {price['recurring']['interval']})"
    text = f"Trial period for {name}" if trial else f"{item['quantity']} × {name} {each}"
    return shapes.invoice_line(item, amount, text, period, price)


def name_of(account: Account, price: Object) -> str:
    """Return the name of a price's product."""
    product = account.get("product", price["product"])
    name: str = product["name"]
    return name


def turn_period(account: Account, subscription: Object) -> None:
    """Begin the next period after a period or the trial. Its invoice is collected an hour later."""
    item = item_of(subscription)
    over = (item["current_period_start"], item["current_period_end"])
    with account.changing(subscription, UPDATED):
        start = item["current_period_end"]
        until = end_of_period(subscription["billing_cycle_anchor"], item["price"]["recurring"], start)
        _set_period(subscription, start, until)
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
        lines = _recurring_lines(account, subscription)
        invoice = invoices.draft(account, subscription, "subscription_cycle", lines)
    paused = _pause_of(subscription)
    closed = subscription["status"] == "unpaid" or paused is not None
    with account.changing(invoice):
        invoice |= {"period_start": over[0], "period_end": over[1], "auto_advance": not closed}
        invoice["automatically_finalizes_at"] = None if closed else account.now + invoices.DRAFT_SECONDS
    account.emit("invoice.created", invoice)
    if paused:
        _hold_back(account, invoice, paused)


def _pause_of(subscription: Object) -> str | None:
    """Return how the invoices of a subscription are treated while its collection is paused, or None if it is not."""
    behavior: str | None = (subscription["pause_collection"] or {}).get("behavior")
    return behavior


def _hold_back(account: Account, invoice: Object, behavior: str) -> None:
    """Collect nothing for an invoice (https://docs.stripe.com/billing/subscriptions/pause-payment)."""
    if behavior == "keep_as_draft":
        with account.changing(invoice):
            invoice |= {"auto_advance": False, "automatically_finalizes_at": None}
        return
    invoices.finalize(account, invoice)
    if invoice["status"] == "open":
        invoices.give_up(account, invoice, behavior)


def _set_period(subscription: Object, start: int, until: int) -> None:
    for item in items_of(subscription):
        item |= {"current_period_start": start, "current_period_end": until, "billed_until": until}


def finalize_and_collect(account: Account, invoice: Object) -> None:
    """Finalize and collect a draft after its hour."""
    invoices.finalize(account, invoice)
    collect(account, invoice)


def change_price(
    account: Account, subscription: Object, item: Object, price: Object, quantity: int, behavior: str, at: int
) -> None:
    """Put an item of a subscription on another price, as of a moment in its period.

    "create_prorations" leaves the difference to the next invoice, "always_invoice" collects it now, "none" forgets it.
    Another interval begins a new period, which is invoiced at once.
    """
    before, count = account.get("price", item["price"]["id"]), item["quantity"]
    if (price["id"], quantity) == (before["id"], count):
        return
    prorated = behavior != "none" and subscription["status"] in MONEY_DUE
    same_interval = interval_of(price) == interval_of(before)
    if prorated:
        _prorate(account, subscription, item, before, -count, at, "Unused time on")
    with account.changing(subscription, UPDATED):
        item |= {"price": public(price), "plan": shapes.plan(price), "quantity": quantity}
        if not same_interval and subscription["status"] != "trialing":
            until = end_of_period(at, price["recurring"], at)
            _set_period(subscription, at, until)
            subscription["billing_cycle_anchor"] = at
            _keep_cancellation(subscription)
    if not same_interval and subscription["status"] != "trialing":
        _invoice_now(account, subscription, _recurring_lines(account, subscription))
        return
    if prorated:
        _prorate(account, subscription, item, price, quantity, at, "Remaining time on")
    if prorated and behavior == "always_invoice":
        _invoice_now(account, subscription, [])


def add_item(account: Account, subscription: Object, price: Object, quantity: int, behavior: str, at: int) -> None:
    """Add an item to a subscription, as of a moment in its period. ``behavior`` is that of ``change_price``."""
    first = item_of(subscription)
    start, until = first["current_period_start"], first["current_period_end"]
    item = shapes.subscription_item(account.now, subscription["id"], price, quantity, start, until)
    with account.changing(subscription, UPDATED):
        subscription["items"]["data"].append(item)
        subscription["items"]["total_count"] += 1
    if behavior != "none" and subscription["status"] in MONEY_DUE:
        _prorate(account, subscription, item, price, quantity, at, "Remaining time on")
        if behavior == "always_invoice":
            _invoice_now(account, subscription, [])


def interval_of(price: Object) -> tuple[str, int]:
    """Return the unit and the number of units after which a recurring price is charged again."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def _prorate(
    account: Account, subscription: Object, item: Object, price: Object, quantity: int, at: int, text: str
) -> None:
    """Charge, or with a negative quantity credit, what is left of the running period of an item at a price."""
    start, until = item["current_period_start"], item["current_period_end"]
    sign = -1 if quantity < 0 else 1
    amount = share(sign * cost(price, abs(quantity)), until - at, until - start)
    described = f"{text} {name_of(account, price)} after {day_of(at)}"
    entity = shapes.invoice_item(
        account.now, subscription["customer"], item | {"quantity": abs(quantity)}, price, amount, described, (at, until)
    )
    account.add(entity, "invoiceitem.created")


def _invoice_now(account: Account, subscription: Object, lines: list[Object]) -> None:
    with account.changing(subscription, UPDATED):
        invoice = invoices.draft(account, subscription, "subscription_update", lines)
    account.emit("invoice.created", invoice)
    if paused := _pause_of(subscription):
        _hold_back(account, invoice, paused)
        return
    finalize_and_collect(account, invoice)


def end_trial(account: Account, subscription: Object, at: int) -> None:
    """End a trial at another moment; at once when that is now."""
    with account.changing(subscription, UPDATED):
        subscription |= {"trial_end": at, "billing_cycle_anchor": at}
        subscription["status"] = "trialing"
        subscription["trial_start"] = subscription["trial_start"] or account.now
        for item in items_of(subscription):
            item |= {"current_period_end": at, "billed_until": at}
        _keep_cancellation(subscription)
    if at <= account.now:
        turn_period(account, subscription)
        (invoice,) = invoices.latest_first(account, subscription)[:1]
        finalize_and_collect(account, invoice)


def cancel_at_end(account: Account, subscription: Object, wanted: bool) -> None:
    """Let a subscription end with its period, or take that back."""
    with account.changing(subscription, UPDATED):
        subscription["cancel_at_period_end"] = wanted
        subscription["canceled_at"] = account.now if wanted else None
        subscription["cancel_at"] = None
        subscription["cancellation_details"]["reason"] = "cancellation_requested" if wanted else None
        _keep_cancellation(subscription)


def _keep_cancellation(subscription: Object) -> None:
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = item_of(subscription)["current_period_end"]


def cancel_now(account: Account, subscription: Object, prorate: bool, invoice_now: bool) -> None:
    """End a subscription now. With ``prorate``, credit the rest of the period to the customer."""
    if prorate and subscription["status"] in MONEY_DUE:
        for item in items_of(subscription):
            price = account.get("price", item["price"]["id"])
            _prorate(account, subscription, item, price, -item["quantity"], account.now, "Unused time on")
    if invoice_now:
        settle(account, subscription)
    end(account, subscription, "cancellation_requested")


def cancel_in_portal(account: Account, subscription: Object) -> None:
    """Have a subscription end with its period as the customer portal does.

    In flexible billing mode, the portal sets ``cancel_at`` and leaves ``cancel_at_period_end`` false:
    https://docs.stripe.com/billing/subscriptions/billing-mode/compare, seen in stripe/stripe-node#2470.
    """
    with account.changing(subscription, UPDATED):
        subscription |= {"cancel_at": item_of(subscription)["current_period_end"], "canceled_at": account.now}
        subscription["cancel_at_period_end"] = False
        subscription["cancellation_details"]["reason"] = "cancellation_requested"


def settle(account: Account, subscription: Object) -> None:
    """Invoice the waiting prorations, if there are any."""
    if invoices.waiting_items(account, subscription):
        _invoice_now(account, subscription, [])
