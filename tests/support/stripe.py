"""Stripe's client library against the double, and an endpoint for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Unpack

import stripe
from stripe.params import CustomerCreateParams, EventListParams, SubscriptionUpdateParams
from stripe.params.checkout import SessionCreateParams

from local.doubles.stripe import Served, StripeControl

SUCCESS_URL = "http://127.0.0.1:9/paid?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://127.0.0.1:9/not-paid"
PRICES = {"BASIC": 2000, "ADVANCED": 4000, "PROFESSIONAL": 6000}


def price_of(plan: str) -> str:
    return f"price_purser_{plan.lower()}"


def id_of(reference: str | stripe.StripeObject | None) -> str:
    """Return the id in a field that the request did not expand."""
    assert isinstance(reference, str)
    return reference


def page_of(session: stripe.checkout.Session) -> str:
    """Return the address of the page of an open checkout session."""
    assert session.url is not None
    return session.url


class Stripe:
    """A double, with a client of Stripe's library under ``v1``."""

    def __init__(self, served: Served, **options: Any):
        self.url = served.url
        self.keys = served.keys
        self.control: StripeControl = served.control
        self.client = self.new_client(**options)
        self.v1 = self.client.v1

    def new_client(self, api_key: str = "", **options: Any) -> stripe.StripeClient:
        """Return a new client, without retries by default."""
        given = {"max_network_retries": 0, **options}
        return stripe.StripeClient(api_key or self.keys.api_key, base_addresses={"api": self.url}, **given)

    def customer(self, **fields: Unpack[CustomerCreateParams]) -> stripe.Customer:
        return self.v1.customers.create({"email": "jenny@example.com", **fields})

    def checkout(self, plan: str = "BASIC", **fields: Unpack[SessionCreateParams]) -> stripe.checkout.Session:
        """Open a checkout session."""
        base: SessionCreateParams = {
            "mode": "subscription",
            "line_items": [{"price": price_of(plan), "quantity": 1}],
            "success_url": SUCCESS_URL,
            "cancel_url": CANCEL_URL,
        }
        return self.v1.checkout.sessions.create({**base, **fields})

    def subscribe(
        self, plan: str = "BASIC", action: str = "pay", **fields: Unpack[SessionCreateParams]
    ) -> stripe.Subscription:
        """Pay a checkout in the browser, and return its subscription."""
        if "customer" not in fields:
            fields["customer"] = self.customer().id
        session = self.checkout(plan, **fields)
        assert self.control.click(page_of(session), action) == SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)
        return self.subscription(id_of(self.v1.checkout.sessions.retrieve(session.id).subscription))

    def subscription(self, id: str) -> stripe.Subscription:
        return self.v1.subscriptions.retrieve(id)

    def change_plan(
        self, subscription: stripe.Subscription, plan: str, **fields: Unpack[SubscriptionUpdateParams]
    ) -> stripe.Subscription:
        item_id = subscription["items"].data[0].id
        return self.v1.subscriptions.update(
            subscription.id, {"items": [{"id": item_id, "price": price_of(plan)}], **fields}
        )

    def discount(self, subscription: stripe.Subscription, duration: str, percent_off: int) -> None:
        """Discount a subscription, a repeating discount for two months."""
        months = {"duration_in_months": 2} if duration == "repeating" else {}
        fields: Any = {"duration": duration, "percent_off": percent_off, **months}
        wanted: Any = [{"coupon": self.v1.coupons.create(fields).id}]
        self.v1.subscriptions.update(subscription.id, {"discounts": wanted})

    def invoices(self, subscription: stripe.Subscription) -> list[stripe.Invoice]:
        """Return the invoices of a subscription, newest first."""
        return list(self.v1.invoices.list({"subscription": subscription.id}).auto_paging_iter())

    def events(self, *types: str) -> list[stripe.Event]:
        """Return events of these types, or all, oldest first."""
        params: EventListParams = {"limit": 100, "types": list(types)} if types else {"limit": 100}
        return list(self.v1.events.list(params).auto_paging_iter())[::-1]


@dataclass
class Delivered:
    """A webhook as it was delivered."""

    body: bytes
    signature: str


class Endpoint:
    """Receives webhooks. ``answer`` decides the status of each; events answered with 2xx are in ``taken``."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.answer: Callable[[Any], int] = lambda event: 200
        self.came: list[Delivered] = []
        self.taken: list[Any] = []

    def take(self, delivered: Delivered) -> int:
        self.came.append(delivered)
        event = stripe.Webhook.construct_event(delivered.body, delivered.signature, self.secret)
        status = self.answer(event)
        if status < 300:
            self.taken.append(event)
        return status

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.taken]


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Serve an endpoint on loopback."""
    opened = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status = opened.take(Delivered(body, self.headers["Stripe-Signature"]))
            except stripe.SignatureVerificationError:
                status = 400
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    opened.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield opened
    server.shutdown()
    server.server_close()
