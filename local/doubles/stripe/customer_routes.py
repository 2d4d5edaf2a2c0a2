"""Customers and their cards."""

from __future__ import annotations

import re

from local.doubles.stripe import shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.collecting import ENDED
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.subscriptions import cancel_now
from local.doubles.stripe.wire import StripeError

router = Router()

FIELDS = "email name description phone metadata invoice_settings.default_payment_method"
TEXTS = ("email", "name", "description", "phone")
CLAUSE = re.compile(r"""\s*(?:metadata\[["']([^"']+)["']\]|(email|name)):["']([^"']*)["']\s*""")


@router.endpoint("POST", "/v1/customers", FIELDS)
def create(call: Call) -> Object:
    customer = shapes.customer(call.account.now)
    _set(call, customer)
    return call.account.add(customer, "customer.created")


@router.endpoint("POST", "/v1/customers/{id}", FIELDS)
def update(call: Call) -> Object:
    customer = call.account.get("customer", call.id, "id")
    with call.account.changing(customer, "customer.updated"):
        _set(call, customer)
    return customer


def _set(call: Call, customer: Object) -> None:
    """Set the sent fields. Everything is checked before anything changes."""
    params = call.params
    texts = {name: params.text(name) for name in TEXTS if name in params}
    metadata = params.metadata(customer["metadata"])
    settings = params.group("invoice_settings")
    card = settings.text("default_payment_method")
    if card:
        call.account.get("payment_method", card, settings.name("default_payment_method"))
    customer |= {**texts, "metadata": metadata}
    if "default_payment_method" in settings:
        customer["invoice_settings"]["default_payment_method"] = card


@router.endpoint("GET", "/v1/customers/search", "query limit page")
def search(call: Call) -> Object:
    """Search by clauses of metadata, email and name, joined by AND (https://docs.stripe.com/search)."""
    clauses = [CLAUSE.fullmatch(each) for each in re.split(r"\bAND\b", call.params.required("query"))]
    found = _not_deleted(call.account)[::-1]
    for clause in clauses:
        if clause is None:
            raise StripeError("We were unable to parse your search query.", param="query")
        meta, field, value = clause.groups()
        found = [each for each in found if (each["metadata"].get(meta) if meta else each[field]) == value]
    size = call.params.integer("limit", 10, 1) or 10
    start = call.params.integer("page", 0, 0) or 0
    more = start + size < len(found)
    return {
        "object": "search_result",
        "data": found[start : start + size],
        "has_more": more,
        "next_page": str(start + size) if more else None,
        "url": call.path,
    }


@router.endpoint("GET", "/v1/customers/{id}")
def retrieve(call: Call) -> Object:
    """Return a customer, or only the fact that it was deleted."""
    customer = call.account.get("customer", call.id)
    return _gone(customer) if customer.get("_deleted") else customer


@router.endpoint("DELETE", "/v1/customers/{id}")
def delete(call: Call) -> Object:
    """End the subscriptions. The payments stay (https://docs.stripe.com/api/customers/delete)."""
    account = call.account
    customer = account.get("customer", call.id, "id")
    for subscription in account.where("subscription", customer=call.id):
        if subscription["status"] not in ENDED:
            cancel_now(account, subscription, prorate=False, invoice_now=False)
    account.emit("customer.deleted", customer)
    with account.changing(customer):
        customer["_deleted"] = True
    return _gone(customer)


def _gone(customer: Object) -> Object:
    return {"id": customer["id"], "object": "customer", "deleted": True}


def _not_deleted(account: Account) -> list[Object]:
    return [each for each in account.all("customer") if not each.get("_deleted")]


@router.endpoint("GET", "/v1/customers", f"{PAGING} {CREATED} email")
def list_all(call: Call) -> Object:
    return call.page(call.created(call.matching(_not_deleted(call.account), "email")))


@router.endpoint("GET", "/v1/payment_methods", f"{PAGING} customer type")
def list_cards(call: Call) -> Object:
    return call.page(call.matching(call.account.all("payment_method"), "customer", "type"))


@router.endpoint("POST", "/v1/payment_methods/{id}/detach")
def detach_card(call: Call) -> Object:
    card = call.account.get("payment_method", call.id)
    if card["customer"] is None:
        raise StripeError("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = call.account.get("customer", card["customer"])
    with call.account.changing(card, "payment_method.detached"):
        card["customer"] = None
    with call.account.changing(customer, "customer.updated"):
        if customer["invoice_settings"]["default_payment_method"] == card["id"]:
            customer["invoice_settings"]["default_payment_method"] = None
    return card


@router.endpoint("POST", "/v1/customers/{id}/balance_transactions", "amount currency description metadata")
def create_balance_transaction(call: Call) -> Object:
    """Give a customer credit, or take it: https://docs.stripe.com/api/customer_balance_transactions/create."""
    customer, params = call.account.get("customer", call.id, "id"), call.params
    params.required("currency")
    params.required("amount")
    with call.account.changing(customer, "customer.updated"):
        customer["balance"] += params.integer("amount") or 0
    amount = params.integer("amount") or 0
    entity = shapes.balance_transaction(call.account.now, customer, amount, "adjustment")
    entity |= {"description": params.text("description"), "metadata": params.metadata()}
    return call.account.add(entity)


@router.endpoint("GET", "/v1/customers/{id}/balance_transactions", f"{PAGING} {CREATED} invoice")
def list_balance_transactions(call: Call) -> Object:
    customer = call.account.get("customer", call.id)
    every = call.account.where("customer_balance_transaction", customer=customer["id"])
    return call.page(call.created(call.matching(every, "invoice")))


@router.endpoint("GET", "/v1/payment_methods/{id}")
def retrieve_card(call: Call) -> Object:
    return call.account.get("payment_method", call.id)
