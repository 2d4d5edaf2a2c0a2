"""No user pays twice for long, is refunded too much, or loses a paid plan on doubt.

Random sequences run against the Stripe double, in process and on its clock, with the gateway that production uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import requests
import stripe
from hypothesis import example, given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter

from local.doubles.kit.store import encode_json
from local.doubles.stripe import StripeDouble
from local.doubles.stripe import double as double_module
from local.doubles.stripe.account import Object
from local.doubles.stripe.checkout_routes import CARDS, complete
from local.doubles.stripe.messages import Request
from local.doubles.stripe.subscriptions import cancel_in_portal
from purser.billing.model import RUNNING, Prices
from purser.billing.reconciling import YOUNG_MS
from purser.billing.stripe_gateway import StripeGateway
from purser.billing.sync import SETTLING_MS
from purser.plans.model import CATALOG
from tests.support.billing import BillingWorld
from tests.support.effort import examples

HOST = "http://stripe.double"
PLANS = [plan for plan in CATALOG if plan.public]
PRICES = Prices({plan.name: [f"price_purser_{plan.name.lower()}"] for plan in PLANS})
DAY = 86_400
BEGAN = 1_800_000_000
Step = tuple[str, int]

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy", "buy with a bad card", "sell support", "change price"]), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 2 * DAY, 20 * DAY, 33 * DAY])),
        st.tuples(
            st.sampled_from(["pay", "dispute", "portal", "schedule", "give credit", "heal", "pause"]), st.integers(0, 3)
        ),
        st.tuples(st.sampled_from(["sync", "reconcile", "empty list", "other account"]), st.just(0)),
    ),
    max_size=18,
)


class InProcess(BaseAdapter):
    """Answers the requests of Stripe's library by the double, without a socket."""

    def __init__(self, double: StripeDouble) -> None:
        super().__init__()
        self._double = double

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        path, _mark, query = (request.path_url or "").partition("?")
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        answer = self._double.handle(Request(request.method or "", path, query, body, headers))
        response = requests.Response()
        response.status_code, response._content = answer.status, encode_json(answer.body).encode()
        response.headers.update(answer.headers)
        response.url, response.request = request.url or "", request
        return response

    def close(self) -> None:
        pass


