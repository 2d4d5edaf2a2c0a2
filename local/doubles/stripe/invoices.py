"""Invoices: drafts with lines, finalized, paid or void. All amounts in cents."""

from __future__ import annotations

from local.doubles.stripe import discounts, prorations, shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.periods import HOUR
from local.doubles.stripe.wire import StripeError

SMALLEST_CHARGE = 50
"""https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts. Smaller amounts wait for the next invoice."""

PAYABLE = ("open", "uncollectible")
"""The statuses in which an invoice can be paid or voided (https://docs.stripe.com/invoicing/overview)."""

DRAFT_SECONDS = HOUR
"""The time in which a renewal's invoice can be changed (https://docs.stripe.com/invoicing/integration/workflow-transitions)."""


def draft(account: Account, subscription: Object, reason: str, lines: list[Object]) -> Object:
    """Make a draft of these lines, less the discounts, and of all waiting prorations. The caller sends its event."""
    customer = account.get("customer", subscription["customer"])
    invoice = shapes.invoice(account.now, customer, subscription, reason)
    waiting = prorations.waiting(account, subscription)
    in_force = discounts.of_subscription(account, subscription)
    used = _take_off(account, in_force, invoice, lines) | {id for item in waiting for id in item["discounts"]}
    whole = [*(prorations.line_of(account, item) for item in waiting), *lines]
    for item in waiting:
        item["invoice"] = invoice["id"]
        account.save(item)
    for line in whole:
        line["invoice"] = invoice["id"]
    invoice["lines"] |= {"data": whole, "total_count": len(whole)}
    subtotal = sum(line["amount"] for line in whole)
    total = subtotal - sum(each["amount"] for each in invoice["total_discount_amounts"])
    invoice |= {"subtotal": subtotal, "subtotal_excluding_tax": subtotal, "total": total, "total_excluding_tax": total}
    invoice |= _due(customer["balance"], total)
    with account.changing(subscription):
        subscription["latest_invoice"] = invoice["id"]
    discounts.use_up(account, [id for id in in_force if id in used])
    return account.add(invoice)


def _take_off(account: Account, ids: list[str], invoice: Object, lines: list[Object]) -> set[str]:
    """Note what discounts take off the lines of an invoice, whose amounts stay. Return those that take off anything."""
    found = discounts.reductions(account, ids, [line["amount"] for line in lines])
    for each in found:
        for line, less in zip(lines, each.amounts, strict=True):
            line["discounts"].append(each.discount)
            line["discount_amounts"].append({"amount": less, "discount": each.discount})
            line["pretax_credit_amounts"].append(_pretax(each.discount, less))
    invoice["discounts"] = list(ids)
    totals = [(each.discount, sum(each.amounts)) for each in found]
    invoice["total_discount_amounts"] = [{"amount": less, "discount": id} for id, less in totals]
    invoice["total_pretax_credit_amounts"] = [_pretax(id, less) for id, less in totals]
    return {id for id, less in totals if less}


def _pretax(discount: str, less: int) -> Object:
    return {"amount": less, "credit_balance_transaction": None, "discount": discount, "type": "discount"}


def due(balance: int, total: int) -> int:
    """Return how much of a total to pay now, given the customer's balance: negative is credit, positive is debt."""
    whole = max(0, total + balance)
    return whole if whole >= SMALLEST_CHARGE else 0


def _due(balance: int, total: int) -> Object:
    to_pay = due(balance, total)
    return {"amount_due": to_pay, "amount_remaining": to_pay, "starting_balance": balance}


def finalize(account: Account, invoice: Object) -> None:
    """Finalize a draft: number it and settle the customer's balance. An invoice without an amount due is then paid."""
    customer = account.get("customer", invoice["customer"])
    owed = _due(customer["balance"], invoice["total"])
    with account.changing(customer, "customer.updated"):
        number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
        customer["next_invoice_sequence"] += 1
        used = invoice["total"] - owed["amount_due"]
        customer["balance"] += used
    if used:
        entity = shapes.balance_transaction(account.now, customer, used, "applied_to_invoice", invoice["id"])
        account.add(entity)
    base = account.base_url
    with account.changing(invoice, "invoice.finalized", "invoice.updated"):
        invoice |= owed
        invoice |= {
            "automatically_finalizes_at": None,
            "effective_at": account.now,
            "ending_balance": customer["balance"],
            "hosted_invoice_url": f"{base}/i/{invoice['id']}",
            "invoice_pdf": f"{base}/i/{invoice['id']}/pdf",
            "number": number,
            "status": "open",
        }
        invoice["status_transitions"]["finalized_at"] = account.now
    if not invoice["amount_due"]:
        mark_paid(account, invoice, 0)


def mark_paid(account: Account, invoice: Object, amount: int) -> None:
    """Mark an open invoice as paid."""
    with account.changing(invoice, "invoice.updated", "invoice.paid", "invoice.payment_succeeded"):
        invoice |= {
            "amount_paid": amount,
            "amount_remaining": 0,
            "attempted": True,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status": "paid",
        }
        invoice["status_transitions"]["paid_at"] = account.now


def void(account: Account, invoice: Object) -> None:
    """Void an invoice, so that nobody has to pay it. The customer gets back the credit that it has used.

    Source: https://docs.stripe.com/changelog/2019-12-03/customer-balances-returned-voided-invoices.
    """
    if invoice["status"] not in PAYABLE:
        raise StripeError(f"You can only void open invoices; this one is {invoice['status']}.", status=400)
    if _is_being_paid(account, invoice):
        raise StripeError("This invoice has a pending payment and cannot be voided.", status=400)
    if used := invoice["ending_balance"] - invoice["starting_balance"]:
        customer = account.get("customer", invoice["customer"])
        with account.changing(customer, "customer.updated"):
            customer["balance"] -= used
        account.add(shapes.balance_transaction(account.now, customer, -used, "unapplied_from_invoice", invoice["id"]))
    with account.changing(invoice, "invoice.updated", "invoice.voided"):
        invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["voided_at"] = account.now


def _is_being_paid(account: Account, invoice: Object) -> bool:
    """Return whether a payment is under way that is neither made nor failed, such as a bank debit.

    Such an invoice is not voided: seen in useautumn/autumn#2239 and frappe/press#2421.
    """
    intents = [each["payment"]["payment_intent"] for each in account.where("invoice_payment", invoice=invoice["id"])]
    return any(account.get("payment_intent", id)["status"] == "processing" for id in intents)


def give_up(account: Account, invoice: Object, behavior: str) -> None:
    """Collect no invoice of a paused subscription (https://docs.stripe.com/billing/subscriptions/pause-payment)."""
    if behavior == "void":
        void(account, invoice)
        return
    with account.changing(invoice, "invoice.updated", "invoice.marked_uncollectible"):
        invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["marked_uncollectible_at"] = account.now


def subscription_of(account: Account, invoice: Object) -> Object:
    """Return the subscription of an invoice."""
    return account.get("subscription", invoice["parent"]["subscription_details"]["subscription"])


def latest_first(account: Account, subscription: Object) -> list[Object]:
    """Return the invoices of a subscription, latest first."""
    every = account.where("invoice", customer=subscription["customer"])
    return [each for each in every if subscription_of(account, each) is subscription][::-1]
