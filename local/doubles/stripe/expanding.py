"""``expand``: objects in place of their ids, and fields that are shown only on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.doubles.stripe import shapes
from local.doubles.stripe.account import INCLUDABLE, Account, Object, public
from local.doubles.stripe.prices import cost
from local.doubles.stripe.wire import StripeError

DEEPEST = 4


def expanded(account: Account, shown: Object, paths: list[str]) -> Object:
    """Return an answer with these paths expanded. Refuse a path that cannot be expanded."""
    answer: Object = public(shown)
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEEPEST + (parts[0] == "data"):
            raise StripeError(f"You cannot expand more than {DEEPEST} levels of a property.", param="expand")
        _expand(account, answer, parts, path)
    return answer


def _expand(account: Account, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for each in node:
            _expand(account, each, parts, path)
        return
    if node is None or not parts:
        return
    name = parts[0]
    if name in INCLUDABLE.get(node.get("object", ""), ()) and not node.get(name):
        node[name] = public(INCLUDED[name](account, node))
    if name not in node:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(node[name], list):
        node[name] = [_found(account, each, path) for each in node[name]]
    else:
        node[name] = _found(account, node[name], path)
    _expand(account, node[name], parts[1:], path)


def _found(account: Account, value: Any, path: str) -> Any:
    """Return the object of an id. What is no id stays as it is."""
    if not isinstance(value, str):
        return value
    found = account.find(value)
    if found is None:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    return public(found)


def payments_of(account: Account, invoice: Object) -> Object:
    """Return the payments of an invoice."""
    payments = list(account.where("invoice_payment", invoice=invoice["id"]))[::-1]
    return shapes.listed(payments, f"/v1/invoices/{invoice['id']}/payments")


def line_items_of(account: Account, session: Object) -> Object:
    """Return the line items of a checkout."""
    whole = account.get("checkout.session", session["id"])
    price = account.get("price", whole["_price"])
    amount = cost(price, whole["_quantity"])
    less = whole["total_details"]["amount_discount"]
    item = {
        "id": f"li_{session['id'][-24:]}", "object": "item", "adjustable_quantity": None, "amount_discount": less,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount - less, "currency": price["currency"],
        "description": account.get("product", price["product"])["name"], "metadata": {}, "price": price,
        "quantity": whole["_quantity"],
    }  # fmt: skip
    return shapes.listed([item], f"/v1/checkout/sessions/{session['id']}/line_items")


INCLUDED: dict[str, Callable[[Account, Object], Object]] = {"payments": payments_of, "line_items": line_items_of}