class Life:
    """A user's customer at Stripe, and an operator who does anything in the dashboard."""

    def __init__(self, double: StripeDouble) -> None:
        self.double, self.account = double, double.account
        session = requests.Session()
        session.mount(HOST, InProcess(double))
        secret = f'{{"apiKey": "{double.keys.api_key}"}}'
        self.gateway = StripeGateway(lambda: secret, HOST, PRICES, "https://paid", "https://not-paid")
        self.gateway._session = session
        self.world = BillingWorld(self.gateway)
        self.operator = stripe.StripeClient(
            double.keys.api_key, base_addresses={"api": HOST}, http_client=stripe.RequestsClient(session=session)
        ).v1
        self.user = str(uuid4())
        self.customer = self.gateway.create_customer(self.user)
        self.world.customers.users = {self.customer: self.user}
        product = self.operator.products.create({"name": "Support"}).id
        self.foreign_price = self.operator.prices.create(
            {"product": product, "unit_amount": 50_000, "currency": "usd", "recurring": {"interval": "month"}}
        ).id
        self.foreign: list[str] = []

    def live(self, steps: list[Step]) -> None:
        for kind, which in steps:
            with suppress(stripe.InvalidRequestError, stripe.CardError):  # the operator asks for the impossible
                self.take(kind, which)

    def take(self, kind: str, which: int) -> None:
        actions: dict[str, Callable[[int], object]] = {
            "buy": lambda which: self.buy(which, "pay"),
            "buy with a bad card": lambda which: self.buy(which, "pay_declined_later"),
            "sell support": lambda _: self.sell_support(),
            "change price": self.change_price,
            "wait": self.wait,
            "pay": self.pay,
            "dispute": self.dispute,
            "portal": self.cancel_in_portal,
            "schedule": self.schedule,
            "give credit": self.give_credit,
            "pause": self.pause,
            "heal": lambda _: self.heal(),
            "sync": lambda _: self.sync(),
            "reconcile": lambda _: self.reconcile(),
            "empty list": lambda _: self.mislead(self.sync_with_an_empty_list),
            "other account": lambda _: self.mislead(self.sync_with_another_account),
        }
        actions[kind](which)

    def wait(self, seconds: int) -> None:
        """Let time pass. Even without events, the daily comparison notices changes that last for days."""
        first = min(seconds, DAY)
        self.double.advance(first)
        if seconds > first:
            self.reconcile()
            self.double.advance(seconds - first)
            self.reconcile()

    def buy(self, which: int, action: str) -> None:
        """Pay on a page that was opened before anything was known of other subscriptions."""
        price = PRICES.of(PLANS[which]) or ""
        opened = self.gateway.open_checkout(self.customer, self.user, price, str(uuid4()))
        with self.double.turn():
            complete(self.account, self.account.get("checkout.session", opened.id), CARDS[action])
        self.double.advance(1)

    def sell_support(self) -> None:
        """Sell the customer something that is no plan."""
        for card in self.operator.payment_methods.list({"customer": self.customer, "limit": 1}).data:
            items: Any = [{"price": self.foreign_price}]
            wanted: Any = {"customer": self.customer, "items": items, "default_payment_method": card.id}
            self.foreign.append(self.operator.subscriptions.create(wanted).id)
            self.double.advance(1)

    def ours(self) -> list[Object]:
        return [each for each in self.account.all("subscription") if each["id"] not in self.foreign]

    def one(self, objects: list[Object], which: int) -> Object | None:
        return objects[which % len(objects)] if objects else None

    def change_price(self, which: int) -> None:
        """Put a subscription on another plan's price, or on one that no plan has."""
        if subscription := self.running(which):
            price = PRICES.of(PLANS[which]) if which else self.foreign_price
            item: Any = {"id": subscription["items"]["data"][0]["id"], "price": price}
            self.operator.subscriptions.update(subscription["id"], {"items": [item], "proration_behavior": "none"})

    def pay(self, which: int) -> None:
        """Pay the latest invoice of a subscription that is past due or unpaid, which makes it active again."""
        self.heal()
        subscription = self.one([each for each in self.ours() if each["status"] in ("past_due", "unpaid")], which)
        if subscription:
            invoice = self.account.get("invoice", subscription["latest_invoice"])
            if invoice["status"] == "draft":
                self.operator.invoices.finalize_invoice(invoice["id"], {"auto_advance": False})
            self.operator.invoices.pay(invoice["id"])

    def heal(self) -> None:
        for card in self.account.where("payment_method", customer=self.customer):
            card["_declines"] = "never"

    def dispute(self, which: int) -> None:
        charge = self.one([each for each in self.account.all("charge") if each["paid"]], which)
        if charge:
            charge["disputed"] = True

    def running(self, which: int) -> Object | None:
        return self.one([each for each in self.ours() if each["status"] in RUNNING], which)

    def cancel_in_portal(self, which: int) -> None:
        if subscription := self.running(which):
            with self.double.turn():
                cancel_in_portal(self.account, subscription)

    def schedule(self, which: int) -> None:
        if subscription := self.running(which):
            self.operator.subscription_schedules.create({"from_subscription": subscription["id"]})

    def pause(self, which: int) -> None:
        """Pause the collection of payments, or resume it."""
        if subscription := self.running(which):
            behaviors: list[Any] = ["", {"behavior": "void"}, {"behavior": "keep_as_draft"}]
            self.operator.subscriptions.update(subscription["id"], {"pause_collection": behaviors[which % 3]})

    def give_credit(self, which: int) -> None:
        credit: Any = {"amount": -1500 * (which + 1), "currency": "usd"}
        self.operator.customers.balance_transactions.create(self.customer, credit)

    def sync(self) -> None:
        with self.keeping_what_is_in_use():
            self.world.sync(self.customer)

    def reconcile(self) -> None:
        with self.keeping_what_is_in_use():
            self.world.reconcile()
            self.world.reconcile(only_due=True)

    @contextmanager
    def keeping_what_is_in_use(self) -> Iterator[None]:
        """Hold that a subscription that was in use and still runs stays the one in use."""
        with self.double.turn() as now:
            self.world.clock.now = now * 1000
            before = self.world.store.noted.get(self.user)
            at_stripe = self.account.find(before.subscription_id) if before and before.is_running else None
        yield
        if at_stripe and at_stripe["status"] in RUNNING:
            assert self.world.store.noted[self.user].subscription_id == at_stripe["id"]

    def mislead(self, sync: Callable[[], None]) -> None:
        """Synchronize while Stripe gives false answers. A paid plan stays."""
        noted, plan = self.world.store.noted.get(self.user), self.world.subscriptions.plan_of(self.user)
        at_stripe = self.account.find(noted.subscription_id) if noted else None
        sync()
        if plan and at_stripe and at_stripe["status"] in ("active", "trialing"):
            assert self.world.subscriptions.plan_of(self.user) is not None

    def sync_with_an_empty_list(self) -> None:
        with patch.object(self.gateway, "subscriptions", lambda customer_id: []):
            self.sync()

    def sync_with_another_account(self) -> None:
        with self.double.turn():
            hidden = {name: self.account._objects.pop(name, {}) for name in ("customer", "subscription")}
            self.sync()
            self.account._objects.update(hidden)


