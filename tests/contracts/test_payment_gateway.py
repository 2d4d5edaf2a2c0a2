"""The contract of the payment gateway, held against Stripe's double and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from local.doubles.stripe import Served, StripeDouble
from purser.billing.model import Checkout, Prices, Refund, Status, StripeSubscription
from purser.billing.ports import CheckoutTaken, PaymentGateway
from purser.billing.stripe_gateway import StripeGateway
from purser.plans.model import CATALOG, Plan
from tests.support import billing
from tests.support.billing import DAY_MS, FakeStripe

BASIC, ADVANCED, PROFESSIONAL, _ = CATALOG
NOW = 1_700_000_000_000


@dataclass
class World:
    """The gateway, and people who pay.

    ``advance`` moves Stripe's clock by a day, ``now`` is its time in ms, and ``refunded`` all that was given back, in
    cents.
    """

    gateway: PaymentGateway
    prices: Prices
    pay: Callable[[str, str, Checkout], object]
    advance: Callable[[], object]
    now: Callable[[], int]
    refunded: Callable[[], int]

    def customer(self) -> tuple[str, str]:
        user = str(uuid4())
        return user, self.gateway.create_customer(user)

    def open(self, user: str, customer: str, plan: Plan = BASIC, key: str = "") -> Checkout:
        price = self.prices.of(plan)
        assert price is not None
        return self.gateway.open_checkout(customer, user, price, key or str(uuid4()))

    def subscribe(self, plan: Plan = BASIC) -> StripeSubscription:
        user, customer = self.customer()
        self.pay(user, customer, self.open(user, customer, plan))
        (subscription,) = self.gateway.subscriptions(customer)
        return subscription

    def read(self, subscription: StripeSubscription) -> StripeSubscription:
        (found,) = self.gateway.subscriptions(subscription.customer_id)
        return found


@pytest.fixture(scope="module")
def stripe() -> Iterator[Served]:
    with StripeDouble() as double, double.serve() as served:
        yield served


@pytest.fixture(params=["fake", "Stripe"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return in_memory()
    served: Served = request.getfixturevalue("stripe")
    control, key = served.control, f'{{"apiKey": "{served.keys.api_key}"}}'
    prices = Prices({plan.name: [f"price_purser_{plan.name.lower()}"] for plan in CATALOG if plan.public})
    return World(
        StripeGateway(lambda: key, served.url, prices, "https://paid", "https://not-paid"),
        prices,
        lambda user, customer, page: control.click(page.url),
        lambda: control.advance(days=1),
        lambda: control.now() * 1000,
        lambda: sum(refund["amount"] for refund in control.state()["refund"]),
    )


def in_memory() -> World:
    fake, days = FakeStripe(), [0]

    def now() -> int:
        return NOW + days[0] * DAY_MS

    def pay(user: str, customer: str, page: Checkout) -> None:
        plan = billing.PRICES.plan(page.price_id)
        assert plan is not None
        fake.close_checkout(page.id)
        fake.begin(customer, plan, now(), user)

    return World(fake, billing.PRICES, pay, lambda: days.append(days.pop() + 1), now, lambda: fake.refunded)


def test_a_user_has_one_customer_until_it_is_deleted(world: World) -> None:
    user, customer = world.customer()
    assert world.gateway.create_customer(user) == customer
    successor = world.gateway.create_customer(user, customer)
    assert successor != customer
    assert world.gateway.create_customer(user, customer) == successor
    assert world.customer()[1] not in (customer, successor)
    assert not world.gateway.is_deleted(customer)


def test_one_page_is_opened_under_a_key(world: World) -> None:
    user, customer = world.customer()
    key = str(uuid4())
    first = world.open(user, customer, key=key)
    assert world.open(user, customer, key=key) == first
    second = world.open(user, customer)
    assert second.id != first.id
    assert {page.id for page in world.gateway.checkouts(customer)} == {first.id, second.id}
    assert first.is_open
    assert first.price_id == world.prices.of(BASIC)


def test_a_key_opens_no_page_for_another_price(world: World) -> None:
    user, customer = world.customer()
    key = str(uuid4())
    first = world.open(user, customer, key=key)
    with pytest.raises(CheckoutTaken):
        world.open(user, customer, ADVANCED, key)
    assert world.gateway.checkouts(customer) == [first]


def test_a_customer_has_its_own_pages(world: World) -> None:
    (user, customer), (_, other) = world.customer(), world.customer()
    world.open(user, customer)
    assert world.gateway.checkouts(other) == []


def test_a_closed_page_stays_closed(world: World) -> None:
    user, customer = world.customer()
    page = world.open(user, customer)
    for _ in range(2):
        world.gateway.close_checkout(page.id)
        assert [each.is_open for each in world.gateway.checkouts(customer)] == [False]
    assert world.gateway.subscriptions(customer) == []


def test_closing_a_paid_page_does_not_end_its_subscription(world: World) -> None:
    user, customer = world.customer()
    page = world.open(user, customer)
    world.pay(user, customer, page)
    world.gateway.close_checkout(page.id)
    (bought,) = world.gateway.subscriptions(customer)
    assert bought.status is Status.ACTIVE


def test_a_paid_page_is_a_subscription(world: World) -> None:
    user, customer = world.customer()
    world.pay(user, customer, world.open(user, customer))
    (bought,) = world.gateway.subscriptions(customer)
    assert (bought.user_id, bought.customer_id, bought.status) == (user, customer, Status.ACTIVE)
    assert (bought.price_id, bought.amount) == (world.prices.of(BASIC), BASIC.monthly_price_usd * 100)
    assert (bought.cancel_at_period_end, bought.cancel_at) == (False, None)
    assert not any(page.is_open for page in world.gateway.checkouts(customer))


def test_subscriptions_are_listed_newest_first_ended_ones_too(world: World) -> None:
    first = world.subscribe()
    world.gateway.cancel(first.id)
    world.advance()
    assert first.user_id is not None
    world.pay(first.user_id, first.customer_id, world.open(first.user_id, first.customer_id, ADVANCED))
    second, ended = world.gateway.subscriptions(first.customer_id)
    assert (ended.id, ended.status) == (first.id, Status.CANCELED)
    assert (second.price_id, second.status) == (world.prices.of(ADVANCED), Status.ACTIVE)


def test_all_subscriptions_that_have_not_ended_are_listed_newest_first(world: World) -> None:
    first = world.subscribe()
    ended = world.subscribe()
    world.gateway.cancel(ended.id)
    world.advance()
    second = world.subscribe()

    def listed(until: int) -> list[str]:
        mine = {first.id, second.id, ended.id}
        return [each.id for each in world.gateway.all_subscriptions(until) if each.id in mine]

    assert listed(world.now()) == [second.id, first.id]
    assert listed(first.created_at) == [first.id]
    assert listed(first.created_at - 1000) == []


def test_an_update_changes_only_the_given_fields(world: World) -> None:
    bought = world.subscribe()
    ending = world.gateway.update(bought, cancel_at_period_end=True, price_id=None)
    assert ending == world.read(bought)
    assert (ending.cancel_at_period_end, ending.price_id, ending.status) == (True, bought.price_id, Status.ACTIVE)
    larger = world.gateway.update(bought, cancel_at_period_end=None, price_id=world.prices.of(PROFESSIONAL))
    assert larger == world.read(bought)
    assert (larger.cancel_at_period_end, larger.price_id) == (True, world.prices.of(PROFESSIONAL))
    assert larger.amount == PROFESSIONAL.monthly_price_usd * 100
    both = world.gateway.update(bought, cancel_at_period_end=False, price_id=world.prices.of(BASIC))
    assert (both.cancel_at_period_end, both.price_id) == (False, world.prices.of(BASIC))


def test_a_subscription_is_cancelled_once(world: World) -> None:
    bought, other = world.subscribe(), world.subscribe()
    for _ in range(2):
        world.gateway.cancel(bought.id)
        assert world.read(bought).status is Status.CANCELED
    assert world.read(other).status is Status.ACTIVE


def test_a_subscription_is_read_by_its_id(world: World) -> None:
    bought = world.subscribe()
    assert world.gateway.subscription(bought.id) == bought
    assert world.gateway.subscription("sub_unknown") is None


def test_the_payment_for_a_concurrent_subscription_is_refunded_once(world: World) -> None:
    kept = world.subscribe()
    world.advance()
    bought, price = world.subscribe(ADVANCED), ADVANCED.monthly_price_usd * 100
    world.gateway.cancel(bought.id)
    before = world.refunded()
    assert world.gateway.refund(bought.id, beside=kept.id) == Refund(price)
    assert world.gateway.refund(bought.id, beside=kept.id) in (Refund(), Refund(price))
    assert world.refunded() == before + price


def test_a_payment_from_before_another_subscription_is_not_refunded(world: World) -> None:
    bought = world.subscribe()
    world.advance()
    kept = world.subscribe(ADVANCED)
    before = world.refunded()
    assert world.gateway.refund(bought.id, beside=kept.id) == Refund()
    assert world.refunded() == before
