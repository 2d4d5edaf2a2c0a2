"""Buying a plan at Stripe, changing it, and what was paid."""

from __future__ import annotations

from collections.abc import Callable

from purser.billing.model import Checkout, Invoice, Plan, Prices, StripeSubscription
from purser.billing.ports import CustomerStore, PaymentGateway, Usage
from purser.billing.service import known_plan
from purser.errors import (
    BalanceLimitExceeded,
    KeyLimitExceeded,
    NoStripeSubscription,
    PaymentUnavailable,
    PlanNotPublic,
    StripeSubscriptionExists,
)


class Payments:
    """The use cases of a user who pays by Stripe.

    Every method raises ``purser.errors.PaymentUnavailable`` while Stripe is down; then nothing has changed, or what
    has is told by Stripe's own events.
    """

    def __init__(
        self, gateway: Callable[[], PaymentGateway], customers: CustomerStore, prices: Prices, usage: Usage
    ) -> None:
        self._gateway = gateway
        self._customers = customers
        self._prices = prices
        self._usage = usage

    def subscription(self, user_id: str) -> StripeSubscription | None:
        """The user's running subscription as Stripe has it now, the first one; None without."""
        customer_id = self._customers.customer_of(user_id)
        return self._running(customer_id) if customer_id else None

    def check_out(self, user_id: str, plan_id: str) -> Checkout:
        """Opens the page on which the user pays for a plan; asked again, the same page while it is open.

        Pages for other plans are ended, so that only one can be paid.

        Raises:
            InvalidInput: no such plan.
            PlanNotPublic: it is not for sale.
            StripeSubscriptionExists: one is running; it is to be changed instead.
        """
        price_id = self._price(_for_sale(plan_id))
        customer_id = self._customers.customer_of(user_id) or self._new_customer(user_id)
        if self._running(customer_id):
            raise StripeSubscriptionExists
        pages = self._gateway().checkouts(customer_id)
        for page in pages:
            if page.is_open and page.price_id != price_id:
                self._gateway().close_checkout(page.id)
        same = next((page for page in pages if page.is_open and page.price_id == price_id), None)
        # Who asks at the same instant has seen the same latest page, and so is given the same new one.
        latest = pages[0].id if pages else "first"
        return same or self._gateway().open_checkout(customer_id, user_id, price_id, f"{user_id}-{price_id}-{latest}")

    def update(self, user_id: str, *, cancel_at_period_end: bool | None, plan_id: str | None) -> StripeSubscription:
        """Changes the user's running subscription: whether it ends with its period, and its plan, prorated.

        Returns:
            The subscription as it is then.

        Raises:
            InvalidInput: no such plan.
            PlanNotPublic: it is not for sale.
            NoStripeSubscription: none is running.
            KeyLimitExceeded: more trading accounts are connected than the new plan allows.
            BalanceLimitExceeded: they are worth more than the new plan allows.
        """
        plan = _for_sale(plan_id) if plan_id is not None else None
        running = self.subscription(user_id)
        if running is None:
            raise NoStripeSubscription
        price_id = self._price(plan) if plan else None
        if price_id == running.price_id:
            price_id = None
        if plan and price_id:
            self._check_use(user_id, plan)
        if cancel_at_period_end is None and price_id is None:
            return running
        return self._gateway().update(running, cancel_at_period_end=cancel_at_period_end, price_id=price_id)

    def invoices(self, user_id: str) -> list[Invoice]:
        """All that the user has paid, newest first."""
        customer_id = self._customers.customer_of(user_id)
        return self._gateway().paid_invoices(customer_id) if customer_id else []

    def _running(self, customer_id: str) -> StripeSubscription | None:
        running = [each for each in self._gateway().subscriptions(customer_id) if each.is_running]
        return running[-1] if running else None

    def _new_customer(self, user_id: str) -> str:
        return self._customers.tie(user_id, self._gateway().create_customer(user_id))

    def _price(self, plan: Plan) -> str:
        price_id = self._prices.of(plan)
        if price_id is None:
            raise PaymentUnavailable
        return price_id

    def _check_use(self, user_id: str, plan: Plan) -> None:
        used = self._usage.connected(user_id)
        if len(used.accounts) > plan.max_api_key:
            raise KeyLimitExceeded
        if used.total_usd() > plan.max_balance_usd:
            raise BalanceLimitExceeded


def _for_sale(plan_id: str) -> Plan:
    plan = known_plan(plan_id)
    if not plan.public:
        raise PlanNotPublic
    return plan
