"""Collect invoices, and apply success or failure to the subscription."""

from __future__ import annotations

from local.doubles.stripe import invoices, payments, prorations
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.periods import DAY

UPDATED = "customer.subscription.updated"
ENDED = ("canceled", "incomplete_expired")


def collect(account: Account, invoice: Object, card: Object | None = None, first: bool = False) -> bool:
    """Try to collect an invoice, by this card or the subscription's. Return whether it is now paid."""
    subscription = invoices.subscription_of(account, invoice)
    if invoice["status"] in invoices.PAYABLE:
        intent = payments.intent_of(account, invoice)
        paid = payments.charge(account, intent, card or payments.card_of(account, subscription), first)
        invoice["attempt_count"] += 1
        if not paid:
            _note_failure(account, invoice, subscription)
            return False
        invoices.mark_paid(account, invoice, invoice["amount_due"])
    _note_success(account, invoice, subscription)
    return True


def _note_success(account: Account, invoice: Object, subscription: Object) -> None:
    """Make the subscription active if its latest invoice is paid."""
    if subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        with account.changing(subscription, UPDATED):
            subscription["status"] = "active"


def _note_failure(account: Account, invoice: Object, subscription: Object) -> None:
    """Plan the next try, or give up, as the account's settings say."""
    retries = account.settings["retryDays"]
    tried = invoice["attempt_count"]
    again = tried <= len(retries) and subscription["status"] not in ("incomplete", *ENDED)
    with account.changing(invoice, "invoice.updated"):
        invoice["attempted"] = True
        invoice["next_payment_attempt"] = account.now + retries[tried - 1] * DAY if again else None
    account.emit("invoice.payment_failed", invoice)
    if subscription["status"] in ("active", "trialing"):
        with account.changing(subscription, UPDATED):
            subscription["status"] = "past_due"
    if not again and subscription["status"] == "past_due":
        _give_up(account, subscription)


def _give_up(account: Account, subscription: Object) -> None:
    match account.settings["afterRetries"]:
        case "cancel":
            end(account, subscription, "payment_failed")
        case "unpaid":
            with account.changing(subscription, UPDATED):
                subscription["status"] = "unpaid"


def end(account: Account, subscription: Object, reason: str | None, status: str = "canceled") -> None:
    """End a subscription now. Its unpaid invoices stay, and are not tried again."""
    event = "customer.subscription.deleted" if status == "canceled" else UPDATED
    with account.changing(subscription, event):
        subscription["status"] = status
        subscription["ended_at"] = account.now
        subscription["canceled_at"] = subscription["canceled_at"] or account.now
        subscription["cancellation_details"]["reason"] = subscription["cancellation_details"]["reason"] or reason
    for invoice in invoices.latest_first(account, subscription):
        if invoice["status"] in ("draft", "open"):
            with account.changing(invoice, "invoice.updated"):
                invoice |= {"auto_advance": False, "next_payment_attempt": None, "automatically_finalizes_at": None}
    for item in prorations.waiting(account, subscription):
        account.remove(item)
