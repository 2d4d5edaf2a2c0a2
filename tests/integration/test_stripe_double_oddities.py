"""Test what Stripe does that is easily overlooked, on the Stripe double: schedules, disputes, credit, the portal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from local.doubles.stripe import ControlRefused, StripeDouble
from tests.support.stripe import Stripe, id_of, price_of


@pytest.fixture
def stripe_double() -> Iterator[Stripe]:
    with StripeDouble() as double, double.serve() as served:
        yield Stripe(served)


def with_card(stripe_double: Stripe) -> str:
    """Return a customer with a card, whose first subscription has ended."""
    subscription = stripe_double.subscribe()
    customer, card = id_of(subscription.customer), id_of(subscription.default_payment_method)
    stripe_double.v1.subscriptions.cancel(subscription.id)
    stripe_double.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card}})
    return customer


def foreign_price(stripe_double: Stripe, **fields: Any) -> str:
    product = stripe_double.v1.products.create({"name": "Support"})
    monthly = {"unit_amount": 500, "currency": "usd", "recurring": {"interval": "month"}} | fields
    price: Any = {"product": product.id} | monthly
    return stripe_double.v1.prices.create(price).id


def test_a_subscription_has_several_items_which_are_invoiced_together(stripe_double: Stripe) -> None:
    customer, add_on = with_card(stripe_double), foreign_price(stripe_double)
    subscription = stripe_double.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": add_on, "quantity": 2}, {"price": price_of("BASIC")}]}
    )
    assert [item.price.id for item in subscription["items"].data] == [add_on, price_of("BASIC")]
    assert [each.amount_paid for each in stripe_double.invoices(subscription)] == [3000]
    second = subscription["items"].data[1]
    change: Any = {"items": [{"id": second.id, "price": price_of("ADVANCED")}], "proration_behavior": "none"}
    stripe_double.v1.subscriptions.update(subscription.id, change)
    stripe_double.control.advance(days=32)
    assert [each.amount_paid for each in stripe_double.invoices(subscription)] == [5000, 3000]


def test_an_item_is_added_for_the_rest_of_the_period(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    change = stripe_double.v1.subscriptions.update
    items: Any = [{"price": price_of("ADVANCED")}]
    changed = change(subscription.id, {"items": items, "proration_behavior": "always_invoice"})
    assert [each.price.id for each in changed["items"].data] == [price_of("BASIC"), price_of("ADVANCED")]
    assert [each.amount_paid for each in stripe_double.invoices(subscription)] == [4000, 2000]
    with pytest.raises(stripe.InvalidRequestError, match="same price"):
        change(subscription.id, {"items": items})
    stripe_double.control.advance(days=32)
    assert stripe_double.invoices(subscription)[0].amount_paid == 6000


def test_a_tiered_price_has_no_amount(stripe_double: Stripe) -> None:
    tiers: Any = [{"up_to": 2, "unit_amount": 300}, {"up_to": "inf", "unit_amount": 200}]
    price = foreign_price(stripe_double, billing_scheme="tiered", tiers_mode="volume", tiers=tiers)
    customer = with_card(stripe_double)
    subscription = stripe_double.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price, "quantity": 3}]}
    )
    assert subscription["items"].data[0].price.unit_amount is None
    assert [each.amount_paid for each in stripe_double.invoices(subscription)] == [600]


def test_a_scheduled_subscription_refuses_a_cancellation_until_it_is_released(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    schedule = stripe_double.v1.subscription_schedules.create({"from_subscription": subscription.id})
    assert stripe_double.subscription(subscription.id).schedule == schedule.id
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        stripe_double.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert stripe_double.v1.subscription_schedules.release(schedule.id).status == "released"
    assert stripe_double.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True}).cancel_at_period_end
    with pytest.raises(stripe.InvalidRequestError, match="currently in the `released` status"):
        stripe_double.v1.subscription_schedules.release(schedule.id)


def test_the_portal_sets_cancel_at_alone_and_both_parameters_together_are_refused(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    stripe_double.control.cancel_in_portal(subscription.id)
    ending = stripe_double.subscription(subscription.id)
    assert not ending.cancel_at_period_end
    assert ending.cancel_at == ending["items"].data[0].current_period_end
    unset = stripe_double.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert unset.cancel_at == ending.cancel_at
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False, "cancel_at": ""})
    assert refused.value.http_status == 400
    assert stripe_double.v1.subscriptions.update(subscription.id, {"cancel_at": ""}).cancel_at is None
    stripe_double.control.cancel_in_portal(subscription.id)
    stripe_double.control.advance(days=32)
    assert stripe_double.subscription(subscription.id).status == "canceled"
    with pytest.raises(ControlRefused):
        stripe_double.control.cancel_in_portal(subscription.id)


def test_a_disputed_charge_cannot_be_refunded(stripe_double: Stripe) -> None:
    stripe_double.subscribe()
    (charge,) = stripe_double.v1.charges.list().data
    stripe_double.control.dispute(charge.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_disputed"
    with pytest.raises(ControlRefused):
        stripe_double.control.dispute("ch_none")


def test_credit_pays_invoices_and_is_recorded(stripe_double: Stripe) -> None:
    customer = with_card(stripe_double)
    stripe_double.v1.customers.balance_transactions.create(customer, {"amount": -2500, "currency": "usd"})
    subscription = stripe_double.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price_of("BASIC")}]}
    )
    (invoice,) = stripe_double.invoices(subscription)
    assert (invoice.status, invoice.amount_paid) == ("paid", 0)
    assert (invoice.starting_balance, invoice.ending_balance) == (-2500, -500)
    applied, given = stripe_double.v1.customers.balance_transactions.list(customer).data
    assert (given.type, given.ending_balance) == ("adjustment", -2500)
    assert (applied.type, applied.amount, applied.invoice) == ("applied_to_invoice", 2000, invoice.id)


def test_a_detached_card_pays_nothing(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    card = id_of(subscription.default_payment_method)
    stripe_double.v1.payment_methods.detach(card)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        stripe_double.change_plan(
            subscription, "ADVANCED", proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
        )
    with pytest.raises(stripe.InvalidRequestError, match="must be attached to the customer"):
        stripe_double.v1.subscriptions.create(
            {
                "customer": id_of(subscription.customer),
                "items": [{"price": price_of("BASIC")}],
                "default_payment_method": card,
            }
        )
    stripe_double.control.advance(days=32)
    assert stripe_double.subscription(subscription.id).status == "past_due"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_a_paused_subscription_stays_active_and_collects_nothing(
    stripe_double: Stripe, behavior: Any, status: str
) -> None:
    subscription = stripe_double.subscribe()
    stripe_double.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": behavior}})
    stripe_double.control.advance(days=32)
    assert stripe_double.subscription(subscription.id).status == "active"
    assert [each.status for each in stripe_double.invoices(subscription)] == [status, "paid"]
    assert stripe_double.v1.subscriptions.update(subscription.id, {"pause_collection": ""}).pause_collection is None


def test_an_invoice_that_is_not_collected_can_be_paid_or_voided_and_voiding_gives_credit_back(
    stripe_double: Stripe,
) -> None:
    subscription, v1 = stripe_double.subscribe(), stripe_double.v1
    customer = id_of(subscription.customer)
    v1.customers.balance_transactions.create(customer, {"amount": -2500, "currency": "usd"})
    v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "mark_uncollectible"}})
    stripe_double.control.advance(days=94)
    third, second, first, _ = stripe_double.invoices(subscription)
    assert [(each.status, each.amount_due) for each in (first, second, third)] == [
        ("paid", 0),
        ("uncollectible", 1500),
        ("uncollectible", 2000),
    ]
    assert v1.invoices.pay(third.id).status == "paid"
    assert v1.invoices.void_invoice(second.id).status == "void"
    assert v1.customers.retrieve(customer).balance == -500
    given_back, *_ = v1.customers.balance_transactions.list(customer).data
    assert (given_back.type, given_back.amount, given_back.invoice) == ("unapplied_from_invoice", -500, second.id)


def test_lists_of_an_unknown_customer_are_refused_and_of_a_deleted_one_maybe(stripe_double: Stripe) -> None:
    v1, customer = stripe_double.v1, id_of(stripe_double.subscribe().customer)
    lists: list[Any] = [v1.subscriptions.list, v1.invoices.list, v1.checkout.sessions.list]
    for each in lists:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            each({"customer": "cus_unknown"})
        assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    v1.customers.delete(customer)
    assert [each.status for each in v1.subscriptions.list({"customer": customer, "status": "all"}).data] == ["canceled"]
    stripe_double.control.call("PATCH", "/_settings", deletedCustomers="refused")
    for each in lists:
        with pytest.raises(stripe.InvalidRequestError):
            each({"customer": customer})
    assert v1.customers.retrieve(customer).to_dict() == {"id": customer, "object": "customer", "deleted": True}
