"""The life of a subscription: begin, renew, change the plan, end."""

from __future__ import annotations

from collections.abc import Sequence

from local.doubles.stripe import discounts, invoices, prorations, shapes
from local.doubles.stripe.account import Account, Object, public
from local.doubles.stripe.collecting import UPDATED, collect, end
from local.doubles.stripe.discounts import Redeemable
from local.doubles.stripe.periods import end_of_period
from local.doubles.stripe.prices import cost, name_of
from local.doubles.stripe.prorations import MONEY_DUE


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
    coupons: Sequence[Redeemable] = (),
) -> Object:
    """A new subscription to prices in quantities, less coupons, with its first invoice collected from the card."""
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
    entity["discounts"] = [discounts.redeem(account, each, customer["id"], entity["id"])["id"] for each in coupons]
    invoice = _draft_of_period(account, entity, "subscription_create", trial=bool(trial_end))
    account.emit("customer.subscription.created", entity)
    account.emit("invoice.created", invoice)
    invoices.finalize(account, invoice)
    collect(account, invoice, card, first=True)
    return entity


def _draft_of_period(account: Account, subscription: Object, reason: str, trial: bool = False) -> Object:
    """Make the draft of an invoice for the running period of a subscription."""
    items = items_of(subscription)
    lines = [_recurring_line(account, item, trial) for item in items]
    invoice = invoices.draft(account, subscription, reason, lines)
    for item, line in zip(items, lines, strict=True):
        less = sum(each["amount"] for each in line["discount_amounts"])
        prorations.note_charge(item, line["amount"] - less, line["period"]["start"], line["period"]["end"])
    account.save(subscription)
    return invoice


def _recurring_line(account: Account, item: Object, trial: bool) -> Object:
    price = account.get("price", item["price"]["id"])
    name = name_of(account, price)
    period = (item["current_period_start"], item["current_period_end"])
    amount = 0 if trial else cost(price, item["quantity"])
    each = f"(at ${cost(price, 1) / 100:.2f} / {price['recurring']['interval']})"
    text = f"Trial period for {name}" if trial else f"{item['quantity']} × {name} {each}"
    return shapes.invoice_line(item, amount, text, period, price)


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
        invoice = _draft_of_period(account, subscription, "subscription_cycle")
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
    begins = interval_of(price) != interval_of(before) and subscription["status"] != "trialing"
    if prorated:
        prorations.credit(account, subscription, item, at)
    with account.changing(subscription, UPDATED):
        item |= {"price": public(price), "plan": shapes.plan(price), "quantity": quantity}
        if begins:
            until = end_of_period(at, price["recurring"], at)
            _set_period(subscription, at, until)
            subscription["billing_cycle_anchor"] = at
            _keep_cancellation(subscription)
        elif prorated:
            prorations.charge(account, subscription, item, at)
    if begins or (prorated and behavior == "always_invoice"):
        _invoice_now(account, subscription, whole_period=begins)


def add_item(account: Account, subscription: Object, price: Object, quantity: int, behavior: str, at: int) -> None:
    """Add an item to a subscription, as of a moment in its period. ``behavior`` is that of ``change_price``."""
    first = item_of(subscription)
    start, until = first["current_period_start"], first["current_period_end"]
    item = shapes.subscription_item(account.now, subscription["id"], price, quantity, start, until)
    prorations.note_charge(item, 0, start, until)
    prorated = behavior != "none" and subscription["status"] in MONEY_DUE
    with account.changing(subscription, UPDATED):
        subscription["items"]["data"].append(item)
        subscription["items"]["total_count"] += 1
        if prorated:
            prorations.charge(account, subscription, item, at)
    if prorated and behavior == "always_invoice":
        _invoice_now(account, subscription)


def interval_of(price: Object) -> tuple[str, int]:
    """Return the unit and the number of units after which a recurring price is charged again."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def _invoice_now(account: Account, subscription: Object, whole_period: bool = False) -> None:
    """Invoice the waiting prorations, and maybe a period that begins now."""
    with account.changing(subscription, UPDATED):
        if whole_period:
            invoice = _draft_of_period(account, subscription, "subscription_update")
        else:
            invoice = invoices.draft(account, subscription, "subscription_update", [])
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
            prorations.credit(account, subscription, item, account.now)
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
    if prorations.waiting(account, subscription):
        _invoice_now(account, subscription)
