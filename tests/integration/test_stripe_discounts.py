"""Test coupons, promotion codes and discounts on the Stripe double, with the library of Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from local.doubles.stripe import ControlRefused, StripeDouble
from tests.support.stripe import Stripe, id_of, page_of, price_of

DAY = 86_400


@pytest.fixture
def stripe_double() -> Iterator[Stripe]:
    with StripeDouble() as double, double.serve() as served:
        yield Stripe(served)


def coupon(stripe_double: Stripe, **fields: Any) -> str:
    given: Any = {"duration": "forever", **({"percent_off": 50} if "amount_off" not in fields else {}), **fields}
    return stripe_double.v1.coupons.create(given).id


def code(stripe_double: Stripe, coupon_id: str, **fields: Any) -> stripe.PromotionCode:
    given: Any = {"promotion": {"type": "coupon", "coupon": coupon_id}, **fields}
    return stripe_double.v1.promotion_codes.create(given)


def paid(stripe_double: Stripe, subscription: stripe.Subscription) -> list[int]:
    """Return what the invoices of a subscription have charged, newest first."""
    return [each.amount_paid for each in stripe_double.invoices(subscription)]


@pytest.mark.parametrize(
    ("fields", "months"),
    [
        ({"duration": "once"}, [2000, 2000, 2000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [2000, 2000, 1000, 1000]),
        ({"duration": "forever"}, [1000, 1000, 1000, 1000]),
        ({"amount_off": 500, "currency": "usd"}, [1500, 1500, 1500, 1500]),
        ({"amount_off": 2500, "currency": "usd", "duration": "once"}, [2000, 2000, 2000, 0]),
        ({"percent_off": 33.33}, [1333, 1333, 1333, 1333]),
    ],
)
def test_a_discount_lasts_as_its_coupon_says(stripe_double: Stripe, fields: dict[str, Any], months: list[int]) -> None:
    subscription = stripe_double.subscribe(discounts=[{"coupon": coupon(stripe_double, **fields)}])
    stripe_double.control.advance(days=95)
    invoices = stripe_double.invoices(subscription)
    assert [each.amount_paid for each in invoices] == months
    assert [(each.subtotal, each.total) for each in invoices] == [(2000, amount) for amount in months]
    charges = stripe_double.v1.charges.list().data
    assert [each.amount for each in charges] == [amount for amount in months if amount]
    assert bool(stripe_double.subscription(subscription.id).discounts) == (months[0] < 2000)


def test_a_discount_for_one_charge_waits_for_the_first_that_is_discounted(stripe_double: Stripe) -> None:
    once = coupon(stripe_double, duration="once")
    tried = stripe_double.subscribe(discounts=[{"coupon": once}], subscription_data={"trial_period_days": 7})
    assert len(tried.discounts or []) == 1
    stripe_double.control.advance(days=8)
    assert paid(stripe_double, tried) == [1000, 0]
    assert not stripe_double.subscription(tried.id).discounts
    later = stripe_double.subscribe()
    changed = stripe_double.v1.subscriptions.update(later.id, {"discounts": [{"coupon": once}]})
    assert len(changed.discounts or []) == 1
    stripe_double.control.advance(days=64)
    assert paid(stripe_double, later) == [2000, 1000, 2000]


def test_a_repeating_discount_has_an_end_and_its_removal_an_event(stripe_double: Stripe) -> None:
    repeating = coupon(stripe_double, duration="repeating", duration_in_months=1)
    subscription = stripe_double.subscribe(discounts=[{"coupon": repeating}])
    shown: Any = stripe_double.v1.subscriptions.retrieve(subscription.id, {"expand": ["discounts.source.coupon"]})
    (discount,) = shown.discounts
    assert discount.source.coupon.id == repeating
    assert discount.end == subscription["items"].data[0].current_period_end
    assert discount.subscription == subscription.id
    stripe_double.control.advance(days=32)
    (gone,) = stripe_double.events("customer.discount.deleted")
    assert gone.data.object.id == discount.id
    assert not stripe_double.subscription(subscription.id).discounts


def test_the_amounts_of_an_invoice_name_their_discounts(stripe_double: Stripe) -> None:
    half, less = coupon(stripe_double), coupon(stripe_double, amount_off=300, currency="usd")
    subscription = stripe_double.subscribe()
    wanted: Any = [{"coupon": half}, {"coupon": less}]
    stripe_double.v1.subscriptions.update(subscription.id, {"discounts": wanted})
    stripe_double.control.advance(days=32)
    latest = stripe_double.invoices(subscription)[0].id or ""
    invoice: Any = stripe_double.v1.invoices.retrieve(latest, {"expand": ["total_discount_amounts.discount"]})
    amounts = {each.discount.source.coupon: each.amount for each in invoice.total_discount_amounts}
    assert (invoice.subtotal, invoice.total, amounts) == (2000, 700, {half: 1000, less: 300})
    (line,) = invoice.lines.data
    assert (line.amount, [each.amount for each in line.discount_amounts]) == (2000, [1000, 300])
    stripe_double.v1.subscriptions.update(subscription.id, {"discounts": ""})
    stripe_double.control.advance(days=32)
    assert paid(stripe_double, subscription)[0] == 2000


def test_an_invoice_without_an_amount_has_no_payment(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(discounts=[{"coupon": coupon(stripe_double, percent_off=100)}])
    (session,) = stripe_double.v1.checkout.sessions.list().data
    assert (session.payment_status, session.amount_subtotal, session.amount_total) == ("no_payment_required", 2000, 0)
    assert session.total_details
    assert session.total_details.amount_discount == 2000
    invoice: Any = stripe_double.v1.invoices.retrieve(id_of(subscription.latest_invoice), {"expand": ["payments"]})
    assert (invoice.status, invoice.amount_due, invoice.payments.data) == ("paid", 0, [])
    assert stripe_double.v1.payment_intents.list().data == []
    assert subscription.status == "active"
    assert subscription.default_payment_method


def test_a_checkout_of_nothing_collects_a_card_only_if_it_must(stripe_double: Stripe) -> None:
    free = coupon(stripe_double, percent_off=100, duration="once")
    subscription = stripe_double.subscribe(
        action="pay_declined", discounts=[{"coupon": free}], payment_method_collection="if_required"
    )
    assert (subscription.status, subscription.default_payment_method) == ("active", None)
    stripe_double.control.advance(days=32)
    assert stripe_double.subscription(subscription.id).status == "past_due"
    with_card = stripe_double.subscribe(payment_method_collection="if_required")
    assert with_card.default_payment_method


def test_a_promotion_code_is_entered_on_the_page(stripe_double: Stripe) -> None:
    half = coupon(stripe_double)
    code(stripe_double, half, code="Spring-26")
    session = stripe_double.checkout(customer=stripe_double.customer().id, allow_promotion_codes=True)
    page = page_of(session)
    assert stripe_double.control.click(page, code="AUTUMN-26") == ""
    form = {"action": "apply", "promotion_code": "AUTUMN-26"}
    assert "This code is invalid." in requests.post(page, data=form, timeout=60).text
    applied = requests.post(page, data=form | {"promotion_code": "spring-26"}, timeout=60).text
    assert "Due today: $10.00" in applied
    assert stripe_double.control.click(page)
    session = stripe_double.v1.checkout.sessions.retrieve(session.id)
    assert (session.amount_total, session.payment_status) == (1000, "paid")
    subscription = stripe_double.subscription(id_of(session.subscription))
    assert paid(stripe_double, subscription) == [1000]
    assert [each.times_redeemed for each in stripe_double.v1.promotion_codes.list().data] == [1]
    assert stripe_double.v1.coupons.retrieve(half).times_redeemed == 1


def test_a_page_takes_no_promotion_code_unless_it_allows_them(stripe_double: Stripe) -> None:
    code(stripe_double, coupon(stripe_double), code="SPRING")
    page = page_of(stripe_double.checkout(customer=stripe_double.customer().id))
    assert "Promotion code" not in requests.get(page, timeout=60).text
    assert stripe_double.control.click(page, code="SPRING") == ""
    with pytest.raises(stripe.InvalidRequestError, match="allow_promotion_codes, discounts"):
        stripe_double.checkout(allow_promotion_codes=True, discounts=[{"coupon": coupon(stripe_double)}])


def test_a_promotion_code_is_only_for_those_whom_it_names(stripe_double: Stripe) -> None:
    half, other = coupon(stripe_double), stripe_double.customer().id
    first: Any = {"first_time_transaction": True}
    large: Any = {"minimum_amount": 3000, "minimum_amount_currency": "usd"}
    customer = id_of(stripe_double.subscribe().customer)
    refused = [
        code(stripe_double, half, customer=other),
        code(stripe_double, half, restrictions=first),
        code(stripe_double, half, restrictions=large),
        code(stripe_double, half, active=False),
        code(stripe_double, half, expires_at=stripe_double.control.now() + DAY),
    ]
    stripe_double.control.advance(days=2)
    for each in refused:
        with pytest.raises(stripe.InvalidRequestError, match="cannot be redeemed"):
            stripe_double.checkout(customer=customer, discounts=[{"promotion_code": each.id}])
    large_enough = stripe_double.checkout("ADVANCED", customer=customer, discounts=[{"promotion_code": refused[2].id}])
    named = stripe_double.checkout(customer=other, discounts=[{"promotion_code": refused[0].id}])
    assert [large_enough.amount_total, named.amount_total] == [2000, 1000]


def test_a_coupon_is_redeemed_so_often_and_so_long(stripe_double: Stripe) -> None:
    rare = coupon(stripe_double, max_redemptions=1)
    early = coupon(stripe_double, redeem_by=stripe_double.control.now() + DAY)
    open_page = stripe_double.checkout(customer=stripe_double.customer().id, discounts=[{"coupon": rare}])
    stripe_double.subscribe(discounts=[{"coupon": rare}])
    assert stripe_double.control.click(page_of(open_page)) == ""
    stripe_double.control.advance(days=2)
    for each in (rare, early):
        assert not stripe_double.v1.coupons.retrieve(each).valid
        with pytest.raises(stripe.InvalidRequestError) as refused:
            stripe_double.checkout(discounts=[{"coupon": each}])
        assert refused.value.code == "coupon_expired"


def test_a_deleted_coupon_cannot_be_redeemed_and_its_discounts_stay(stripe_double: Stripe) -> None:
    half = coupon(stripe_double)
    subscription = stripe_double.subscribe(discounts=[{"coupon": half}])
    assert stripe_double.v1.coupons.delete(half).deleted
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.checkout(discounts=[{"coupon": half}])
    assert refused.value.code == "resource_missing"
    stripe_double.control.advance(days=32)
    assert paid(stripe_double, subscription) == [1000, 1000]


def test_a_discount_of_a_customer_is_for_subscriptions_without_one(stripe_double: Stripe) -> None:
    half, less = coupon(stripe_double), coupon(stripe_double, amount_off=500, currency="usd")
    subscription = stripe_double.subscribe()
    customer = id_of(subscription.customer)
    stripe_double.control.discount(customer, half)
    second = stripe_double.subscribe("ADVANCED", customer=customer, discounts=[{"coupon": less}])
    third = stripe_double.subscribe("ADVANCED", customer=customer)
    stripe_double.control.advance(days=32)
    assert paid(stripe_double, subscription) == [1000, 2000]
    assert paid(stripe_double, second) == [3500, 3500]
    assert paid(stripe_double, third) == [2000, 2000]
    shown = stripe_double.v1.customers.retrieve(customer).discount
    assert shown
    assert shown.source.coupon == half
    assert stripe_double.v1.customers.delete_discount(customer).deleted
    assert stripe_double.v1.subscriptions.delete_discount(second.id).deleted
    stripe_double.control.advance(days=32)
    assert paid(stripe_double, subscription)[0] == 2000
    assert paid(stripe_double, second)[0] == 4000
    with pytest.raises(ControlRefused):
        stripe_double.control.discount(customer, "of nothing")


def test_a_change_of_plan_credits_what_was_charged_and_not_the_price(stripe_double: Stripe) -> None:
    """In classic billing mode, stripe/stripe-dotnet#3103, the free month would be credited at its full price."""
    free = coupon(stripe_double, percent_off=100, duration="once")
    subscription = stripe_double.subscribe("ADVANCED", discounts=[{"coupon": free}])
    stripe_double.change_plan(subscription, "BASIC", proration_behavior="always_invoice")
    balance = stripe_double.v1.customers.retrieve(id_of(subscription.customer)).balance
    assert (paid(stripe_double, subscription), balance) == ([2000, 0], 0)


