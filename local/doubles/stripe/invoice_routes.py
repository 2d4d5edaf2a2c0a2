"""Invoices, their payments, and refunds."""

from __future__ import annotations

from local.doubles.stripe import invoices, payments
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.collecting import collect
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.subscriptions import finalize_and_collect
from local.doubles.stripe.wire import Params, StripeError

router = Router()

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


@router.endpoint("GET", "/v1/invoices/{id}")
def retrieve(call: Call) -> Object:
    return call.account.get("invoice", call.id)


@router.endpoint("GET", "/v1/invoices", f"{PAGING} {CREATED} customer status subscription collection_method")
def list_all(call: Call) -> Object:
    every = call.matching(call.of_customer(call.account.all("invoice")), "status", "collection_method")
    wanted = call.params.text("subscription")
    if wanted:
        every = [each for each in every if each["parent"]["subscription_details"]["subscription"] == wanted]
    return call.page(call.created(every))


@router.endpoint("GET", "/v1/invoices/{id}/lines", PAGING)
def list_lines(call: Call) -> Object:
    return call.page(call.account.get("invoice", call.id)["lines"]["data"][::-1])


@router.endpoint("POST", "/v1/invoices/{id}/finalize", "auto_advance")
def finalize(call: Call) -> Object:
    invoice = _invoice(call, "draft")
    if call.params.flag("auto_advance", True):
        finalize_and_collect(call.account, invoice)
    else:
        invoices.finalize(call.account, invoice)
    return invoice


@router.endpoint("POST", "/v1/invoices/{id}/pay", "payment_method")
def pay(call: Call) -> Object:
    account = call.account
    invoice = _invoice(call, *invoices.PAYABLE)
    id = call.params.text("payment_method")
    card = account.get("payment_method", id, "payment_method") if id else None
    if not collect(account, invoice, card):
        raise StripeError(
            payments.DECLINED, "card_declined", status=402, type="card_error", decline_code="generic_decline"
        )
    return invoice


@router.endpoint("POST", "/v1/invoices/{id}/void")
def void(call: Call) -> Object:
    invoice = call.account.get("invoice", call.id)
    invoices.void(call.account, invoice)
    return invoice


def _invoice(call: Call, *statuses: str) -> Object:
    invoice = call.account.get("invoice", call.id)
    if invoice["status"] not in statuses:
        text = "Invoice is already paid" if invoice["status"] == "paid" else f"This invoice is {invoice['status']}."
        raise StripeError(text, "invoice_not_editable" if "draft" in statuses else None)
    return invoice


@router.endpoint("GET", "/v1/invoice_payments", f"{PAGING} invoice status payment.type payment.payment_intent")
def list_payments(call: Call) -> Object:
    every = call.matching(call.account.all("invoice_payment"), "invoice", "status")
    intent = call.params.group("payment").text("payment_intent")
    return call.page(each for each in every if intent in (None, each["payment"]["payment_intent"]))


@router.endpoint("GET", "/v1/invoice_payments/{id}")
def retrieve_payment(call: Call) -> Object:
    return call.account.get("invoice_payment", call.id)


@router.endpoint("GET", "/v1/payment_intents/{id}")
def retrieve_intent(call: Call) -> Object:
    return call.account.get("payment_intent", call.id)


@router.endpoint("GET", "/v1/payment_intents", f"{PAGING} {CREATED} customer")
def list_intents(call: Call) -> Object:
    return call.page(call.created(call.matching(call.account.all("payment_intent"), "customer")))


@router.endpoint("GET", "/v1/charges/{id}")
def retrieve_charge(call: Call) -> Object:
    return call.account.get("charge", call.id)


@router.endpoint("GET", "/v1/charges", f"{PAGING} {CREATED} customer payment_intent")
def list_charges(call: Call) -> Object:
    return call.page(call.created(call.matching(call.account.all("charge"), "customer", "payment_intent")))


@router.endpoint("GET", "/v1/invoiceitems", f"{PAGING} {CREATED} customer invoice pending")
def list_items(call: Call) -> Object:
    every = call.created(call.matching(call.account.all("invoiceitem"), "customer", "invoice"))
    if "pending" in call.params:
        pending = call.params.flag("pending")
        every = [each for each in every if (each["invoice"] is None) == pending]
    return call.page(every)


@router.endpoint("POST", "/v1/refunds", "charge payment_intent amount reason metadata")
def refund(call: Call) -> Object:
    account, params = call.account, call.params
    charge = _charge(account, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        # https://docs.stripe.com/error-codes#charge-disputed, seen in getlago/lago-api#6257.
        raise StripeError(f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge_disputed")
    if charge["refunded"]:
        raise StripeError(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    amount = params.integer("amount", left, 1) or left
    if amount > left:
        raise StripeError(
            f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})",
            param="amount",
        )
    return payments.refund(account, charge, amount, params.choice("reason", REASONS), params.metadata())


def _charge(account: Account, params: Params) -> Object:
    """Return the successful charge that the request names."""
    if "payment_intent" not in params:
        charge = account.get("charge", params.required("charge"), "charge")
    else:
        intent = account.get("payment_intent", params.text("payment_intent"), "payment_intent")
        if intent["status"] != "succeeded":
            raise StripeError("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
        charge = account.get("charge", intent["latest_charge"])
    if not charge["paid"]:
        raise StripeError("This charge has failed and cannot be refunded.", param="charge")
    return charge


@router.endpoint("POST", "/v1/refunds/{id}", "metadata")
def update_refund(call: Call) -> Object:
    refund = call.account.get("refund", call.id)
    metadata = call.params.metadata(refund["metadata"])
    with call.account.changing(refund, "refund.updated"):
        refund["metadata"] = metadata
    return refund


@router.endpoint("GET", "/v1/refunds/{id}")
def retrieve_refund(call: Call) -> Object:
    return call.account.get("refund", call.id)


@router.endpoint("GET", "/v1/refunds", f"{PAGING} {CREATED} charge payment_intent")
def list_refunds(call: Call) -> Object:
    return call.page(call.created(call.matching(call.account.all("refund"), "charge", "payment_intent")))
