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
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Literal, TypeVar

import requests
import stripe

from purser.billing.model import RUNNING, Checkout, Invoice, Prices, Refund, Status, StripeSubscription, is_live
from purser.billing.ports import CheckoutTaken
from purser.errors import PaymentDeclined, PaymentRefused, PaymentUnavailable, StripeCustomerUnknown

API_VERSION = "2026-10-28.endive"
"""The version of the pinned library, whatever the default version of the account."""

CONNECTING_S = 2.0
PATIENCE_S = 4.0
RETRIES = 1
"""A call without an answer fails within ten seconds, retry included."""

CHARGING_S = 12.0
"""The time that Stripe has for an answer when it must ask a bank."""

KEPT_FAILURES = 4
"""The number of stored failures of one key that are skipped before a random key is used."""

PAGE = 100
USER = "userId"
"""The metadata field with the user of a customer or subscription."""

PRICE = "priceId"
"""The metadata field with the price of a page."""

RESTORED = "restoredInvoice"
"""The metadata field with the invoice whose credit a balance transaction restores."""

PAYABLE = ("open", "uncollectible")
"""The statuses of invoices that can be paid (https://docs.stripe.com/invoicing/overview#invoice-statuses)."""

LATEST_CHECKOUTS = 100
MISSING = "resource_missing"

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
    """The gateway to Stripe, or to ``endpoint`` if it is not empty. ``secret`` returns ``{"apiKey": …}`` as JSON.

    With ``live_only``, a key of test mode counts as an outage: it would give plans away.
    """

    def __init__(
        self,
        secret: Callable[[], str],
        endpoint: str,
        prices: Prices,
        success_url: str = "",
        cancel_url: str = "",
        *,
        live_only: bool = False,
    ) -> None:
        self._secret = secret
        self._live_only = live_only
        self._endpoint = endpoint
        self._prices = prices
        self._success_url, self._cancel_url = success_url, cancel_url
        self._session = requests.Session()
        self._ends_at = math.inf

    def within(self, seconds: float) -> StripeGateway:
        """Return a gateway on the same connections, whose calls fail after so many seconds."""
        urls = self._success_url, self._cancel_url
        timed = StripeGateway(self._secret, self._endpoint, self._prices, *urls, live_only=self._live_only)
        timed._session, timed._ends_at = self._session, time.monotonic() + seconds
        return timed

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        """Create a customer. A repeat within a day returns the same one."""
        key = f"user-{user_id}-{instead_of}" if instead_of else f"user-{user_id}"
        with _translated():
            create = self._api().customers.create
            return _once(key, lambda key: create({"metadata": {USER: user_id}}, key)).id

    def is_deleted(self, customer_id: str) -> bool:
        with _translated():
            try:
                return bool(self._api().customers.retrieve(customer_id).to_dict().get("deleted"))
            except stripe.InvalidRequestError as refused:
                if refused.code == MISSING:
                    raise StripeCustomerUnknown from StripeFailure(refused)
                raise

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:

        def read() -> list[StripeSubscription]:
            listed = self._listed("subscriptions", customer=customer_id, status="all")
            return [subscription_of(each, self._prices) for each in listed]

        found = self._of_customer(customer_id, read)
        return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)

    def subscription(self, subscription_id: str) -> StripeSubscription | None:
        with _translated():
            try:
                return subscription_of(self._api().subscriptions.retrieve(subscription_id).to_dict(), self._prices)
            except stripe.InvalidRequestError as refused:
                if refused.code == MISSING:
                    return None
                raise

    def _of_customer(self, customer_id: str, read: Callable[[], list[T]]) -> list[T]:
        """Read a list of a customer's objects. If Stripe refuses it for a deleted customer, the list is empty."""
        with _translated():
            try:
                return read()
            except stripe.InvalidRequestError as refused:
                if refused.code == MISSING and self.is_deleted(customer_id):
                    return []
                raise

    def _listed(self, path: str, **asked: Any) -> Iterator[Object]:
        """Yield the objects of a list as Stripe sends them. The library takes several times as long to build its own.

        Pagination: https://docs.stripe.com/api/pagination.
        """
        client, more = self._client(), True
        while more:
            page: Any = client.raw_request("get", f"/v1/{path}", limit=PAGE, **asked).data
            yield from page["data"]
            more = page["has_more"]
            if more:
                asked["starting_after"] = page["data"][-1]["id"]

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        with _translated():
            for each in self._listed("subscriptions", created={"lte": until // 1000}):
                yield subscription_of(each, self._prices)

    def checkouts(self, customer_id: str) -> list[Checkout]:

        def read() -> list[Checkout]:
            listed = self._listed("checkout/sessions", customer=customer_id)
            return [_checkout_of(each) for each in islice(listed, LATEST_CHECKOUTS)]

        return [page for page in self._of_customer(customer_id, read) if page.price_id]

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
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
        with _translated():
            try:
                self._api().checkout.sessions.expire(checkout_id)
            except stripe.InvalidRequestError:
                return

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        """Change a subscription, and charge a new price at once: a later invoice could be avoided by cancelling.

        If it is declined, the price is not changed: Stripe's default would leave the larger plan past due, and so valid
        for the grace period.
        """
        changes: stripe.params.SubscriptionUpdateParams = {}
        if cancel_at_period_end is False and subscription.cancel_at and not subscription.cancel_at_period_end:
            # Stripe's portal sets this field alone, and Stripe refuses both fields in one request.
            changes["cancel_at"] = ""
        elif cancel_at_period_end is not None:
            changes["cancel_at_period_end"] = cancel_at_period_end
        if price_id is not None:
            changes["items"] = [{"id": subscription.item_id, "price": price_id}]
            changes["proration_behavior"] = "always_invoice"
            changes["payment_behavior"] = "error_if_incomplete"
        with _translated():
            if cancel_at_period_end is not None:
                # A schedule refuses any change of the end.
                self._release(subscription.schedule_id)
            api = self._api() if price_id is None else self._api(CHARGING_S)
            changed = api.subscriptions.update(subscription.id, changes)
            if cancel_at_period_end is None:
                # The next phase of a schedule would undo the change of plan. A declined one leaves the schedule alone.
                self._release(subscription.schedule_id)
            return subscription_of(changed.to_dict(), self._prices)

    def _release(self, schedule_id: str | None) -> None:
        if schedule_id is not None:
            self._api().subscription_schedules.release(schedule_id)

    def cancel(self, subscription_id: str) -> bool:
        """End a subscription, and void its invoices that can still be paid, because their pages outlive it."""
        with _translated():
            try:
                self._api().subscriptions.cancel(subscription_id)
            except stripe.InvalidRequestError as refused:
                if refused.code != MISSING:
                    raise
            payable = [each for each in self._invoices(subscription_id) if each["status"] in PAYABLE]
            voided = [self._void(each["id"]) for each in payable]
            return all(voided)

    def _void(self, invoice_id: str) -> bool:
        """Void an invoice, and return whether it cannot be paid any more.

        Stripe voids none whose payment is under way. Seen in useautumn/autumn#2239 and frappe/press#2421.
        """
        api = self._api().invoices
        try:
            api.void_invoice(invoice_id)
        except stripe.InvalidRequestError:
            return api.retrieve(invoice_id).status not in PAYABLE  # if it was paid meanwhile
        return True

    def refund(self, subscription_id: str, beside: str) -> Refund:
        with _translated():
            ran = self._running_times(beside)
            done = Refund()
            for invoice in self._invoices(subscription_id, "paid"):
                paid_at = invoice["status_transitions"]["paid_at"] or invoice["created"]
                if any(start <= paid_at < end for start, end in ran):
                    done = self._give_back(invoice, done)
            return done

    def _running_times(self, subscription_id: str) -> list[tuple[int, float]]:
        """Return the times (Unix s) in which a subscription ran: those that it was charged for, its trial, its period.

        The invoices of an unpaid subscription stay drafts. If it does not run any more, the duplicate was marked
        before, and has given no plan since. So the last time that it was charged for has no end.
        """
        subscription = self._api().subscriptions.retrieve(subscription_id).to_dict()
        lines = [line for each in self._invoices(subscription_id) if each["status"] != "draft" for line in _lines(each)]
        times: list[tuple[int, float]] = [(line["period"]["start"], line["period"]["end"]) for line in lines]
        if subscription["trial_start"]:
            times.append((subscription["trial_start"], subscription["trial_end"]))
        if subscription["status"] in RUNNING:
            times += [_period_of(item, subscription) for item in subscription["items"]["data"]]
        else:
            times.append((max((start for start, _ in times), default=subscription["created"]), math.inf))
        return times

    def _invoices(self, subscription_id: str, status: Literal["open", "paid"] | None = None) -> Iterator[Object]:
        with_status = {"status": status} if status else {}
        return self._listed("invoices", subscription=subscription_id, expand=["data.payments"], **with_status)

    def _give_back(self, invoice: Object, done: Refund) -> Refund:
        """Give back what an invoice took from cards and from the customer's credit. Add it to what was done."""
        steps = [partial(self._refund, kind, reference) for kind, reference in _payments(invoice)]
        # A negative figure is credit that a change of plan gave. It goes with the payment that it came from.
        credit = (invoice["ending_balance"] or 0) - (invoice["starting_balance"] or 0)
        if credit:
            steps.append(partial(self._restore_credit, invoice, credit))
        for step in steps:
            try:
                done = replace(done, cents=done.cents + step())
            except stripe.InvalidRequestError as refused:
                # It would be refused every time, and must not keep the others from being made.
                done = replace(done, refused=(*done.refused, refused.code or "invalid_request"))
        return done

    def _refund(self, kind: str, reference: str) -> int:
        create = self._api().refunds.create
        asked: Any = {kind: reference, "reason": "duplicate"}
        try:
            # Under any key, Stripe refunds no more than was paid.
            return _once(f"refund-{reference}", lambda key: create(asked, key)).amount
        except stripe.InvalidRequestError as refused:
            if refused.code != "charge_already_refunded":
                raise
            return 0

    def _restore_credit(self, invoice: Object, cents: int) -> int:
        transactions, customer_id = self._api().customers.balance_transactions, _id(invoice["customer"])
        asked: stripe.params.CustomerBalanceTransactionCreateParams = {
            "amount": -cents,
            "currency": invoice["currency"],
            "description": "Credit that a duplicate subscription used",
            "metadata": {RESTORED: invoice["id"]},
        }

        def restore(key: stripe.RequestOptions) -> int:
            existing = self._listed(f"customers/{customer_id}/balance_transactions")
            if any(each["metadata"].get(RESTORED) == invoice["id"] for each in existing):
                return 0
            transactions.create(customer_id, asked, key)
            return cents

        return _once(f"credit-{invoice['id']}", restore)

    def open_invoice_url(self, subscription_id: str) -> str | None:
        with _translated():
            urls = (invoice["hosted_invoice_url"] for invoice in self._invoices(subscription_id, "open"))
            return next((str(url) for url in urls if url), None)

    def paid_invoices(self, customer_id: str) -> list[Invoice]:

        def read() -> list[Object]:
            return list(self._listed("invoices", customer=customer_id, status="paid"))

        found = self._of_customer(customer_id, read)
        ours = [invoice_of(each) for each in found if self._is_ours(each)]
        return sorted(ours, key=lambda each: each.created_at, reverse=True)

    def _is_ours(self, invoice: Object) -> bool:
        """Tell whether an invoice is for a subscription that Purser sold, by its metadata or by a price."""
        about = (invoice.get("parent") or {}).get("subscription_details") or {}
        if USER in (about.get("metadata") or {}):
            return True
        priced = [(line.get("pricing") or {}).get("price_details") or {} for line in _lines(invoice)]
        return any(self._prices.plan(_id(each["price"])) for each in priced if each.get("price"))

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
        return self._client(patience_s).v1

    def _client(self, patience_s: float | None = None) -> stripe.StripeClient:
        """Return a new client, which costs little, with the current key and the remaining time."""
        api_key = str(json.loads(self._secret())["apiKey"])
        if self._live_only and not is_live(api_key):
            raise PaymentUnavailable from ValueError("the API key of Stripe is of test mode")
        return stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self._endpoint} if self._endpoint else {},
            max_network_retries=RETRIES,
            http_client=_TimedRequests(self._session, patience_s or PATIENCE_S, self._ends_at),
        )


