"""Test subscriptions end to end: checkout at the Stripe double, webhooks, and the plan and keys that follow."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.client import Running
from local.doubles.binance.client import PaperControl
from local.doubles.stripe import StripeControl
from tests.support.local_system import eventually, subject_of
from tests.support.stripe import Stripe, id_of, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

SUBSCRIPTION = "/v1/priv/account/subscription"
STRIPE = f"{SUBSCRIPTION}/stripe"
KEY = "/v1/priv/account/exchange/key"
WEBHOOK = "/v1/pub/webhook/stripe"


class Person:
    """A user who calls the API."""

    def __init__(self, base_url: str, token: str, paper: PaperControl) -> None:
        self.id = subject_of(token)
        self._url, self._paper = base_url, paper
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, self._url + path, json=body, headers=self._headers, timeout=60)

    def check_out(self, plan: str) -> str:
        """Open a checkout for a plan, and return the address of its page."""
        plans = requests.get(f"{self._url}/v1/pub/subscription/list", timeout=60).json()["items"]
        chosen = next(each["id"] for each in plans if each["name"] == plan)
        answer = self.ask("POST", f"{STRIPE}/checkout", {"subscriptionId": chosen})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    def connect(self) -> requests.Response:
        key = self._paper.key({"USDT": "100"})
        body = {"exchangeId": "BINANCE", "tradeType": "SPOT", "strategyType": "MANUAL", "name": "Paper"}
        return self.ask("POST", KEY, body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]})

    def plan(self) -> str | None:
        answer = self.ask("GET", SUBSCRIPTION).json()
        return answer["SubscriptionType"]["name"] if answer else None

    @property
    def keys(self) -> list[bool]:
        return [key["active"] for key in self.ask("GET", f"{KEY}/list").json()["items"]]


def soon(read: Callable[[], Any], wanted: Any) -> None:
    """Wait until a reading has the wanted value."""
    eventually(lambda: read() == wanted, what=f"{wanted}")


@pytest.fixture(autouse=True)
def one_at_a_time(system: Running) -> Iterator[None]:
    """Run one of these tests at a time. All pytest workers share the clock and the webhook rules of the double."""
    with (system.folder / "billing-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def person(base_url: str, paper_url: str, new_user: Callable[[str], str]) -> Person:
    return Person(base_url, new_user(""), PaperControl(paper_url))


def live(person: Person, control: StripeControl, pay: Callable[[str], object]) -> None:
    """Buy a subscription, cancel it, let its period end, and buy it again."""
    assert person.plan() is None
    assert person.connect().status_code == 433
    pay(person.check_out("BASIC"))
    soon(person.plan, "BASIC")
    bought = person.ask("GET", STRIPE).json()
    assert (bought["cancelAtPeriodEnd"], bought["plan"]["amount"]) == (False, 2000)
    assert [invoice["amountPaid"] for invoice in person.ask("GET", f"{STRIPE}/billing/history").json()] == [2000]
    assert [person.connect().status_code for _ in range(3)] == [200, 200, 433]
    key = person.ask("GET", f"{KEY}/list").json()["items"][0]["id"]

    assert person.ask("PUT", STRIPE, {"cancelAtPeriodEnd": True}).json()["cancelAtPeriodEnd"] is True
    assert (person.plan(), person.keys) == ("BASIC", [True, True])
    control.advance(days=32)
    soon(lambda: person.keys, [False, False])
    assert person.plan() is None
    refused = person.ask("PUT", f"{KEY}/{key}", {"active": True})
    assert (refused.status_code, refused.json()) == (433, {"error": "exceed subscription max API key limit (2129a)"})

    pay(person.check_out("BASIC"))
    soon(lambda: person.keys, [True, True])
    assert person.plan() == "BASIC"
    assert len(person.ask("GET", f"{STRIPE}/billing/history").json()) == 2


def test_the_plan_and_the_keys_follow_a_subscription_that_ends_and_is_bought_again(
    person: Person, stripe_double: Stripe
) -> None:
    live(person, stripe_double.control, stripe_double.control.click)


def test_the_plan_and_the_keys_follow_a_subscription_paid_in_a_browser(
    person: Person, stripe_double: Stripe, page: Page, base_url: str
) -> None:
    def pay(address: str) -> None:
        page.goto(address)
        assert "$20.00" in page.content()
        page.click("#pay")
        page.wait_for_url(f"{base_url}/checkout/success")
        assert page.get_by_role("heading").inner_text() == "Paid"

    live(person, stripe_double.control, pay)


def test_of_two_paid_checkouts_the_newer_is_cancelled_and_refunded(person: Person, stripe_double: Stripe) -> None:
    first = person.check_out("BASIC")
    opened = stripe_double.v1.checkout.sessions.retrieve(first.rpartition("/")[2].partition("#")[0])
    customer = id_of(opened.customer)
    second = stripe_double.checkout(
        "PROFESSIONAL",
        customer=customer,
        client_reference_id=person.id,
        subscription_data={"metadata": {"userId": person.id}},
    )
    stripe_double.control.click(first)
    stripe_double.control.advance(seconds=1)
    stripe_double.control.click(page_of(second))

    def statuses() -> list[str]:
        found = stripe_double.v1.subscriptions.list({"customer": customer, "status": "all"})
        return [each.status for each in found.data]

    def given_back() -> list[int]:
        return [each.amount_refunded for each in stripe_double.v1.charges.list({"customer": customer}).data]

    soon(statuses, ["canceled", "active"])
    soon(given_back, [6000, 0])
    soon(person.plan, "BASIC")
    assert stripe_double.control.flush()
    assert given_back() == [6000, 0]


def test_lost_late_and_repeated_events_do_not_keep_a_plan_from_starting(
    person: Person, stripe_double: Stripe, system: Running
) -> None:
    control = stripe_double.control
    control.webhooks("drop", times=3)
    control.webhooks("repeat", times=3)
    control.webhooks("delay", times=20, delayMs=500)
    control.click(person.check_out("ADVANCED"))
    soon(person.plan, "ADVANCED")
    assert control.flush(30)


def test_an_event_without_a_valid_signature_is_refused(base_url: str) -> None:
    body = '{"id": "evt_1", "type": "invoice.paid", "livemode": false, "data": {"object": {"customer": "cus_1"}}}'
    for headers in ({}, {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}):
        answer = requests.post(base_url + WEBHOOK, data=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()) == (400, {"message": "the signature is not valid"})
        assert answer.headers["x-request-id"]
