"""What billing needs of the outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

from purser.billing.model import Checkout, Entitlements, Invoice, PaidSubscription, StripeSubscription, Subscription


class StalePaidSubscription(Exception):
    """What is noted of a subscription has changed since it was read."""


class CheckoutTaken(Exception):
    """A page was opened under the same key at the same instant, for another price."""


class SubscriptionStore(Protocol):
    """Where it is kept which user has which plan."""

    def get(self, user_id: str) -> Entitlements:
        """All that may give the user a plan; one request."""

    def put_grant(self, grant: Subscription) -> None:
        """Keeps a grant in the place of the one before."""

    def remove_grant(self, user_id: str) -> None:
        """Forgets the user's grant."""

    def put_paid(self, paid: PaidSubscription) -> None:
        """Keeps the next version of what is noted of a subscription at Stripe.

        Raises:
            StalePaidSubscription: another version than ``paid.version`` is kept by now.
        """


class SubscriptionIndex(Protocol):
    """What is noted of subscriptions at Stripe, across users; a change shows after a moment."""

    def running(self, until: int) -> Iterator[PaidSubscription]:
        """Those noted as running that were begun until then (Unix ms), newest first, streamed."""

    def due(self, now: int) -> Iterator[str]:
        """The customers of those that are due by now, longest first, streamed."""


class StripeCustomerStore(Protocol):
    """Which customer at Stripe is which user."""

    def customer_of(self, user_id: str) -> str | None:
        """The id of the user's customer."""

    def user_of(self, customer_id: str) -> str | None:
        """The user whose customer it is."""

    def link(self, user_id: str, customer_id: str, instead_of: str | None = None) -> str:
        """Link a customer to a user who has none, or who has the one that it comes ``instead_of``.

        Both stay the user's: what was bought as the former ends by what Stripe says of it.

        Returns:
            The id of the customer that was linked first.
        """


class PaymentGateway(Protocol):
    """Stripe. Every method raises ``purser.errors.PaymentUnavailable`` while it is down or refuses us."""

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        """Makes a customer for a user; at the same time, or soon again, it is the same one. Its id.

        Args:
            instead_of: the deleted customer in whose place it comes.
        """

    def is_deleted(self, customer_id: str) -> bool:
        """Whether somebody has deleted the customer at Stripe, where nothing more can be sold to it."""

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:
        """All subscriptions that a customer ever had, newest first."""

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        """Every subscription that has not ended and was begun until then (Unix ms), newest first, streamed."""

    def checkouts(self, customer_id: str) -> list[Checkout]:
        """The latest pages that were opened for a customer, newest first."""

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
        """Opens a page for a price; with the same key it is the same page.

        Raises:
            CheckoutTaken: with the same key one was opened for another price, or is being opened.
        """

    def close_checkout(self, checkout_id: str) -> None:
        """Ends a page, so that nobody can pay on it any more; one that has ended or was paid stays as it is."""

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        """Changes what is given; a new price is prorated and settled at once.

        Raises:
            purser.errors.PaymentDeclined: the bank refuses; nothing has changed.
        """

    def cancel(self, subscription_id: str) -> None:
        """Ends a subscription now; one that has ended stays as it is."""

    def refund(self, subscription_id: str) -> int:
        """Gives back all that was paid for a subscription and not yet given back, once. What was given back, cents."""

    def paid_invoices(self, customer_id: str) -> list[Invoice]:
        """All finalized paid invoices of a customer, newest first."""


class Connected(Protocol):
    """A user's connected trading accounts, as the limits of a plan count them."""

    @property
    def accounts(self) -> Sequence[object]:
        """The accounts."""

    def total_usd(self) -> Decimal:
        """Return what all accounts are worth, in USD."""


class Usage(Protocol):
    """What users have connected."""

    def connected(self, user_id: str) -> Connected:
        """Return the user's connected trading accounts."""
