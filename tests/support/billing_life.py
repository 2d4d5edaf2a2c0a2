"""The life of users who pay: what they do in the app and at Stripe, what operators do there, webhooks, faults and time.

It runs in process on a virtual clock. ``BillingRules`` look at Stripe at each call of Purser and after everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from uuid import UUID

from local.doubles.stripe import (
    StripeDouble,
    checkout_routes,
    coupon_routes,
    customer_routes,
    discounts,
    invoice_routes,
    shapes,
    subscription_routes,
)
from local.doubles.stripe.account import Object, public
from local.doubles.stripe.faults import Fault
from local.doubles.stripe.messages import Answer, Request
from local.doubles.stripe.routing import Call
from local.doubles.stripe.subscriptions import cancel_at_end, cancel_in_portal
from local.doubles.stripe.wire import Params, StripeError, missing
from purser.billing.inbox import Inbox
from purser.billing.model import Prices
from purser.billing.paying import Payments
from purser.billing.ports import DueReadingStore, StripeCustomerStore, SubscriptionIndex, SubscriptionStore
from purser.billing.reconciling import Progress, Reconciliation
from purser.billing.service import Subscriptions
from purser.billing.stripe_gateway import USER
from purser.billing.sync import Synchronization
from purser.bootstrap.billing import PAYMENT_S
from purser.errors import PurserError
from purser.plans.model import CATALOG
from purser.retrying import retry_delay
from tests.support.billing import (
    DAY_MS,
    FakeBillingTelemetry,
    FakeCustomers,
    FakeDueReadings,
    FakeEnforcement,
    FakeProgress,
    FakeSubscriptions,
)
from tests.support.billing_rules import DETECTED_MS, HOUR_MS, PAID, BillingRules, Operation
from tests.support.crashes import Killed, Scissors
from tests.support.fakes import FakeClock, FakeQueue, FakeSeen
from tests.support.sequences import BrokenRule
from tests.support.stripe_in_process import gateway_in_process, virtual

T = TypeVar("T")
BEGAN = 1_800_000_000_000
MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS
"""The interval between runs of the reconciler. Once a day, it compares all subscriptions."""

RUN_MS = 12 * MINUTE_MS
LATENCY_MS = 150
STRIDE_MS = 6 * HOUR_MS
"""The longest time that passes at once."""

VISIBILITY_MS = 720_000
MAX_RECEIVES = 5
GRACE_MS = DAY_MS
PERIOD = {"interval": "day", "interval_count": 3}
USERS = tuple(str(UUID(int=number, version=4)) for number in (1, 2))
PLANS = [plan for plan in CATALOG if plan.public]
PRICES = {plan.name: [f"price_{plan.name}", f"price_{plan.name}_old"] for plan in PLANS}
SUPPORT, ADD_ON = "price_support", "price_addon"
CENTS = {SUPPORT: 50_000, ADD_ON: 500}
CENTS |= {
    price: 100 * plan.monthly_price_usd - 500 * old for plan in PLANS for old, price in enumerate(PRICES[plan.name])
}

COUPONS: list[dict[str, str]] = [
    {"percent_off": "50", "duration": "forever"},
    {"percent_off": "100", "duration": "once"},
    {"percent_off": "100", "duration": "repeating", "duration_in_months": "1"},
    {"amount_off": "2500", "currency": "usd", "duration": "forever"},
]


PAUSES = ("", {"behavior": "void"}, {"behavior": "keep_as_draft"}, {"behavior": "mark_uncollectible"})


class Step(Protocol):
    """Something that happens."""

    def take(self, life: BillingLife) -> None:
        """Let it happen."""


class SubscriptionsKept(SubscriptionStore, SubscriptionIndex, Protocol):
    """Our records, and their index."""


@dataclass
class Stores:
    """The stored data of billing."""

    subscriptions: SubscriptionsKept
    readings: DueReadingStore
    customers: StripeCustomerStore
    progress: Progress


def in_memory() -> Stores:
    subscriptions = FakeSubscriptions()
    return Stores(subscriptions, FakeDueReadings(subscriptions), FakeCustomers(), FakeProgress())


@dataclass(frozen=True)
class Planned:
    """Something that happens after so many more calls of Purser."""

    skip: int
    step: Step


@dataclass(frozen=True)
class Message:
    """A message in the queue, how often it was received, and from when on it is visible again."""

    body: dict[str, Any]
    receives: int = 0
    visible_at: int = 0


class Settings(Prices):
    """Purser's settings, which an operator can change."""

    def change(self, by_plan: Mapping[str, Sequence[str]]) -> None:
        Prices.__init__(self, by_plan)


