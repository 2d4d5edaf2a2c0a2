"""The state of the one Stripe account: its objects, in their wire format, and its events.

A field whose name begins with an underscore is the double's own and never leaves it.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from local.doubles.kit.store import Store
from local.doubles.stripe.wire import API_VERSION, missing

Object = dict[str, Any]

ALPHABET = string.ascii_letters + string.digits
KINDS = {
    "cus": "customer", "prod": "product", "price": "price", "cs": "checkout.session", "sub": "subscription",
    "in": "invoice", "ii": "invoiceitem", "inpay": "invoice_payment", "pi": "payment_intent", "ch": "charge",
    "cbtxn": "customer_balance_transaction", "sub_sched": "subscription_schedule",
    "pm": "payment_method", "re": "refund", "evt": "event", "we": "webhook_endpoint", "di": "discount",
    "promo": "promotion_code",
}  # fmt: skip
# Shown only if a request asks to expand it.
INCLUDABLE = {"invoice": ("payments",), "checkout.session": ("line_items",)}
STORED = "object"
SETTINGS: Object = {"retryDays": [3, 5, 7], "afterRetries": "cancel", "deletedCustomers": "listed"}
"""The settings of the account's owner, and where Stripe is known to behave in two ways.

``retryDays`` are the days between tries to collect an unpaid invoice, and ``afterRetries`` is what happens to the
subscription after the last. ``deletedCustomers``: whether lists of a deleted customer's objects are "listed" or
"refused".
"""


def new_id(prefix: str, length: int = 24) -> str:
    """Return an id like Stripe's."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(length))}"


def copied(value: Any) -> Any:
    """Return a copy of JSON. It takes a fraction of the time of ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def public(value: Any) -> Any:
    """Return a copy without the double's own fields and those shown on demand."""
    if isinstance(value, list):
        return [public(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("object")
    hidden = INCLUDABLE.get(kind, ()) if isinstance(kind, str) else ()
    return {name: public(each) for name, each in value.items() if not name.startswith("_") and name not in hidden}


class Account:
    """All objects, and the current time. Used only under the double's lock."""

    def __init__(self, store: Store):
        self.store = store
        self.now = 0
        self.request: Object = {"id": None, "idempotency_key": None}
        self.base_url = ""
        self.settings: Object = {**SETTINGS, **dict(store.load("settings", dict)).get("settings", {})}
        self.on_event: Callable[[Object], None] = lambda event: None
        self._objects: dict[str, dict[str, Object]] = {}
        self._count = 0
        stored = sorted((each for _, each in store.load(STORED, dict)), key=lambda each: each["count"])
        for each in stored:
            self._objects.setdefault(each["body"]["object"], {})[each["body"]["id"]] = each["body"]
            self._count = each["count"]

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind, oldest first."""
        return list(self._objects.get(kind, {}).values())

    def where(self, kind: str, **fields: Any) -> Iterator[Object]:
        """Return the objects of a kind whose fields have these values, oldest first."""
        for each in self.all(kind):
            if all(each.get(name) == value for name, value in fields.items()):
                yield each

    def find(self, id: str, kind: str | None = None) -> Object | None:
        """Return an object by its id, or None."""
        # The id of a coupon is any text.
        named = KINDS.get(id.rpartition("_")[0]) or KINDS.get(id.partition("_")[0], "coupon")
        return self._objects.get(kind or named, {}).get(id)

    def get(self, kind: str, id: str | None, param: str | None = None) -> Object:
        """Return the object that a path or a parameter names. Raise Stripe's error if there is none.

        A parameter cannot name a deleted customer.
        """
        found = self.find(id or "", kind)
        if found is None or (param and found.get("_deleted")):
            raise missing(kind.rpartition(".")[2], id or "", param)
        return found

    def add(self, entity: Object, *events: str) -> Object:
        """Store a new object, and send its events."""
        self._count += 1
        self._objects.setdefault(entity["object"], {})[entity["id"]] = entity
        entity["_count"] = self._count
        self.save(entity)
        for event in events:
            self.emit(event, entity)
        return entity

    def save(self, changed: Object) -> None:
        """Store an object with the turn."""
        self.store.put(STORED, changed["id"], {"count": changed["_count"], "body": changed})

    def remove(self, gone: Object) -> None:
        """Delete an object."""
        del self._objects[gone["object"]][gone["id"]]
        self.store.remove(STORED, gone["id"])

    def change_settings(self, **changed: Any) -> None:
        """Set what the account's owner would set in the dashboard."""
        self.settings |= changed
        self.store.put("settings", "settings", self.settings)

    @contextmanager
    def changing(self, changed: Object, *events: str) -> Iterator[Object]:
        """Store the changes that the block makes to an object, and send its events if it has changed."""
        before = copied(changed)
        yield changed
        if changed == before:
            return
        self.save(changed)
        for event in events:
            self.emit(event, changed, differences(public(before), public(changed)))

    def emit(self, type: str, about: Object, previous: Object | None = None) -> None:
        """Make an event. It goes to the endpoints at the end of the turn."""
        shown: Object = {"object": public(about)}
        event = {
            "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": self.now,
            "data": shown if previous is None else shown | {"previous_attributes": previous},
            "livemode": False, "pending_webhooks": 0, "request": dict(self.request), "type": type,
        }  # fmt: skip
        self.add(event)
        self.on_event(event)

    def clear(self) -> None:
        """Delete everything."""
        self._objects.clear()
        self.store.clear(STORED)


def differences(before: Object, after: Object) -> Object:
    """Return the earlier values of the fields that differ. Of a group, return only the fields that differ."""
    changed = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old != new:
            changed[name] = differences(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return changed
