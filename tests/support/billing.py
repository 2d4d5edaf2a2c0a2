"""Billing's ports in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from purser.audit.model import AuditEntry
from purser.billing.model import (
    Checkout,
    DueReading,
    Entitlements,
    Invoice,
    PaidSubscription,
    Prices,
    Refund,
    Status,
    StripeSubscription,
    Subscription,
)
from purser.billing.ports import CheckoutTaken, StalePaidSubscription
from purser.billing.reconciling import Reconciliation
from purser.billing.service import Subscriptions
from purser.billing.sync import Synchronization
from purser.correlation import correlation_id
from purser.errors import Contended
from purser.plans.model import CATALOG, Plan
from tests.support.fakes import FakeClock, FakeQueue

PRICES = Prices({plan.name: [f"price_{plan.name}"] for plan in CATALOG if plan.public})
DAY_MS = 24 * 3600 * 1000
GRACE_MS = 7 * DAY_MS


class FakeStripe:
    """The payment gateway in memory; ``paid`` is what was paid for each subscription: times in ms, and cents.

    A subscription is ours if a plan has its price or it names a user; its plan follows from its price.

    Every call raises ``failing`` while it is set. Each function of ``meanwhile`` is called once, after a customer's
    subscriptions were read and before they are returned. The next ``taken`` checkouts find their key in use.
    """

    def __init__(self) -> None:
        self.known: dict[str, StripeSubscription] = {}
        self.paid: dict[str, list[tuple[int, int]]] = {}
        self.deleted: set[str] = set()
        self.unrefundable: set[str] = set()
        """Subscriptions whose payments Stripe never refunds."""

        self.under_way: set[str] = set()
        """Subscriptions that a payment is under way for."""

        self.refunds: list[str] = []
        self.refunded = 0
        self.cancelled: list[str] = []
        self.failing: Exception | None = None
        self.meanwhile: list[Callable[[], None]] = []
        self.pages: list[Checkout] = []
        self._opened: dict[str, tuple[str, Checkout]] = {}
        self.updates: list[tuple[bool | None, str | None]] = []
        self.taken = 0

    def begin(self, customer_id: str, plan: Plan, at: int, user_id: str | None = None, **given: Any) -> str:
        """Add a subscription that a customer pays for from an instant on, and return its id."""
        subscription = StripeSubscription(
            id=f"sub_{len(self.known):03}",
            customer_id=customer_id,
            user_id=user_id,
            status=Status.ACTIVE,
            plan=None,
            item_id="si_1",
            price_id=PRICES.of(plan) or "",
            amount=plan.monthly_price_usd * 100,
            currency="usd",
            interval="month",
            trial_period_days=None,
            cancel_at_period_end=False,
            cancel_at=None,
            current_period_start=at,
            current_period_end=at + 30 * DAY_MS,
            trial_start=None,
            trial_end=None,
            created_at=at // 1000 * 1000,
        )
        self.known[subscription.id] = subscription
        self.change(subscription.id, **given)
        self.pay(subscription.id, at)
        return subscription.id

    def change(self, subscription_id: str, **changes: Any) -> None:
        changed = replace(self.known[subscription_id], **changes)
        self.known[subscription_id] = replace(changed, plan=PRICES.plan(changed.price_id))

    def pay(self, subscription_id: str, at: int) -> None:
        amount = self.known[subscription_id].amount
        self.paid.setdefault(subscription_id, []).append((at, amount or 0))

    def running(self, customer_id: str) -> list[StripeSubscription]:
        return [each for each in self.known.values() if each.customer_id == customer_id and each.is_running]

    def subscriptions(self, customer_id: str) -> list[StripeSubscription]:
        self._enter()
        found = [each for each in self.known.values() if each.customer_id == customer_id]
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)

    def subscription(self, subscription_id: str) -> StripeSubscription | None:
        self._enter()
        return self.known.get(subscription_id)

    def all_subscriptions(self, until: int) -> Iterator[StripeSubscription]:
        self._enter()
        found = [each for each in self.known.values() if each.status is not Status.CANCELED]
        found = [each for each in found if each.created_at // 1000 <= until // 1000]
        yield from sorted(found, key=lambda each: each.created_at, reverse=True)

    def create_customer(self, user_id: str, instead_of: str | None = None) -> str:
        self._enter()
        return f"cus_{user_id}" if instead_of is None else f"cus_{user_id}_after_{instead_of}"

    def is_deleted(self, customer_id: str) -> bool:
        self._enter()
        return customer_id in self.deleted

    def checkouts(self, customer_id: str) -> list[Checkout]:
        self._enter()
        own = {page.id for owner, page in self._opened.values() if owner == customer_id}
        return [page for page in self.pages if page.id in own]

    def open_checkout(self, customer_id: str, user_id: str, price_id: str, key: str) -> Checkout:
        self._enter()
        if self.taken:
            self.taken -= 1
            raise CheckoutTaken
        if key in self._opened:
            _, page = self._opened[key]
            if page.price_id != price_id:
                raise CheckoutTaken
            return page
        page = Checkout(f"cs_{key}", f"https://pay/{key}", price_id, True)
        self._opened[key] = (customer_id, page)
        self.pages.insert(0, page)
        return page

    def close_checkout(self, checkout_id: str) -> None:
        self._enter()
        self.pages = [replace(each, is_open=each.is_open and each.id != checkout_id) for each in self.pages]

    def update(
        self, subscription: StripeSubscription, *, cancel_at_period_end: bool | None, price_id: str | None
    ) -> StripeSubscription:
        self._enter()
        self.updates.append((cancel_at_period_end, price_id))
        if cancel_at_period_end is not None:
            self.change(subscription.id, cancel_at_period_end=cancel_at_period_end)
        if price_id is not None:
            plan = PRICES.plan(price_id)
            assert plan is not None, price_id
            self.change(subscription.id, price_id=price_id, amount=plan.monthly_price_usd * 100)
        return self.known[subscription.id]

    def paid_invoices(self, customer_id: str) -> list[Invoice]:
        self._enter()
        raise NotImplementedError

    def cancel(self, subscription_id: str) -> bool:
        self._enter()
        if self.known[subscription_id].status is not Status.CANCELED:
            self.cancelled.append(subscription_id)
            self.change(subscription_id, status=Status.CANCELED)
        return subscription_id not in self.under_way

    def refund(self, subscription_id: str, beside: str) -> Refund:
        self._enter()
        if subscription_id in self.unrefundable:
            return Refund(refused=("charge_disputed",))
        since, payments = self.known[beside].created_at, self.paid.get(subscription_id, [])
        amount = sum(cents for at, cents in payments if at >= since)
        if amount:
            self.refunds.append(subscription_id)
            self.refunded += amount
        self.paid[subscription_id] = [(at, cents) for at, cents in payments if at < since]
        return Refund(amount)

    def open_invoice_url(self, subscription_id: str) -> str | None:
        self._enter()
        return f"https://pay/{subscription_id}"

    def _enter(self) -> None:
        if self.failing is not None:
            raise self.failing


class FakeSubscriptions:
    """The subscription store and index in memory."""

    def __init__(self) -> None:
        self.grants: dict[str, Subscription] = {}
        self.noted: dict[str, PaidSubscription] = {}
        self.causes: dict[str, str | None] = {}
        self.audit: list[AuditEntry] = []

    def get(self, user_id: str) -> Entitlements:
        return Entitlements(self.grants.get(user_id), self.noted.get(user_id))

    def put_grant(self, grant: Subscription, entry: AuditEntry) -> None:
        self.grants[grant.user_id] = grant
        self.audit.append(entry)

    def remove_grant(self, user_id: str, entry: AuditEntry) -> None:
        if self.grants.pop(user_id, None):
            self.audit.append(entry)

    def put_paid(self, paid: PaidSubscription) -> None:
        known = self.noted.get(paid.user_id)
        if (known.version if known else 0) != paid.version:
            raise StalePaidSubscription
        self.noted[paid.user_id] = replace(paid, version=paid.version + 1)
        self.causes[paid.user_id] = correlation_id()

    def running(self, until: int) -> Iterator[PaidSubscription]:
        found = [each for each in self.noted.values() if each.is_running and each.created_at <= until]
        yield from sorted(found, key=lambda each: each.created_at, reverse=True)


class FakeDueReadings:
    """The store of due readings in memory, on the records of subscriptions."""

    def __init__(self, subscriptions: FakeSubscriptions) -> None:
        self._records = subscriptions

    def get(self, *key: str) -> DueReading | None:
        (user_id,) = key
        paid = self._records.noted.get(user_id)
        if paid is None or paid.due_at is None:
            return None
        return DueReading(
            user_id,
            paid.customer_id,
            due_at=paid.due_at,
            version=paid.version,
            correlation_id=self._records.causes[user_id],
        )

    def advance(self, after: DueReading) -> bool:
        paid = self._records.noted.get(after.user_id)
        if paid is None or paid.version != after.version - 1:
            return False
        self._records.noted[after.user_id] = replace(paid, due_at=after.due_at, version=after.version)
        return True

    def due(self, now: int) -> Iterator[DueReading]:
        readings = [reading for user_id in self._records.noted if (reading := self.get(user_id))]
        return iter(sorted((each for each in readings if each.is_due(now)), key=lambda each: each.due_at))


class FakeCustomers:
    """The users of customers at Stripe; of several customers of one user, the last counts."""

    def __init__(self, **users: str) -> None:
        self.users = users

    def customer_of(self, user_id: str) -> str | None:
        return next(iter(self.customers_of(user_id)), None)

    def customers_of(self, user_id: str) -> list[str]:
        return [customer for customer, user in reversed(self.users.items()) if user == user_id]

    def user_of(self, customer_id: str) -> str | None:
        return self.users.get(customer_id)

    def link(self, user_id: str, customer_id: str, instead_of: str | None = None) -> str:
        first = self.customer_of(user_id)
        if first == instead_of and customer_id not in self.users:
            self.users[customer_id] = user_id
            return customer_id
        if first in (None, instead_of):
            raise Contended
        return first


class FakeProgress:
    """The progress of an unfinished comparison."""

    def __init__(self) -> None:
        self.until: int | None = None

    def get(self) -> int | None:
        return self.until

    def keep(self, until: int) -> None:
        self.until = until

    def finish(self) -> None:
        self.until = None


@dataclass
class FakeBillingTelemetry:
    """Records what operators would have seen, by name."""

    seen: list[tuple[str, Any]] = field(default_factory=list)

    def names(self) -> list[str]:
        return [name for name, _ in self.seen if name not in ("noted", "refunded", "compared")]

    def refused(self) -> list[str]:
        """The reasons of all refunds that Stripe refused."""
        return [reason for name, what in self.seen if name == "refunded" for reason in what[1].refused]

    def noted(self, paid: PaidSubscription) -> None:
        self.seen.append(("noted", paid))

    def drifted(self, paid: PaidSubscription) -> None:
        self.seen.append(("drifted", paid.user_id))

    def duplicate(self, paid: PaidSubscription, subscription_id: str) -> None:
        self.seen.append(("duplicate", subscription_id))

    def refunded(self, paid: PaidSubscription, subscription_id: str, refund: Refund) -> None:
        self.seen.append(("refunded", (subscription_id, refund)))

    def vanished(self, paid: PaidSubscription) -> None:
        self.seen.append(("vanished", paid.subscription_id))

    def unknown(self, customer_id: str) -> None:
        self.seen.append(("unknown", customer_id))

    def doubted(self, changes: int, compared: int) -> None:
        self.seen.append(("doubted", (changes, compared)))

    def unpriced(self, paid: PaidSubscription) -> None:
        self.seen.append(("unpriced", paid.subscription_id))

    def stranger(self, customer_id: str) -> None:
        self.seen.append(("stranger", customer_id))

    def compared(self, queued: int, finished: bool) -> None:
        self.seen.append(("compared", (queued, finished)))


class FakeEnforcement:
    """Records the plan that was enforced last. Raises ``failing`` while it is set."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self.plans: dict[str, Plan | None] = {}
        self.failing: Exception | None = None

    def enforce(self, user_id: str) -> int:
        if self.failing is not None:
            raise self.failing
        self.plans[user_id] = self._subscriptions.plan_of(user_id)
        return 0


