"""Stripe through its client library, in one pinned API version.

Periods are read from the items of a subscription, or from the subscription before API version 2025-03-31 (basil):
https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end.
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
"""The version of the pinned library, whatever the default version of the account."""

CONNECTING_S = 2.0
PATIENCE_S = 4.0
RETRIES = 1
"""A call without an answer fails within ten seconds, retry included."""

CHARGING_S = 12.0
"""How long an answer may take for which Stripe asks a bank."""

KEPT_FAILURES = 4
"""How many stored failures of one key are skipped before a random key is used."""

PAGE = 100
USER = "userId"
"""The metadata field with the user of a customer or subscription."""

PRICE = "priceId"
"""The metadata field with the price of a page."""

LATEST_CHECKOUTS = 20

# The library logs requests, fields and Stripe's texts: see StripeFailure.
logging.getLogger("stripe").setLevel(logging.WARNING)

Object = Mapping[str, Any]

T = TypeVar("T")


class StripeFailure(Exception):
    """The loggable part of a Stripe error, whose own text may contain sent data or a part of our key."""

    def __init__(self, failure: stripe.StripeError) -> None:
        kind = type(failure).__name__
        super().__init__(f"{kind}: status {failure.http_status}, code {failure.code}, request {failure.request_id}")


class StripeGateway:
    """The gateway to Stripe, or to ``endpoint`` if it is not empty. ``secret`` returns ``{"apiKey": …}`` as JSON."""

    def __init__(self, secret: Callable[[], str], endpoint: str, success_url: str = "", cancel_url: str = "") -> None:
        self._secret = secret
        self._endpoint = endpoint
        self._success_url, self._cancel_url = success_url, cancel_url
        self._session = requests.Session()
        self._ends_at = math.inf

    def within(self, seconds: float) -> StripeGateway:
        """Return a gateway on the same connections, whose calls fail after so many seconds."""
        timed = StripeGateway(self._secret, self._endpoint, self._success_url, self._cancel_url)
        timed._session, timed._ends_at = self._session, time.monotonic() + seconds
        return timed

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        """See the port. A repeat within a day returns the same customer."""
        key = f"user-{user_id}-{instead_of}" if instead_of else f"user-{user_id}"
        with _translated():
            create = self._api().customers.create
            return _once(key, lambda key: create({"metadata": {USER: user_id}}, key)).id

    def is_deleted(self, customer_id: str) -> bool:
        """See the port. An unknown customer raises ``PaymentUnavailable``: our key is of another account then."""
        with _translated():
            return bool(self._api().customers.retrieve(customer_id).to_dict().get("deleted"))

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:
        """See the port."""
        with _translated():
            listed = self._api().subscriptions.list({"customer": customer_id, "status": "all", "limit": PAGE})
            found = [subscription_of(each.to_dict()) for each in listed.auto_paging_iter()]
        return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        """See the port."""
        with _translated():
            listed = self._api().subscriptions.list({"limit": PAGE, "created": {"lte": until // 1000}})
            for each in listed.auto_paging_iter():
                yield subscription_of(each.to_dict())

    def checkouts(self, customer_id: str) -> list[Checkout]:
        """See the port."""
        with _translated():
            listed = self._api().checkout.sessions.list({"customer": customer_id, "limit": LATEST_CHECKOUTS})
            return [_checkout_of(each.to_dict()) for each in listed.data]

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
        """See the port."""
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
        """See the port."""
        with _translated():
            try:
                self._api().checkout.sessions.expire(checkout_id)
            except stripe.InvalidRequestError:
                return

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        """See the port.

        A new price is charged at once, because a later invoice could be avoided by cancelling. If it is declined, the
        price is not changed: Stripe's default would leave the larger plan past due, and so valid for the grace period.
        """
        changes: stripe.params.SubscriptionUpdateParams = {}
        if cancel_at_period_end is not None:
            changes["cancel_at_period_end"] = cancel_at_period_end
        if price_id is not None:
            changes["items"] = [{"id": subscription.item_id, "price": price_id}]
            changes["proration_behavior"] = "always_invoice"
            changes["payment_behavior"] = "error_if_incomplete"
        with _translated():
            api = self._api() if price_id is None else self._api(CHARGING_S)
            return subscription_of(api.subscriptions.update(subscription.id, changes).to_dict())

    def cancel(self, subscription_id: str) -> None:
        """See the port."""
        with _translated():
            try:
                self._api().subscriptions.cancel(subscription_id)
            except stripe.InvalidRequestError as refused:
                if refused.code != "resource_missing":
                    raise

    def refund(self, subscription_id: str) -> int:
        """See the port."""
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
            # Under any key, Stripe refunds no more than was paid.
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
        """See the port."""
        with _translated():
            listed = self._api().invoices.list({"customer": customer_id, "status": "paid", "limit": PAGE})
            found = [invoice_of(each.to_dict()) for each in listed.auto_paging_iter()]
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def prices(self, price_ids: list[str]) -> list[Object]:
        """Return the prices that exist at Stripe, as Stripe returns them."""
        found: list[Object] = []
        with _translated():
            for price_id in price_ids:
                try:
                    found.append(self._api().prices.retrieve(price_id).to_dict())
                except stripe.InvalidRequestError:
                    continue
        return found

    def _api(self, patience_s: float | None = None) -> stripe.V1Services:
        """Return a new client, which costs little, with the current key and the remaining time."""
        return stripe.StripeClient(
            str(json.loads(self._secret())["apiKey"]),
            stripe_version=API_VERSION,
            base_addresses={"api": self._endpoint} if self._endpoint else {},
            max_network_retries=RETRIES,
            http_client=_TimedRequests(self._session, patience_s or PATIENCE_S, self._ends_at),
        ).v1


class _TimedRequests(stripe.RequestsClient):
    """Requests that end at ``ends_at``, when nobody waits for their answer any more."""

    def __init__(self, session: requests.Session, patience_s: float, ends_at: float) -> None:
        super().__init__(session=session)
        self._patience_s = patience_s
        self._ends_at = ends_at

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Make one try, with a timeout of its own, because the library retries."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise stripe.APIConnectionError("no time is left", should_retry=False)  # type: ignore[no-untyped-call]
        self._timeout = min(CONNECTING_S, left), min(self._patience_s, left)
        return super().request(method, url, headers, post_data, **more)


def _once(key: str, create: Callable[[stripe.RequestOptions], T]) -> T:
    """Create an object under an idempotency key, or return the one that was created under it.

    Stripe stores failures under a key too, for a day (https://docs.stripe.com/api/idempotent_requests). After a stored
    failure, the next key is tried, which is the same for all callers.
    """
    for attempt in range(KEPT_FAILURES):
        try:
            return create({"idempotency_key": f"{key}-{attempt}"})
        except stripe.StripeError as failure:
            if not (failure.headers or {}).get("idempotent-replayed"):
                raise
    return create({})


def subscription_of(payload: Object) -> StripeSubscription:
    """Read a subscription, in the shape of this API version or of those before basil."""
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
    """Read a finalized invoice."""
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
    """Return the id of an object that may be expanded."""
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
