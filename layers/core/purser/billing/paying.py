"""The use cases of payments: buying and changing a plan at Stripe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from purser.billing.model import (
    Checkout,
    Invoice,
    PaidSubscription,
    Prices,
    Status,
    StripeSubscription,
    in_order_of_use,
    ours_among,
)
from purser.billing.ports import CheckoutTaken, PaymentGateway, StripeCustomerStore, SubscriptionStore, Usage
from purser.billing.service import known_plan
from purser.errors import (
    BalanceLimitExceeded,
    Contended,
    KeyLimitExceeded,
    NoStripeSubscription,
    PaymentDeclined,
    PaymentRefused,
    PaymentUnavailable,
    PlanNotPublic,
    StripeCustomerUnknown,
    StripeSubscriptionExists,
    Unauthorized,
)
from purser.plans.model import Plan

ROUNDS = 4
"""The number of attempts to open a page while others are opened for the same user."""


class Payments:
    """The use cases. ``gateway`` returns a gateway for the calls of one use case.

    ``may_sign_in`` tells whether there is a user with a username, who is not disabled.
    Every method raises ``purser.errors.PaymentUnavailable`` if Stripe is down. A change that was made all the same is
    announced by Stripe's events.
    """

    def __init__(
        self,
        gateway: Callable[[], PaymentGateway],
        customers: StripeCustomerStore,
        store: SubscriptionStore,
        prices: Prices,
        usage: Usage,
        may_sign_in: Callable[[str], bool],
    ) -> None:
        self._gateway = gateway
        self._customers = customers
        self._store = store
        self._prices = prices
        self._usage = usage
        self._may_sign_in = may_sign_in

    def subscription(self, user_id: str) -> StripeSubscription | None:
        """Return the user's running subscription at Stripe, or None. If it is past due, it has a page for paying."""
        customer_id = self._customers.customer_of(user_id)
        if customer_id is None:
            return None
        gateway = self._gateway()
        running = _running(gateway, customer_id, self._store.get(user_id).paid)
        return _payable(gateway, running) if running else None

    def check_out(self, user_id: str, username: str, plan_id: str) -> Checkout:
        """Open a page for paying a plan, or return the open one. Pages for other plans are closed.

        A user whose customer was deleted at Stripe gets a new customer.

        Raises:
            Unauthorized: the user was deleted or disabled, and has a token that is still valid.
            InvalidInput: no such plan.
            PlanNotPublic: the plan is not for sale.
            StripeSubscriptionExists: a subscription is running, which can be changed instead.
            Contended: the user opens too many pages at once.
        """
        price_id = self._price(_for_sale(plan_id))
        if not self._may_sign_in(username):
            raise Unauthorized
        gateway = self._gateway()
        customer_id = self._customers.customer_of(user_id)
        if customer_id is None or gateway.is_deleted(customer_id):
            customer_id = self._customers.link(user_id, gateway.create_customer(user_id, customer_id), customer_id)
        noted = self._store.get(user_id).paid
        for attempt in range(ROUNDS):
            # If the key is taken on every attempt and no other page shows up, Stripe is replaying a stored failure.
            apart = price_id if attempt == ROUNDS - 1 else ""
            try:
                return _only_page(gateway, customer_id, user_id, price_id, apart, noted)
            except CheckoutTaken:
                continue
        raise Contended

    def update(self, user_id: str, *, cancel_at_period_end: bool | None, plan_id: str | None) -> StripeSubscription:
        """Change whether the user's running subscription ends with its period, and its plan (prorated). Return it.

        Raises:
            InvalidInput, PlanNotPublic: as ``check_out``.
            NoStripeSubscription: no subscription is running.
            KeyLimitExceeded: a smaller plan allows fewer trading accounts than are connected.
            BalanceLimitExceeded: a smaller plan allows less balance than they have.
            PaymentDeclined: the bank declines the difference, or the running period is not paid yet.
            PaymentRefused: Stripe refuses the change, or the collection of payments is paused.
        """
        plan = _for_sale(plan_id) if plan_id is not None else None
        customer_id = self._customers.customer_of(user_id)
        if customer_id is None:
            raise NoStripeSubscription
        gateway = self._gateway()
        running = _running(gateway, customer_id, self._store.get(user_id).paid)
        if running is None:
            raise NoStripeSubscription
        # A plan that was bought at an earlier price keeps that price.
        price_id = self._price(plan) if plan and plan != running.plan else None
        if plan and price_id:
            if running.status is Status.PAST_DUE:
                # Stripe would credit the rest of an unpaid period, and set the subscription to active.
                raise PaymentDeclined
            if running.is_paused:
                # Stripe would not collect the difference, either.
                raise PaymentRefused
            self._check_use(user_id, running.plan, plan)
        if cancel_at_period_end is None and price_id is None:
            return _payable(gateway, running)
        changed = gateway.update(running, cancel_at_period_end=cancel_at_period_end, price_id=price_id)
        return _payable(gateway, changed)

    def invoices(self, user_id: str) -> list[Invoice]:
        """Return the paid invoices of the user's present and former customers, newest first."""
        customers = self._customers.customers_of(user_id)
        if not customers:
            return []
        gateway = self._gateway()
        found = gateway.paid_invoices(customers[0])
        for former in customers[1:]:
            with suppress(StripeCustomerUnknown):  # it was deleted
                found += gateway.paid_invoices(former)
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def _price(self, plan: Plan) -> str:
        price_id = self._prices.of(plan)
        if price_id is None:
            raise PaymentUnavailable
        return price_id

    def _check_use(self, user_id: str, current: Plan | None, wanted: Plan) -> None:
        if current and not wanted.allows_less_than(current):
            return
        used = self._usage.connected(user_id)
        if len(used.accounts) > wanted.max_api_key:
            raise KeyLimitExceeded
        if used.total_usd() > wanted.max_balance_usd:
            raise BalanceLimitExceeded