class _TimedRequests(stripe.RequestsClient):
    """Requests that end at ``ends_at``, after which the caller no longer waits for an answer."""

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
    failure, the next key is tried, which is the same for all callers. The failure may have come after the object was
    created, so ``create`` must look for it if a second one does harm.
    """
    for attempt in range(KEPT_FAILURES):
        try:
            return create({"idempotency_key": f"{key}-{attempt}"})
        except stripe.StripeError as failure:
            if not (failure.headers or {}).get("idempotent-replayed"):
                raise
    return create({})


def subscription_of(payload: Object, prices: Prices) -> StripeSubscription:
    """Read a subscription, in the shape of this API version or of those before basil."""
    items = payload["items"]["data"]
    planned = [(plan, each) for each in items if (plan := prices.plan(each["price"]["id"]))]
    plan, item = max(planned, key=lambda each: each[0].size) if planned else (None, items[0])
    price, recurring = item["price"], item["price"]["recurring"] or {}
    amount, metadata = price["unit_amount"], payload["metadata"]
    start, end = _period_of(item, payload)
    return StripeSubscription(
        id=payload["id"],
        customer_id=_id(payload["customer"]),
        user_id=metadata.get(USER),
        status=Status(payload["status"]),
        plan=plan,
        item_id=item["id"],
        price_id=price["id"],
        amount=None if amount is None else amount * item.get("quantity", 1),
        currency=price["currency"],
        interval=recurring.get("interval"),
        trial_period_days=recurring.get("trial_period_days"),
        cancel_at_period_end=payload["cancel_at_period_end"],
        cancel_at=_ms(payload["cancel_at"]),
        current_period_start=start * 1000,
        current_period_end=end * 1000,
        trial_start=_ms(payload["trial_start"]),
        trial_end=_ms(payload["trial_end"]),
        created_at=payload["created"] * 1000,
        schedule_id=_id(payload["schedule"]) if payload.get("schedule") else None,
        is_paused=bool(payload.get("pause_collection")),
    )


def _period_of(item: Object, subscription: Object) -> tuple[int, int]:
    """Return the running period (Unix s) of an item."""
    start, end = (item.get(name) or subscription[name] for name in ("current_period_start", "current_period_end"))
    return start, end


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


def _lines(invoice: Object) -> list[Object]:
    return list(invoice["lines"]["data"])


def _payments(invoice: Object) -> list[tuple[str, str]]:
    """Return the payments of an invoice by card, each as its kind and its id. Others were not made through Stripe."""
    payments = invoice.get("payments")
    paid = [each["payment"] for each in (payments["data"] if payments else []) if each["status"] == "paid"]
    return [(each["type"], _id(each[each["type"]])) for each in paid if each["type"] in ("payment_intent", "charge")]


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
    except stripe.InvalidRequestError as failure:
        raise PaymentRefused from StripeFailure(failure)
    except stripe.StripeError as failure:
        raise PaymentUnavailable from StripeFailure(failure)
