"""Payments: the payment intent of an invoice, and attempts to charge a card for it."""

from __future__ import annotations

from local.doubles.stripe import shapes
from local.doubles.stripe.account import Account, Object

DECLINED = "Your card was declined."


def intent_of(account: Account, invoice: Object) -> Object:
    """Return the payment intent of an invoice, created on first use."""
    for payment in account.where("invoice_payment", invoice=invoice["id"]):
        return account.get("payment_intent", payment["payment"]["payment_intent"])
    reason = "Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update"
    intent = account.add(shapes.payment_intent(account.now, invoice, reason), "payment_intent.created")
    account.add(shapes.invoice_payment(account.now, invoice, intent["id"]))
    return intent


def card_of(account: Account, subscription: Object) -> Object | None:
    """Return the card of a subscription: its own, or the customer's."""
    customer = account.get("customer", subscription["customer"])
    id = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    card = account.find(id) if id else None
    # A detached card belongs to no customer and pays nothing (https://docs.stripe.com/api/payment_methods/detach).
    return card if card and card["customer"] == customer["id"] else None


def charge(account: Account, intent: Object, card: Object | None, first: bool) -> bool:
    """Try to collect an intent. Return whether it worked. ``first`` is a payment with the customer present."""
    accepted = card is not None and (card["_declines"] == "never" or (first and card["_declines"] == "later"))
    if card is None:
        _failed(account, intent, None, None)
        return False
    tried = shapes.charge(account.now, intent, card, accepted)
    account.add(tried, "charge.succeeded" if accepted else "charge.failed")
    if not accepted:
        _failed(account, intent, tried, card)
        return False
    with account.changing(intent, "payment_intent.succeeded"):
        intent |= {
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "latest_charge": tried["id"],
            "payment_method": card["id"],
            "status": "succeeded",
        }
    for payment in account.where("invoice_payment", payment=_by(intent)):
        with account.changing(payment, "invoice_payment.paid"):
            payment |= {"amount_paid": intent["amount"], "status": "paid"}
            payment["status_transitions"]["paid_at"] = account.now
    return True


def _by(intent: Object) -> Object:
    return {"payment_intent": intent["id"], "type": "payment_intent"}


def _failed(account: Account, intent: Object, tried: Object | None, card: Object | None) -> None:
    with account.changing(intent, "payment_intent.payment_failed"):
        intent["latest_charge"] = tried and tried["id"]
        intent["last_payment_error"] = {
            "charge": tried and tried["id"],
            "code": "card_declined" if tried else "payment_method_missing",
            "decline_code": tried and "generic_decline",
            "message": DECLINED if tried else "There is no payment method.",
            "payment_method": card,
            "type": "card_error" if tried else "invalid_request_error",
        }


def refund(account: Account, charge: Object, amount: int, reason: str | None, metadata: dict[str, str]) -> Object:
    """Refund an amount of a charge, in cents."""
    entity = account.add(shapes.refund(account.now, charge, amount, reason, metadata), "refund.created")
    with account.changing(charge, "charge.refunded"):
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    return entity