class BillingWorld:
    """Synchronization and reconciliation with everything around them faked; ``cus_1`` is ``user``."""

    def __init__(self) -> None:
        self.stripe, self.store, self.clock, self.queue = FakeStripe(), FakeSubscriptions(), FakeClock(), FakeQueue()
        self.customers, self.progress, self.telemetry = (
            FakeCustomers(cus_1="user"),
            FakeProgress(),
            FakeBillingTelemetry(),
        )
        self.readings = FakeDueReadings(self.store)
        self.subscriptions = Subscriptions(self.store, self.clock, GRACE_MS)
        self.enforcement = FakeEnforcement(self.subscriptions)
        self.sync = Synchronization(
            gateway=self.stripe,
            store=self.store,
            customers=self.customers,
            enforcement=self.enforcement,
            telemetry=self.telemetry,
            now=self.clock,
            grace_ms=GRACE_MS,
        ).sync
        self.reconciliation = Reconciliation(
            gateway=lambda: self.stripe,
            index=self.store,
            readings=self.readings,
            progress=self.progress,
            queue=self.queue,
            telemetry=self.telemetry,
            now=self.clock,
        )

    def begin(self, plan: Plan = CATALOG[0], customer: str = "cus_1", **given: Any) -> str:
        self.clock.advance(1000)
        return self.stripe.begin(customer, plan, self.clock.now, **given)

    @property
    def noted(self) -> tuple[str, Status]:
        paid = self.store.noted["user"]
        return paid.subscription_id, paid.status

    def enforced_plan(self) -> Plan | None:
        return self.enforcement.plans.get("user")

    def work(self) -> list[str]:
        """Work on everything that was queued, and return its customers."""
        messages, self.queue.sent = self.queue.sent, []
        for message in messages:
            self.sync(message["customerId"], suspected=message["type"] == "reconciliation")
        return [message["customerId"] for message in messages]

    def reconcile(self, *, only_due: bool = False) -> list[str]:
        run = self.reconciliation.look_after if only_due else self.reconciliation.compare_all
        run(self.clock.now + 1)
        return self.work()