def test_a_change_of_plan_is_discounted_as_the_subscription_is(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(discounts=[{"coupon": coupon(stripe_double)}])
    stripe_double.change_plan(subscription, "ADVANCED", proration_behavior="always_invoice")
    assert paid(stripe_double, subscription) == [1000, 1000]
    latest, _ = stripe_double.invoices(subscription)
    assert [line.amount for line in latest.lines.data] == [-1000, 2000]
    free = coupon(stripe_double, percent_off=100)
    other = stripe_double.subscribe(discounts=[{"coupon": free}], payment_method_collection="if_required")
    changed = stripe_double.change_plan(
        other, "ADVANCED", proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
    )
    assert changed["items"].data[0].price.id == price_of("ADVANCED")
    assert paid(stripe_double, other) == [0, 0]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"percent_off": 50, "amount_off": 5, "currency": "usd"}, "percent_off"),
        ({"duration": "once"}, "percent_off"),
        ({"percent_off": 101}, "percent_off"),
        ({"percent_off": 50, "duration": "repeating"}, "duration_in_months"),
        ({"amount_off": 500}, "currency"),
        ({"amount_off": 500, "currency": "eur"}, "currency"),
    ],
)
def test_a_coupon_that_says_too_little_or_too_much_is_refused(
    stripe_double: Stripe, fields: dict[str, Any], param: str
) -> None:
    given: Any = fields
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.v1.coupons.create(given)
    assert refused.value.param == param