def lifetimes(double: StripeDouble, ids: list[str]) -> dict[str, list[tuple[int, int]]]:
    """Return when each subscription ran, as Stripe's events tell."""
    found: dict[str, list[tuple[int, int]]] = {id: [] for id in ids}
    running: dict[str, int] = {}
    for event in double.account.all("event"):
        about = event["data"]["object"]
        if about["object"] != "subscription" or about["id"] not in found:
            continue
        if about["status"] in RUNNING:
            running.setdefault(about["id"], event["created"])
        elif about["id"] in running:
            found[about["id"]].append((running.pop(about["id"]), event["created"]))
    for id, since in running.items():
        found[id].append((since, double.account.now + 1))
    return found


def ran(times: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at <= end for start, end in times)


def subscription_of(double: StripeDouble, charge: Object) -> tuple[str, int]:
    """Return the subscription that a charge paid for, and when."""
    payment = {"payment_intent": charge["payment_intent"], "type": "payment_intent"}
    (paid,) = double.account.where("invoice_payment", payment=payment)
    invoice = double.account.get("invoice", paid["invoice"])
    return invoice["parent"]["subscription_details"]["subscription"], charge["created"]


COME_BACK = [("buy with a bad card", 0), ("wait", 33 * DAY), ("buy", 2), ("wait", 33 * DAY), ("pay", 0), ("sync", 0)]
DISPUTED = [("buy", 0), ("buy", 1), ("buy", 2), ("dispute", 1), ("sync", 0)]


@examples(40, long=600)
@given(steps)
@example(COME_BACK)
@example(DISPUTED)
def test_the_rules_of_billing_hold(steps: list[Step]) -> None:
    frozen = SimpleNamespace(time=lambda: BEGAN, sleep=time.sleep)
    with patch.object(double_module, "time", frozen), StripeDouble() as double:
        double.account.change_settings(afterRetries="unpaid", retryDays=[1])
        life = Life(double)
        life.live(steps)
        settle(life)
        check(life)


def settle(life: Life) -> None:
    """Run the daily comparison and the due syncs, which find every change without an event."""
    for _ in range(2):
        life.double.advance((YOUNG_MS + SETTLING_MS) // 1000)
        life.reconcile()
    life.world.telemetry.seen, seen = [], life.world.telemetry.seen
    life.reconcile()
    assert set(life.world.telemetry.names()) <= {"unpriced"}, "everything settles"
    life.world.telemetry.seen = seen


def check(life: Life) -> None:
    double, world = life.double, life.world
    ours = [each["id"] for each in life.ours()]
    running = [each for each in life.ours() if each["status"] in RUNNING]
    assert len(running) <= 1, "nobody pays twice"
    noted = world.store.noted.get(life.user)
    if running:
        assert noted is not None
        assert (noted.subscription_id, noted.status, noted.duplicates) == (running[0]["id"], running[0]["status"], ())
        at_price = PRICES.plan(running[0]["items"]["data"][0]["price"]["id"])
        assert noted.plan == at_price or at_price is None
    for id in life.foreign:
        assert double.account.get("subscription", id)["canceled_at"] is None, "what is not ours is left alone"
    lives = lifetimes(double, ours)
    duplicates = {what for name, what in world.telemetry.seen if name == "duplicate"}
    for charge in double.account.all("charge"):
        if not charge["paid"]:
            continue
        subscription, at = subscription_of(double, charge)
        beside = any(ran(times, at) for id, times in lives.items() if id != subscription)
        if charge["amount_refunded"]:
            assert subscription in duplicates
            assert beside, "only what was paid while two ran is refunded"
        elif subscription in duplicates and not charge["disputed"] and beside:
            others = [times[-1][0] for id, times in lives.items() if id != subscription and times]
            assert at < max(others), "what was paid while two ran is refunded"
