"""Test the Stripe double over time: renewals, failing cards, trials, expiry, and the order of events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from local.doubles.stripe import ControlRefused, StripeDouble
from local.doubles.stripe.periods import end_of_period
from tests.support.effort import examples
from tests.support.stripe import PRICES, Stripe, id_of, price_of

# The library types most fields as an id, an object or None. Where a test knows which one it gets, the object is Any.
DAY, HOUR = 86_400, 3600
MONTHLY = {"interval": "month", "interval_count": 1}


@pytest.fixture
def stripe_double() -> Iterator[Stripe]:
    with StripeDouble() as double, double.serve() as served:
        yield Stripe(served)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_a_period_ends_on_the_day_of_its_anchor_or_the_last_day_of_a_shorter_month() -> None:
    anchor, ends, moment = at("2027-10-31T12:00"), [], at("2027-10-31T12:00")
    for _ in range(5):
        moment = end_of_period(anchor, MONTHLY, moment)
        ends.append(datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H"))
    assert ends == ["11-30 12", "12-31 12", "01-31 12", "02-29 12", "03-31 12"]
    leap = end_of_period(at("2028-02-29T00:00"), {"interval": "year", "interval_count": 1}, at("2028-02-29T00:00"))
    assert leap == at("2029-02-28T00:00")


def test_a_renewal_is_a_draft_for_an_hour_and_then_collected(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    end = subscription["items"].data[0].current_period_end
    stripe_double.control.call("POST", "/_clock", to=end * 1000)
    draft = stripe_double.invoices(subscription)[0]
    assert (draft.status, draft.billing_reason, draft.number) == ("draft", "subscription_cycle", None)
    assert draft.automatically_finalizes_at == end + HOUR
    assert (draft.period_end, draft.lines.data[0].period.start) == (end, end)
    assert stripe_double.subscription(subscription.id).status == "active"
    stripe_double.control.advance(seconds=HOUR)
    paid, first = stripe_double.invoices(subscription)
    assert (paid.id, paid.status, paid.amount_paid) == (draft.id, "paid", 2000)
    assert paid.number is not None
    assert first.number is not None
    assert paid.number > first.number
    assert paid.status_transitions.paid_at == end + HOUR


def test_a_year_of_renewals_has_adjacent_periods_and_ordered_events(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    stripe_double.subscribe("ADVANCED")
    stripe_double.control.advance(days=370)
    invoices = stripe_double.invoices(subscription)
    assert len(invoices) == 13
    assert {each.status for each in invoices} == {"paid"}
    starts = [each.lines.data[0].period.start for each in invoices[::-1]]
    ends = [each.lines.data[0].period.end for each in invoices[::-1]]
    assert starts[1:] == ends[:-1]
    moments = [event.created for event in stripe_double.events()]
    assert moments == sorted(moments)
    assert len(set(moments)) > 24


def test_a_failing_card_is_retried_and_the_subscription_is_then_cancelled(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(action="pay_declined_later")
    end = subscription["items"].data[0].current_period_end
    assert subscription.status == "active"
    stripe_double.control.call("POST", "/_clock", to=(end + HOUR) * 1000)
    assert stripe_double.subscription(subscription.id).status == "past_due"
    failed = stripe_double.invoices(subscription)[0]
    assert (failed.status, failed.attempt_count, failed.next_payment_attempt) == ("open", 1, end + HOUR + 3 * DAY)
    stripe_double.control.advance(days=3 + 5)
    assert stripe_double.invoices(subscription)[0].attempt_count == 3
    assert stripe_double.subscription(subscription.id).status == "past_due"
    stripe_double.control.advance(days=7)
    ended: Any = stripe_double.subscription(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert ended.ended_at == end + HOUR + 15 * DAY
    invoice = stripe_double.invoices(subscription)[0]
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == ("open", 4, None)
    assert len(stripe_double.events("invoice.payment_failed")) == 4
    assert [each.status for each in stripe_double.v1.charges.list().data] == ["failed"] * 4 + ["succeeded"]
    stripe_double.control.advance(days=90)
    assert len(stripe_double.invoices(subscription)) == 2


def test_a_working_card_makes_a_past_due_subscription_active(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(action="pay_declined_later")
    stripe_double.control.advance(days=32)
    stripe_double.control.declines(id_of(subscription.customer), "never")
    stripe_double.control.advance(days=3)
    assert stripe_double.subscription(subscription.id).status == "active"
    assert stripe_double.invoices(subscription)[0].amount_paid == 2000


def test_paying_an_open_invoice_makes_the_subscription_active(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(action="pay_declined_later")
    stripe_double.control.advance(days=32)
    (invoice, _) = stripe_double.invoices(subscription)
    with pytest.raises(stripe.CardError) as declined:
        stripe_double.v1.invoices.pay(invoice.id)
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    stripe_double.control.declines(id_of(subscription.customer), "never")
    assert stripe_double.v1.invoices.pay(invoice.id).status == "paid"
    assert stripe_double.subscription(subscription.id).status == "active"


def test_an_unpaid_subscription_gets_drafts_that_are_not_collected(stripe_double: Stripe) -> None:
    stripe_double.control.call("PATCH", "/_settings", afterRetries="unpaid", retryDays=[1])
    subscription = stripe_double.subscribe(action="pay_declined_later")
    stripe_double.control.advance(days=35)
    assert stripe_double.subscription(subscription.id).status == "unpaid"
    stripe_double.control.advance(days=31)
    assert [each.status for each in stripe_double.invoices(subscription)] == ["draft", "open", "paid"]


def test_an_upgrade_that_cannot_be_paid_fails_or_makes_the_subscription_past_due(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(action="pay_declined_later")
    with pytest.raises(stripe.CardError):
        stripe_double.change_plan(
            subscription, "ADVANCED", proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
        )
    same = stripe_double.subscription(subscription.id)
    assert same["items"].data[0].price.id == price_of("BASIC")
    changed = stripe_double.change_plan(subscription, "ADVANCED", proration_behavior="always_invoice")
    assert (changed.status, changed["items"].data[0].price.id) == ("past_due", price_of("ADVANCED"))


def test_a_downgrade_charges_no_card_and_credits_an_unpaid_period(stripe_double: Stripe) -> None:
    # This is why a user whose subscription is past due cannot change the plan.
    subscription = stripe_double.subscribe("PROFESSIONAL", "pay_declined_later")
    stripe_double.control.advance(days=32)
    assert stripe_double.subscription(subscription.id).status == "past_due"
    changed = stripe_double.change_plan(
        subscription, "BASIC", proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
    )
    assert changed.status == "active"
    balance = stripe_double.v1.customers.retrieve(id_of(subscription.customer)).balance
    assert balance is not None
    assert balance < 0


def test_a_subscription_whose_first_payment_fails_expires_after_a_day(stripe_double: Stripe) -> None:
    customer = id_of(stripe_double.subscribe().customer)
    stripe_double.control.declines(customer, "always")
    (card,) = stripe_double.v1.payment_methods.list({"customer": customer}).data
    subscription: Any = stripe_double.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price_of("BASIC")}], "default_payment_method": card.id}
    )
    assert subscription.status == "incomplete"
    stripe_double.control.advance(seconds=23 * HOUR)
    assert stripe_double.subscription(subscription.id).status == "incomplete_expired"
    assert stripe_double.v1.invoices.retrieve(id_of(subscription.latest_invoice)).status == "void"


def test_a_checkout_expires_after_a_day(stripe_double: Stripe) -> None:
    session = stripe_double.checkout(customer=stripe_double.customer().id)
    stripe_double.control.advance(days=1)
    assert stripe_double.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert [event.data.object.id for event in stripe_double.events("checkout.session.expired")] == [session.id]


def test_the_clock_only_goes_forward(stripe_double: Stripe) -> None:
    now = stripe_double.control.now()
    for body in ({"to": (now - 60) * 1000}, {"advanceMs": -1}, {"advanceMs": "soon"}, {"to": "soon"}, {}):
        with pytest.raises(ControlRefused):
            stripe_double.control.call("POST", "/_clock", **body)
    moved = stripe_double.control.call("POST", "/_clock", to=datetime.fromtimestamp(now + DAY, UTC).isoformat())
    assert moved["nowMs"] >= (now + DAY) * 1000


STEPS = st.one_of(
    st.tuples(
        st.just("plan"), st.sampled_from(sorted(PRICES)), st.sampled_from(["always_invoice", "create_prorations"])
    ),
    st.tuples(st.just("wait"), st.integers(0, 45 * DAY)),
    st.tuples(st.just("card"), st.sampled_from(["never", "always"])),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("discount"), st.sampled_from(["once", "repeating", "forever"]), st.sampled_from([50, 100])),
)


@examples(25)
@given(steps=st.lists(STEPS, max_size=8))
def test_invoices_payments_and_balances_always_add_up(steps: list[tuple[Any, ...]]) -> None:
    with StripeDouble() as double, double.serve() as served:
        client = Stripe(served)
        subscription = client.subscribe()
        for kind, *values in steps:
            status = client.subscription(subscription.id).status
            if kind == "wait":
                client.control.advance(seconds=values[0])
            elif kind == "card":
                client.control.declines(id_of(subscription.customer), values[0])
            elif status not in ("canceled", "incomplete_expired"):
                if kind == "plan":
                    client.change_plan(subscription, values[0], proration_behavior=values[1])
                elif kind == "discount":
                    client.discount(subscription, *values)
                else:
                    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": values[0]})
        invoices = [each for each in client.invoices(subscription) if each.status != "draft"]
        balance = client.v1.customers.retrieve(id_of(subscription.customer)).balance
        assert balance is not None
        assert sum(each.total for each in invoices) == sum(each.amount_due for each in invoices) + balance
        assert all(each.amount_paid == (each.amount_due if each.status == "paid" else 0) for each in invoices)
        charged = sum(each.amount for each in client.v1.charges.list().auto_paging_iter() if each.paid)
        assert charged == sum(each.amount_paid for each in invoices)
        less = sum(taken.amount for each in invoices for taken in each.total_discount_amounts or [])
        assert sum(line.amount for each in invoices for line in each.lines.data) - less == sum(
            each.total for each in invoices
        )
        assert -balance <= charged
        assert len({each.number for each in invoices}) == len(invoices)
