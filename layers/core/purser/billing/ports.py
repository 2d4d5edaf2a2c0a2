"""The ports of billing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

from purser.audit.model import AuditEntry
from purser.billing.model import (
    Checkout,
    DueReading,
    Entitlements,
    Invoice,
    PaidSubscription,
    Refund,
    StripeSubscription,
    Subscription,
)
from purser.work.ports import ItemStore


class StalePaidSubscription(Exception):
    """Our record of a subscription has changed since it was read."""


class CheckoutTaken(Exception):
    """A page for another price was opened concurrently under the same key."""


class SubscriptionStore(Protocol):
    """The store of subscriptions."""

    def get(self, user_id: str) -> Entitlements:
        """Return the user's entitlements."""

    def put_grant(self, grant: Subscription, entry: AuditEntry) -> None:
        """Store or replace a grant, together with its audit entry."""

    def remove_grant(self, user_id: str, entry: AuditEntry) -> None:
        """Remove the user's grant together with its audit entry. Without a grant, write nothing."""

    def put_paid(self, paid: PaidSubscription) -> None:
        """Store the next version of a record. Raises ``StalePaidSubscription`` unless ``paid.version`` is stored."""


class SubscriptionIndex(Protocol):
    """The records of all users' subscriptions at Stripe, which lag by moments."""

    def running(self, until: int) -> Iterator[PaidSubscription]:
        """Return running subscriptions that were created until then (Unix ms), newest first, streamed."""


class DueReadingStore(ItemStore[DueReading], Protocol):
    """The due readings, by their users. It is no ``WorkStore``, since nothing may delete a subscription's record."""

    def due(self, now: int) -> Iterator[DueReading]:
        """Yield the readings that are due, longest due first."""


class StripeCustomerStore(Protocol):
    """The links between users and customers at Stripe."""

    def customer_of(self, user_id: str) -> str | None:
        """Return the id of the user's customer, or None."""

    def customers_of(self, user_id: str) -> list[str]:
        """Return the ids of the user's customer and of those that it has replaced, latest first."""

    def user_of(self, customer_id: str) -> str | None:
        """Return the user of a customer, or None."""

    def link(self, user_id: str, customer_id: str, instead_of: str | None = None) -> str:
        """Link a customer to a user without one, or replace ``instead_of``, which stays the user's too.

        Returns:
            The id of the customer that was linked first.
        """


class PaymentGateway(Protocol):
    """Stripe.

    Every method raises ``purser.errors.PaymentUnavailable`` if Stripe is down or refuses our key, and
    ``purser.errors.PaymentRefused`` if it refuses the request for good. Methods about a customer raise
    ``purser.errors.StripeCustomerUnknown`` for one that Stripe does not know.
    """

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        """Create a customer for a user, and return its id. A concurrent or repeated call returns the same customer.

        Args:
            instead_of: the deleted customer that it replaces.
        """

    def is_deleted(self, customer_id: str) -> bool:
        """Tell whether the customer was deleted at Stripe."""

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:
        """Return all subscriptions that a customer ever had, newest first. A deleted customer may have none."""

    def subscription(self, subscription_id: str) -> StripeSubscription | None:
        """Return a subscription, or None if Stripe does not know it."""

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        """Return every subscription that has not ended and was created until then (Unix ms), newest first, streamed."""

    def checkouts(self, customer_id: str) -> list[Checkout]:
        """Return the latest pages of a customer that Purser opened, newest first."""

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
        """Open a page for a price, or return the page of the same key. Raises ``CheckoutTaken`` if the key is taken."""

    def close_checkout(self, checkout_id: str) -> None:
        """Close a page, so that it cannot be paid. A closed or paid page is unchanged."""

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        """Change a subscription. A new price is prorated and charged, or ``PaymentDeclined`` leaves it unchanged.

        A schedule that manages the subscription is released, because it would refuse or undo the change.
        """

    def cancel(self, subscription_id: str) -> bool:
        """End a subscription now, unless it has ended. Return whether nothing can be paid for it any more.

        A payment that is under way, such as a bank debit, cannot be stopped.
        """

    def refund(self, subscription_id: str, beside: str) -> Refund:
        """Give back, once, what was paid for a duplicate while the subscription ``beside`` it ran, or no longer ran.

        Money goes back to the card, and credit to the customer's balance. A repeat may return the same again.
        """

    def open_invoice_url(self, subscription_id: str) -> str | None:
        """Return the page on which the open invoice of a subscription can be paid, or None."""

    def paid_invoices(self, customer_id: str) -> list[Invoice]:
        """Return the finalized paid invoices of a customer for what Purser sold, newest first."""


class Connected(Protocol):
    """A user's connected trading accounts."""

    @property
    def accounts(self) -> Sequence[object]:
        """The accounts."""

    def total_usd(self) -> Decimal:
        """Return the total balance in USD."""


class Usage(Protocol):
    """The store of trading accounts."""

    def connected(self, user_id: str) -> Connected:
        """Return the user's connected trading accounts."""
