"""Stripe through its own client library, in one pinned API version: the only room that knows it.

Periods are read in both shapes: on the items of a subscription since 2025-03-31 (basil), on the subscription before
(https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end).
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
import stripe

from purser.billing.model import Checkout, Invoice, Status, StripeSubscription
from purser.billing.ports import CheckoutTaken
from purser.errors import PaymentDeclined, PaymentUnavailable

API_VERSION = "2026-10-28.endive"
"""What the pinned library speaks; the account's own default version is never asked."""

CONNECTING_S = 2.0
PATIENCE_S = 4.0
RETRIES = 1
"""A call that is answered by nobody fails twice, within ten seconds."""

CHARGING_S = 12.0
"""How long an answer may take for which Stripe first asks a bank."""

KEPT_FAILURES = 4
"""How many kept failures of one thing are passed over before the library's own random key is used."""

PAGE = 100
USER = "userId"
"""The name in Stripe's metadata under which a customer and a subscription say whose they are."""

PRICE = "priceId"
"""The name in Stripe's metadata under which a page says what is paid on it."""

LATEST_CHECKOUTS = 20

# It logs every request, at another level the fields sent, and Stripe's own texts: see StripeFailure.
logging.getLogger("stripe").setLevel(logging.WARNING)

Object = Mapping[str, Any]

T = TypeVar("T")


class StripeFailure(Exception):
    """What a log may say of Stripe's refusal or outage: its own text may hold a part of our key, or what was sent."""

    def __init__(self, failure: stripe.StripeError) -> None:
        kind = type(failure).__name__
        super().__init__(f"{kind}: status {failure.http_status}, code {failure.code}, request {failure.request_id}")