class Cut:
    """A store whose process can crash before or after each call. ``done`` learns of what was done all the same."""

    def __init__(self, store: object, scissors: Scissors, **done: Callable[..., object]) -> None:
        self._store, self._scissors, self._done = store, scissors, done

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._store, name)

        def called(*args: Any) -> Any:
            result = call(*args)
            if name in self._done:
                self._done[name](result, *args)
            return result

        return lambda *args: self._scissors.cut(lambda: called(*args))


class Signatures:
    """Stripe signs each delivery anew."""

    is_live = False

    def __init__(self) -> None:
        self._last = 0

    def check(self, body: str, signature: str) -> int:
        """Return a new signature's time."""
        self._last += 1
        return self._last


class NoUsage:
    """Users without trading accounts."""

    accounts: Sequence[object] = ()

    def total_usd(self) -> Decimal:
        return Decimal(0)

    def connected(self, user_id: str) -> NoUsage:
        return self


class BillingLife:
    """Two users of a Stripe account, from nothing on."""

    def __init__(self, stores: Stores | None = None) -> None:
        self.clock = FakeClock(BEGAN)
        self.settings, self.telemetry = Settings(PRICES), FakeBillingTelemetry()
        self.scissors = Scissors(before_each=self.before_call)
        self._purser(stores or in_memory())
        self.pages: list[str] = []
        self.mail: list[Object] = []
        self.delivery = "prompt"
        self.waiting: list[Message] = []
        self.planned: list[Planned] = []
        self.lies: list[str] = []
        self.operations: list[Operation] = []
        self.errors: list[Exception] = []
        self.killed_sweeps = 0
        self.next_comparison_at = BEGAN + DAY_MS

    def _purser(self, stores: Stores) -> None:
        clock = self.clock
        self.double = StripeDouble(clock=lambda: clock.now / 1000)
        self.account = self.double.account
        self.account.change_settings(retryDays=[1], afterRetries="unpaid")
        with self.double.turn():
            for price, cents in CENTS.items():
                self.account.add(shapes.price(self.account.now, "prod_purser_basic", cents, PERIOD, price))
        self.codes = []
        for fields in COUPONS:
            promotion = {"type": "coupon", "coupon": self.ask(coupon_routes.create_coupon, **fields)["id"]}
            self.codes.append(self.ask(coupon_routes.create_code, promotion=promotion))
        self.account.on_event = self._on_event
        plain = Subscriptions(stores.subscriptions, clock, GRACE_MS)
        self.enforcement = FakeEnforcement(plain)
        self.rules = BillingRules(
            self.account, Prices(PRICES), self.telemetry, self.enforcement.plans.get, clock, GRACE_MS
        )
        store: Any = Cut(stores.subscriptions, self.scissors, put_paid=self.rules.note_record)
        customers: Any = Cut(stores.customers, self.scissors, link=self.rules.note_link)
        self.progress, self.queue = stores.progress, FakeQueue()
        gateway = gateway_in_process(self.double.keys.api_key, self.settings, clock, self.perform)
        enforcement: Any = Cut(self.enforcement, self.scissors)
        self.synchronization = Synchronization(gateway, store, customers, enforcement, self.telemetry, clock, GRACE_MS)
        readings: Any = Cut(stores.readings, self.scissors, advance=self.rules.note_reading)
        progress: Any = Cut(stores.progress, self.scissors)
        self.reconciliation = Reconciliation(
            lambda: gateway, store, readings, progress, self.queue, self.telemetry, clock
        )
        self.payments = Payments(
            lambda: gateway.within(PAYMENT_S), customers, store, self.settings, NoUsage(), lambda _: True
        )
        self.inbox = Inbox(Signatures(), FakeSeen(), self.queue)

    def live(self, steps: Sequence[Step]) -> None:
        """Take the steps, and let everything settle."""
        with self.double, virtual(self.clock):
            for step in steps:
                step.take(self)
                self.wait(0)
                self._raise()
            self._settle()
            self._raise()

    def _raise(self) -> None:
        if self.errors:
            raise self.errors[0]
        self.rules.raise_broken()

    def _settle(self) -> None:
        """Run the daily comparison and the due syncs, which find every change without an event."""
        self.heal()
        self.wait(DETECTED_MS)
        is_quiet = False
        while not is_quiet:
            self.wait(0)
            self.telemetry.seen = []
            self._compare()
            self.work()
            # Time may have changed something at Stripe after it was read. Its event is still to come.
            is_quiet = all(event["request"]["id"] for event in self.mail)
        self.rules.observe()
        left = [*self.rules.wrong(), *self.queue.sent, *self.waiting, *self.telemetry.names()]
        left = [each for each in left if each not in ("unpriced", "stranger")]
        if left:
            raise BrokenRule(f"not settled: {left}")

    # Purser

    def run(self, kind: str, act: Callable[[], T]) -> tuple[T | None, Operation]:
        """Run a request, a message or a comparison. Return its result, None if it was refused or interrupted."""
        for outer in self.operations:
            outer.is_disturbed = True
        operation = Operation(kind, self.rules.standings())
        if self.lies and kind in ("work", "compare"):
            operation.lie = self.lies.pop(0)
        self.operations.append(operation)
        result = None
        try:
            result = act()
        except PurserError as refusal:
            operation.refusal = refusal
        except Killed:
            self.scissors.at = -1
            operation.is_troubled = operation.was_killed = True
            self.killed_sweeps += kind == "compare"
        finally:
            self.operations.pop()
        if operation.is_troubled:
            self.rules.trouble()
        self.rules.check_operation(operation)
        self.rules.observe()
        return result, operation

    def before_call(self) -> None:
        """Let happen what is planned. What goes wrong in it is no error of the call."""
        due = [each for each in self.planned if not each.skip]
        self.planned = [replace(each, skip=each.skip - 1) for each in self.planned if each.skip]
        for each in due:
            for outer in self.operations:
                outer.is_disturbed = True
            try:
                each.step.take(self)
            except Exception as error:
                self.errors.append(error)

    def perform(self, call: Request) -> Answer:
        """Make a call of Purser at Stripe, and check what it does there."""
        try:
            return self.scissors.cut(lambda: self._perform(call))
        except Exception as error:
            self.errors.append(error)  # Stripe's library takes it for an error of the connection.
            raise

    def _perform(self, call: Request) -> Answer:
        self.clock.advance(LATENCY_MS)
        operation = self.operations[-1]
        if call.method != "GET":
            self.rules.check_call(call, operation)
        if operation.lie:
            operation.is_troubled = True
            return self._untrue(operation.lie, call)
        answer = self.double.handle(call)
        is_replayed = "Idempotent-Replayed" in answer.headers
        has_failed = self.double.requests[-1]["fault"] is not None
        operation.is_troubled |= has_failed or is_replayed
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not (has_failed or is_replayed):
            raise BrokenRule(f"the double failed: {call.method} {call.path}")
        return answer

    def _untrue(self, lie: str, call: Request) -> Answer:
        """Return a false answer if the lie is about this call, else the true one."""
        lists = call.method == "GET" and call.path == "/v1/subscriptions"
        is_hidden = {
            "other account": not (lists and "customer=" not in call.query),
            "vanished": call.method == "GET" and call.path.startswith("/v1/subscriptions/"),
        }
        if is_hidden.get(lie):
            return Answer(HTTPStatus.NOT_FOUND, missing("object", call.path).body())
        answer = self.double.handle(call)
        if lists and answer.status == HTTPStatus.OK:
            listed = answer.body["data"]
            answer.body["data"] = {"newest missing": listed[1:], "oldest missing": listed[:-1]}.get(lie, [])
            answer.body["has_more"] = False
        return answer

    def shop(self, who: int, plan: int) -> None:
        """Ask for a page to pay a plan on."""
        user = USERS[who]
        page, operation = self.run("checkout", lambda: self.payments.check_out(user, user, PLANS[plan].id))
        if page is None:
            is_right = self.rules.in_use(user) or self.rules.is_misconfigured
            if operation.is_plain and not is_right:
                self.rules.broken.append(f"{user} has nothing, and can buy nothing: {operation.refusal!r}")
            return
        self.pages.append(page.id)
        customer = self.rules.customer_of(user)
        still_open = self.account.where("checkout.session", customer=customer, status="open")
        known = [each["id"] for each in still_open if each["id"] in self.pages]
        if known != [page.id] and not operation.is_disturbed:
            self.rules.broken.append(f"{user} can pay on {known}")

    def change(self, who: int, plan: int | None, ends: bool | None) -> None:
        """Change the plan, or whether it ends with its period."""
        user, plan_id = USERS[who], None if plan is None else PLANS[plan].id
        before = self._plans(user)
        changed, operation = self.run(
            "change", lambda: self.payments.update(user, cancel_at_period_end=ends, plan_id=plan_id)
        )
        if not operation.is_plain or self.rules.is_misconfigured:
            return
        if changed is None and plan is None and len(before) == 1:
            self.rules.broken.append(f"{user} cannot end {before}: {operation.refusal!r}")
        if changed is None:
            if self._plans(user) != before:
                self.rules.broken.append(f"a refused change left {self._plans(user)}")
            return
        at_stripe = self.account.get("subscription", changed.id)
        if plan is not None and self.rules.plan_at_stripe(at_stripe) != PLANS[plan]:
            self.rules.broken.append(f"{changed.id} is not changed to {PLANS[plan].name}")
        if self._plans(user) != before and at_stripe["status"] not in PAID:
            self.rules.broken.append(f"{changed.id} has another plan, which is not paid: {at_stripe['status']}")
        if ends is not None and ends != bool(at_stripe["cancel_at"]):
            self.rules.broken.append(f"{changed.id} ends at {at_stripe['cancel_at']}, and should end: {ends}")

    def _plans(self, user: str) -> dict[str, list[str]]:
        in_use = self.rules.in_use(user)
        return {each["id"]: [item["price"]["id"] for item in each["items"]["data"]] for each in in_use}

    def look(self, who: int) -> None:
        """Look at the subscription, and at the billing history."""
        user = USERS[who]
        shown, operation = self.run("look", lambda: self.payments.subscription(user))
        if shown and not operation.is_disturbed and shown.id not in self._plans(user):
            self.rules.broken.append(f"{shown.id} is shown, and does not run")
        self.run("look", lambda: self.payments.invoices(user))

    # webhooks, and the worker

    def _on_event(self, event: Object) -> None:
        self.rules.follow(event)
        self.mail.append(event)

    def post(self) -> None:
        """Deliver the events, as it is with deliveries now."""
        match self.delivery:
            case "held":
                return
            case "lost":
                self.mail.clear()
            case "twice":
                self.mail = [each for each in self.mail for _ in range(2)]
            case "reversed":
                self.mail.reverse()
        while self.mail:
            self.deliver(0)

    def deliver(self, which: int, *, keep: bool = False) -> None:
        """Deliver one of the events that wait, and maybe keep it to deliver it again."""
        if self.mail:
            event = self.mail[which % len(self.mail)]
            if not keep:
                self.mail.remove(event)
            self.inbox.receive(json.dumps(public(event)).encode(), "")

    def work(self) -> None:
        """Work on the messages in the queue that are visible."""
        came, self.queue.sent = self.queue.sent, []
        one_each = {body["customerId"]: body for body in came}
        self.waiting += [Message(body) for body in (came if self.delivery == "twice" else one_each.values())]
        self.rules.check_due((each.body for each in self.waiting), self.killed_sweeps)
        now = self.clock.now
        visible = [each for each in self.waiting if each.visible_at <= now]
        self.waiting = [each for each in self.waiting if each.visible_at > now]
        for message in visible:
            self._work(message)

    def _work(self, message: Message) -> None:
        body, receives = message.body, message.receives + 1
        sync, suspected = self.synchronization.sync, message.body["type"] == "reconciliation"
        done, operation = self.run("work", lambda: (sync(body["customerId"], suspected=suspected), True))
        if done is None and receives < MAX_RECEIVES:
            delay = VISIBILITY_MS if operation.was_killed else retry_delay(receives) * 1000
            self.waiting.append(Message(body, receives, self.clock.now + delay))

    def _compare(self) -> None:
        self.run("compare", lambda: self.reconciliation.compare_all(self.clock.now + RUN_MS))

    # time

    def wait(self, milliseconds: int) -> None:
        """Let time pass, with the renewals of Stripe, the webhooks, and the runs of the reconciler."""
        until = self.clock.now + milliseconds
        while True:
            moment = max(self.clock.now, min(until, self.clock.now + STRIDE_MS, self._next()))
            self.clock.now = moment
            with self.double.turn():
                self.rules.observe()
            self._run_what_is_due()
            self.post()
            self.work()
            if self.clock.now >= until:
                return

    def _next(self) -> int:
        visible = [each.visible_at for each in self.waiting]
        return min([self.next_comparison_at, self._next_run(), *visible])

    def _next_run(self) -> int:
        """Return when the reconciler finds something to do."""
        due = [paid.due_at for paid in self.rules.noted.values() if paid.due_at is not None]
        if self.progress.get() is not None:
            due.append(self.clock.now)
        return -(-min(due, default=BEGAN * 2) // QUARTER_MS) * QUARTER_MS

    def _run_what_is_due(self) -> None:
        if self.clock.now >= self.next_comparison_at:
            self.next_comparison_at += DAY_MS
            self._compare()
        elif self.clock.now >= self._next_run():
            self.run("compare", lambda: self.reconciliation.look_after(self.clock.now + RUN_MS))

    # faults

    def fail(self, kind: str, path: str, method: str | None, skip: int, times: int) -> None:
        """Let calls of Purser fail."""
        self.double.faults.arm(Fault(kind, path, method, times, skip))

    def crash(self, skip: int, after: bool) -> None:
        self.scissors.at, self.scissors.after = self.scissors.steps + skip, after

    def happen_later(self, skip: int, step: Step) -> None:
        self.planned.append(Planned(skip, step))

    def lie(self, kind: str, times: int) -> None:
        """Give the worker false answers for the next messages and comparisons."""
        self.lies = [kind] * times

    def forget_prices(self, plan: str) -> None:
        """Leave the prices of a plan out of Purser's settings."""
        self.settings.change({name: prices for name, prices in PRICES.items() if name != plan})
        self.rules.is_misconfigured = True

    def heal(self) -> None:
        self.double.faults.clear()
        self.scissors.at = -1
        self.planned, self.lies = [], []
        self.settings.change(PRICES)
        self.rules.is_misconfigured = False
        self.delivery = "prompt"

    # what is done at Stripe by hand

    def pay(self, which: int, action: str) -> None:
        """Click on a page that Purser has opened, maybe long ago."""
        if not self.pages:
            return
        session = self.account.get("checkout.session", self.pages[which % len(self.pages)])
        with suppress(StripeError), self.double.turn():
            if session["status"] == "open":
                checkout_routes.complete(self.account, session, checkout_routes.CARDS[action])

    def act_by_hand(self, what: str, who: int, which: int) -> None:
        """Do what the user can do at Stripe, or an operator in the dashboard. Stripe may refuse it."""
        customer = self.rules.customer_of(USERS[who])
        known = "" if customer is None or self.account.get("customer", customer).get("_deleted") else customer
        running = self.rules.running(known)
        subscription = running[which % len(running)] if running else None
        with suppress(StripeError):
            if what in ELSEWHERE:
                ELSEWHERE[what](self, which)
            elif what in AT_CUSTOMER and known:
                AT_CUSTOMER[what](self, known, which)
            elif what in AT_SUBSCRIPTION and subscription:
                AT_SUBSCRIPTION[what](self, subscription, which)

    def ask(self, endpoint: Callable[[Call], Object], id: str = "", **params: Any) -> Object:
        """Ask Stripe as its dashboard does."""
        with self.double.turn():
            return endpoint(Call(self.account, Params(params), "", id))

    def _card(self, customer: str) -> str:
        cards = list(self.account.where("payment_method", customer=customer))
        with self.double.turn() as now:
            return str((cards[0] if cards else self.account.add(shapes.card(now, customer, "never")))["id"])

    def _sell(self, customer: str, *prices: str, **more: Any) -> Object:
        items, card = [{"price": price} for price in prices], self._card(customer)
        return self.ask(subscription_routes.create, customer=customer, items=items, default_payment_method=card, **more)

    def _sell_on_page(self, customer: str, which: int) -> None:
        """Sell a plan on a page of an operator, with a promotion code, and with a card if it must be."""
        lines, page = [{"price": PRICES[PLANS[which % 3].name][0]}], {"success_url": "https://paid"}
        page |= {"mode": "subscription", "customer": customer, "payment_method_collection": "if_required"}
        session = self.ask(checkout_routes.create, allow_promotion_codes="true", line_items=lines, **page)
        with self.double.turn():
            checkout_routes.enter_code(self.account, session, self.codes[which % len(COUPONS)]["code"])
            checkout_routes.complete(self.account, session, "never")

    def _coupon(self, which: int) -> str:
        coupon: str = self.codes[which % len(COUPONS)]["promotion"]["coupon"]
        return coupon

    def _give_discount(self, customer: str, which: int) -> None:
        coupon = self.account.get("coupon", self._coupon(which))
        self._in_turn(lambda: discounts.give(self.account, self.account.get("customer", customer), coupon))

    def _sell_elsewhere(self, price: str, **metadata: str) -> None:
        customer = self.ask(customer_routes.create, metadata=metadata)["id"]
        self._sell(customer, price, metadata=metadata)

    def _change(self, subscription: Object, **params: Any) -> None:
        self.ask(subscription_routes.update, subscription["id"], **params)

    def _change_price(self, subscription: Object, price: str) -> None:
        item = {"id": subscription["items"]["data"][0]["id"], "price": price}
        self._change(subscription, items=[item], proration_behavior="none")

    def _pay_invoice(self, customer: str, which: int) -> None:
        """Pay the latest invoice of a subscription by a link in a mail of Stripe, with a card that works."""
        self._set_cards(customer, "never")
        owing = [each for each in self._ours(customer) if each["status"] in ("past_due", "unpaid")]
        if owing:
            invoice = self.account.get("invoice", owing[which % len(owing)]["latest_invoice"])
            if invoice["status"] == "draft":
                self.ask(invoice_routes.finalize, invoice["id"], auto_advance="false")
            self.ask(invoice_routes.pay, invoice["id"], payment_method=self._card(customer))

    def _ours(self, customer: str) -> list[Object]:
        return [each for each in self.account.where("subscription", customer=customer) if self.rules.is_ours(each)]

    def _set_cards(self, customer: str, declines: str) -> None:
        for card in self.account.where("payment_method", customer=customer):
            card["_declines"] = declines

    def _detach_card(self, customer: str) -> None:
        for card in list(self.account.where("payment_method", customer=customer))[:1]:
            self.ask(customer_routes.detach_card, card["id"])

    def _charge(self, customer: str, which: int) -> Object | None:
        charges = list(self.account.where("charge", customer=customer, paid=True))
        return charges[which % len(charges)] if charges else None

    def _dispute(self, customer: str, which: int) -> None:
        if charge := self._charge(customer, which):
            charge["disputed"] = True

    def _refund(self, customer: str, which: int) -> None:
        if charge := self._charge(customer, which):
            self.rules.by_hand.add(self.ask(invoice_routes.refund, charge=charge["id"])["id"])

    def _open_other_page(self, customer: str) -> None:
        lines, pages = [{"price": SUPPORT}], {"success_url": "https://paid", "mode": "subscription"}
        self.ask(checkout_routes.create, customer=customer, line_items=lines, **pages)

    def _in_turn(self, act: Callable[[], object]) -> None:
        with self.double.turn():
            act()


Act = Callable[[BillingLife, int], object]
ELSEWHERE: dict[str, Act] = {
    "sell to a stranger": lambda life, _: life._sell_elsewhere(PRICES["BASIC"][0]),
    "sell support to a stranger": lambda life, _: life._sell_elsewhere(SUPPORT),
    "sell to another customer of a user": lambda life, n: life._sell_elsewhere(
        PRICES["BASIC"][0], **{USER: USERS[n % 2]}
    ),
    "set what happens after retries": lambda life, n: life.account.change_settings(
        afterRetries=("unpaid", "cancel", "past_due")[n % 3]
    ),
    "refuse lists of deleted customers": lambda life, _: life.account.change_settings(deletedCustomers="refused"),
}
AT_CUSTOMER: dict[str, Callable[[BillingLife, str, int], object]] = {
    "sell support": lambda life, customer, _: life._sell(customer, SUPPORT),
    "buy by a payment link": lambda life, customer, n: life._sell(customer, PRICES[PLANS[n % 3].name][0]),
    "sell a bundle": lambda life, customer, n: life._sell(customer, ADD_ON, PRICES[PLANS[n % 3].name][0]),
    "sell a trial": lambda life, customer, n: life._sell(customer, PRICES["BASIC"][n % 2], trial_period_days="2"),
    "sell with a coupon": lambda life, customer, n: life._sell(
        customer, PRICES[PLANS[n % 3].name][0], discounts=[{"coupon": life._coupon(n)}]
    ),
    "sell on a page with a code": BillingLife._sell_on_page,
    "discount the customer": BillingLife._give_discount,
    "end the discount of the customer": lambda life, customer, _: life.ask(coupon_routes.delete_of_customer, customer),
    "pay an invoice": BillingLife._pay_invoice,
    "break cards": lambda life, customer, _: life._set_cards(customer, "always"),
    "detach a card": lambda life, customer, _: life._detach_card(customer),
    "dispute": BillingLife._dispute,
    "refund": BillingLife._refund,
    "give credit": lambda life, customer, n: life.ask(
        customer_routes.create_balance_transaction, customer, amount=str(-1500 * (n + 1)), currency="usd"
    ),
    "open a page for support": lambda life, customer, _: life._open_other_page(customer),
    "delete": lambda life, customer, _: life.ask(customer_routes.delete, customer),
}
AT_SUBSCRIPTION: dict[str, Callable[[BillingLife, Object, int], object]] = {
    "cancel in the portal": lambda life, each, _: life._in_turn(lambda: cancel_in_portal(life.account, each)),
    "discount": lambda life, each, n: life._change(each, discounts=[{"coupon": life._coupon(n)}]),
    "take that back": lambda life, each, _: life._in_turn(lambda: cancel_at_end(life.account, each, False)),
    "end": lambda life, each, _: life.ask(subscription_routes.cancel, each["id"]),
    "pause": lambda life, each, n: life._change(each, pause_collection=PAUSES[n % 4]),
    "schedule": lambda life, each, _: life.ask(subscription_routes.create_schedule, from_subscription=each["id"]),
    "give a trial": lambda life, each, _: life._change(each, trial_end=str(life.account.now + 2 * 86_400)),
    "add an item": lambda life, each, _: life._change(each, items=[{"price": ADD_ON}]),
    "add an item that is paid now": lambda life, each, _: life._change(
        each, items=[{"price": SUPPORT}], proration_behavior="always_invoice"
    ),
    "set an old price": lambda life, each, n: life._change_price(each, PRICES[PLANS[n % 3].name][1]),
    "set a price of no plan": lambda life, each, _: life._change_price(each, SUPPORT),
}