def _only_page(
    gateway: PaymentGateway, customer_id: str, user_id: str, price_id: str, apart: str, noted: PaidSubscription | None
) -> Checkout:
    """Return the user's only payable page. ``apart`` is a part of its idempotency key.

    The check for a running subscription comes after closing the other pages, so that it sees every payment on them.
    """
    pages = gateway.checkouts(customer_id)
    still_open = [page for page in pages if page.is_open]
    same = next((page for page in still_open if page.price_id == price_id), None)
    for page in still_open:
        if page is not same:
            gateway.close_checkout(page.id)
    if _running(gateway, customer_id, noted):
        if same:
            gateway.close_checkout(same.id)
        raise StripeSubscriptionExists
    return same or gateway.open_checkout(customer_id, user_id, price_id, _key(customer_id, pages, apart))


def _key(customer_id: str, pages: Sequence[Checkout], apart: str) -> str:
    """Return the idempotency key. Concurrent calls see the same pages, so they get one page for one plan.

    For two plans, one call finds that the key is taken.
    """
    seen = " ".join([*sorted(page.id for page in pages), apart])
    return f"{customer_id}-{hashlib.sha256(seen.encode()).hexdigest()[:32]}"


def _running(gateway: PaymentGateway, customer_id: str, noted: PaidSubscription | None) -> StripeSubscription | None:
    """Return the running subscription that is in use, or None."""
    ours = ours_among(gateway.subscriptions(customer_id), noted)
    return next(iter(in_order_of_use(ours, noted)), None)


def _payable(gateway: PaymentGateway, running: StripeSubscription) -> StripeSubscription:
    """Add the page of the open invoice to a subscription that is past due."""
    if running.status is not Status.PAST_DUE:
        return running
    return replace(running, hosted_invoice_url=gateway.open_invoice_url(running.id))


def _for_sale(plan_id: str) -> Plan:
    plan = known_plan(plan_id)
    if not plan.public:
        raise PlanNotPublic
    return plan