class StripeGateway:
    """Stripe. ``secret`` gives ``{"apiKey": …}`` as JSON; ``endpoint`` is empty where Stripe itself is meant.

    Every method raises ``purser.errors.PaymentUnavailable`` while Stripe is down, or does not take our requests.
    """

    def __init__(self, secret: Callable[[], str], endpoint: str, success_url: str = "", cancel_url: str = "") -> None:
        self._secret = secret
        self._endpoint = endpoint
        self._success_url, self._cancel_url = success_url, cancel_url
        self._session = requests.Session()
        self._ends_at = math.inf

    def within(self, seconds: float) -> StripeGateway:
        """The same, over the same connections, for calls that have so much time together; afterwards they fail."""
        timed = StripeGateway(self._secret, self._endpoint, self._success_url, self._cancel_url)
        timed._session, timed._ends_at = self._session, time.monotonic() + seconds
        return timed

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        """Makes a customer for a user; at the same time, or within a day, it is the same one. Its id.

        Args:
            instead_of: the deleted customer in whose place it comes.
        """
        key = f"user-{user_id}-{instead_of}" if instead_of else f"user-{user_id}"
        with _translated():
            create = self._api().customers.create
            return _once(key, lambda key: create({"metadata": {USER: user_id}}, key)).id

    def is_deleted(self, customer_id: str) -> bool:
        """Whether somebody has deleted the customer.

        Raises:
            PaymentUnavailable: also where Stripe knows nothing of it: then our key is of another account.
        """
        with _translated():
            return bool(self._api().customers.retrieve(customer_id).to_dict().get("deleted"))

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:
        """All subscriptions that a customer ever had, newest first."""
        with _translated():
            listed = self._api().subscriptions.list({"customer": customer_id, "status": "all", "limit": PAGE})
            found = [subscription_of(each.to_dict()) for each in listed.auto_paging_iter()]
        return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        """Every subscription that has not ended and was begun until then (Unix ms), newest first, streamed."""
        with _translated():
            listed = self._api().subscriptions.list({"limit": PAGE, "created": {"lte": until // 1000}})
            for each in listed.auto_paging_iter():
                yield subscription_of(each.to_dict())

    def checkouts(self, customer_id: str) -> list[Checkout]:
        """The latest pages that were opened for a customer, newest first."""
        with _translated():
            listed = self._api().checkout.sessions.list({"customer": customer_id, "limit": LATEST_CHECKOUTS})
            return [_checkout_of(each.to_dict()) for each in listed.data]

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
        """Opens a page for a price; with the same key it is the same page.

        Raises:
            CheckoutTaken: with the same key one was opened for another price, or is being opened.
        """
        page: stripe.params.checkout.SessionCreateParams = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": user_id,
            "line_items": [{"price": price_id, "quantity": 1}],
            "metadata": {PRICE: price_id},
            "subscription_data": {"metadata": {USER: user_id}},
            "success_url": self._success_url,
            "cancel_url": self._cancel_url,
        }
        with _translated():
            create = self._api().checkout.sessions.create
            try:
                created = _once(key, lambda option: create(page, option))
            except stripe.StripeError as refused:
                if isinstance(refused, stripe.IdempotencyError) or refused.code == "idempotency_key_in_use":
                    raise CheckoutTaken from None
                raise
            return _checkout_of(created.to_dict())

    def close_checkout(self, checkout_id: str) -> None:
        """Ends a page, so that nobody can pay on it any more; one that has ended or was paid stays as it is."""
        with _translated():
            try:
                self._api().checkout.sessions.expire(checkout_id)
            except stripe.InvalidRequestError:
                return

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        """Changes what is given. A new price is prorated and settled at once: waiting for the next invoice, it would
        never be paid by who cancels before. What is not paid is not changed either: Stripe's default would leave the
        larger plan past due, and so give it for the grace time.

        Raises:
            PaymentDeclined: the bank refuses; nothing has changed.
        """
        changes: stripe.params.SubscriptionUpdateParams = {}
        if cancel_at_period_end is not None:
            changes["cancel_at_period_end"] = cancel_at_period_end
        if price_id is not None:
            changes["items"] = [{"id": subscription.item_id, "price": price_id}]
            changes["proration_behavior"] = "always_invoice"
            changes["payment_behavior"] = "error_if_incomplete"
        with _translated():
            api = self._api(PATIENCE_S if price_id is None else CHARGING_S)
            return subscription_of(api.subscriptions.update(subscription.id, changes).to_dict())

    def cancel(self, subscription_id: str) -> None:
        """Ends a subscription now; one that has ended stays as it is."""
        with _translated():
            try:
                self._api().subscriptions.cancel(subscription_id)
            except stripe.InvalidRequestError as refused:
                if refused.code != "resource_missing":
                    raise

    def refund(self, subscription_id: str) -> int:
        """Gives back all that was paid for a subscription and not yet given back, once. What was given back, cents."""
        with _translated():
            invoices = self._api().invoices.list(
                {"subscription": subscription_id, "status": "paid", "limit": PAGE, "expand": ["data.payments"]}
            )
            return sum(
                self._give_back(intent) for each in invoices.auto_paging_iter() for intent in _intents(each.to_dict())
            )

    def _give_back(self, payment_intent: str) -> int:
        create = self._api().refunds.create
        try:
            # Never twice, also under a next key: Stripe gives back no more than was paid.
            created = _once(
                f"refund-{payment_intent}",
                lambda key: create({"payment_intent": payment_intent, "reason": "duplicate"}, key),
            )
        except stripe.InvalidRequestError as refused:
            if refused.code != "charge_already_refunded":
                raise
            return 0
        return created.amount

    def paid_invoices(self, customer_id: str) -> list[Invoice]:
        """All finalized paid invoices of a customer, newest first."""
        with _translated():
            listed = self._api().invoices.list({"customer": customer_id, "status": "paid", "limit": PAGE})
            found = [invoice_of(each.to_dict()) for each in listed.auto_paging_iter()]
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def prices(self, price_ids: list[str]) -> list[Object]:
        """Prices as Stripe has them; those that it does not know are left out."""
        found: list[Object] = []
        with _translated():
            for price_id in price_ids:
                try:
                    found.append(self._api().prices.retrieve(price_id).to_dict())
                except stripe.InvalidRequestError:
                    continue
        return found

    def _api(self, patience_s: float = PATIENCE_S) -> stripe.V1Services:
        """A client: it costs next to nothing, and so has the key of now and the time that is left."""
        return stripe.StripeClient(
            str(json.loads(self._secret())["apiKey"]),
            stripe_version=API_VERSION,
            base_addresses={"api": self._endpoint} if self._endpoint else {},
            max_network_retries=RETRIES,
            http_client=_TimedRequests(self._session, patience_s, self._ends_at),
        ).v1


class _TimedRequests(stripe.RequestsClient):
    """Requests that wait no longer than the moment at which nobody waits for their answer any more."""

    def __init__(self, session: requests.Session, patience_s: float, ends_at: float) -> None:
        super().__init__(session=session)
        self._patience_s = patience_s
        self._ends_at = ends_at

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        """One try; its time is set anew for each, since the library repeats them."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise stripe.APIConnectionError("no time is left", should_retry=False)  # type: ignore[no-untyped-call]
        self._timeout = min(CONNECTING_S, left), min(self._patience_s, left)
        return super().request(method, url, headers, post_data, **more)


def _once(key: str, create: Callable[[stripe.RequestOptions], T]) -> T:
    """What is created under an idempotency key, by whoever came first with it.

    Stripe keeps a failure too, for a day, as the answer to its key (https://docs.stripe.com/api/idempotent_requests).
    Who is given an earlier failure goes on under a next key, which is the same for everybody.
    """
    for attempt in range(KEPT_FAILURES):
        try:
            return create({"idempotency_key": f"{key}-{attempt}"})
        except stripe.StripeError as failure:
            if not (failure.headers or {}).get("idempotent-replayed"):
                raise
    return create({})


def subscription_of(payload: Object) -> StripeSubscription:
    """A subscription as Stripe tells it, in the shape of its version or of those before basil."""
    (item, *_) = payload["items"]["data"]
    price, recurring = item["price"], item["price"]["recurring"]
    metadata = payload["metadata"]
    start, end = (item.get(name) or payload[name] for name in ("current_period_start", "current_period_end"))
    return StripeSubscription(
        id=payload["id"],
        customer_id=_id(payload["customer"]),
        user_id=metadata.get(USER),
        status=Status(payload["status"]),
        item_id=item["id"],
        price_id=price["id"],
        amount=price["unit_amount"],
        currency=price["currency"],
        interval=recurring["interval"],
        trial_period_days=recurring.get("trial_period_days"),
        cancel_at_period_end=payload["cancel_at_period_end"],
        cancel_at=_ms(payload["cancel_at"]),
        current_period_start=start * 1000,
        current_period_end=end * 1000,
        trial_start=_ms(payload["trial_start"]),
        trial_end=_ms(payload["trial_end"]),
        created_at=payload["created"] * 1000,
    )


def invoice_of(payload: Object) -> Invoice:
    """A finalized invoice as Stripe tells it."""
    return Invoice(
        number=payload["number"],
        currency=payload["currency"],
        amount_paid=payload["amount_paid"],
        period_start=_ms(payload["period_start"]),
        period_end=_ms(payload["period_end"]),
        hosted_url=payload["hosted_invoice_url"],
        pdf=payload["invoice_pdf"],
        created_at=payload["created"] * 1000,
    )


def _checkout_of(payload: Object) -> Checkout:
    return Checkout(
        payload["id"], payload["url"] or "", payload["metadata"].get(PRICE) or "", payload["status"] == "open"
    )


def _intents(invoice: Object) -> list[str]:
    payments = invoice.get("payments")
    paid = [each["payment"] for each in (payments["data"] if payments else []) if each["status"] == "paid"]
    return [_id(each["payment_intent"]) for each in paid if each["type"] == "payment_intent"]


def _id(reference: Any) -> str:
    """The id of an object that may have been expanded."""
    return reference if isinstance(reference, str) else str(reference["id"])


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except stripe.CardError as failure:
        raise PaymentDeclined from StripeFailure(failure)
    except stripe.StripeError as failure:
        raise PaymentUnavailable from StripeFailure(failure)
