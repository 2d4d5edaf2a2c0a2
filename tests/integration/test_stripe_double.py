"""Test the Stripe double with the library of Stripe: objects, checkouts, plan changes, refunds, errors."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import stripe
from stripe._object_classes import OBJECT_CLASSES

from local.doubles.stripe import StripeDouble
from local.doubles.stripe.wire import API_VERSION
from tests.support.stripe import CANCEL_URL, PRICES, Stripe, id_of, page_of, price_of

# The library types most fields as an id, an object or None. Where a test knows which one it gets, the object is Any.
DAY = 86_400


@pytest.fixture
def stripe_double() -> Iterator[Stripe]:
    with StripeDouble() as double, double.serve() as served:
        yield Stripe(served)


def period(subscription: Any) -> tuple[int, int]:
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end


def test_the_double_has_the_api_version_of_the_pinned_library(stripe_double: Stripe) -> None:
    assert stripe.api_version == API_VERSION
    raw = stripe_double.client.raw_request("get", "/v1/prices")
    assert raw.headers["stripe-version"] == API_VERSION
    assert raw.headers["request-id"].startswith("req_")
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        stripe_double.new_client(stripe_version="2024-06-20").v1.prices.list()


def check(value: Any, kind: Any) -> None:
    """Check recursively that an object has only fields of its type, and all that cannot be null."""
    shown = {name: each for name, each in kind.__annotations__.items() if "ClassVar" not in str(each)}
    needed = {name for name, each in shown.items() if type(None) not in typing.get_args(each)}
    assert value.keys() <= shown.keys(), kind
    assert needed <= value.keys(), kind
    assert all(value[name] is not None for name in needed), kind
    for name, inner in getattr(kind, "_inner_class_types", {}).items():
        found = value.get(name)
        for each in found if isinstance(found, list) else [found] if isinstance(found, dict) else []:
            check(each, inner)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    children: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get("object"), str):
        yield value
    for child in children:
        yield from objects_in(child)


@pytest.mark.parametrize(
    "path",
    [
        "customers", "products", "prices", "checkout/sessions?expand[]=data.line_items", "coupons", "promotion_codes",
        "subscriptions?status=all&expand[]=data.discounts", "invoices?expand[]=data.payments", "invoiceitems",
        "invoice_payments", "payment_intents", "charges", "refunds", "events?limit=100", "payment_methods",
        "webhook_endpoints",
    ],
)  # fmt: skip
def test_objects_have_only_published_fields_and_all_required_ones(stripe_double: Stripe, path: str) -> None:
    half = stripe_double.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    code = stripe_double.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": half.id}})
    subscription = stripe_double.subscribe(discounts=[{"promotion_code": code.id}])
    stripe_double.control.discount(id_of(subscription.customer), half.id)
    stripe_double.change_plan(subscription, "ADVANCED")
    (payment,) = stripe_double.v1.invoice_payments.list().data
    stripe_double.v1.refunds.create({"payment_intent": id_of(payment.payment.payment_intent)})
    stripe_double.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["invoice.paid"]})
    key = stripe_double.keys.api_key
    answer = requests.get(f"{stripe_double.url}/v1/{path}", headers={"Authorization": f"Bearer {key}"}, timeout=60)
    found = [each for each in objects_in(answer.json()) if each["object"] in OBJECT_CLASSES]
    assert found
    for each in found:
        module, name = OBJECT_CLASSES[each["object"]]
        if each["object"] != "list":
            check(each, getattr(importlib.import_module(module), name))


def test_deleting_a_customer_cancels_its_subscriptions_and_prevents_checkouts(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    id = id_of(subscription.customer)
    page = stripe_double.checkout(customer=id)
    assert stripe_double.v1.customers.delete(id).to_dict() == {"id": id, "object": "customer", "deleted": True}
    assert stripe_double.v1.customers.retrieve(id).deleted
    assert stripe_double.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert [each.status for each in stripe_double.v1.invoices.list({"customer": id}).data] == ["paid"]
    assert id not in [each.id for each in stripe_double.v1.customers.list().data]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.checkout(customer=id)
    assert (refused.value.code, refused.value.param) == ("resource_missing", "customer")
    with pytest.raises(stripe.InvalidRequestError):
        stripe_double.v1.customers.delete(id)
    assert requests.get(page_of(page), timeout=60).status_code == 200
    types = [each.type for each in stripe_double.v1.events.list().data]
    assert {"customer.deleted", "customer.subscription.deleted"} <= set(types)


def test_a_paid_checkout_creates_a_subscription_with_a_paid_invoice(stripe_double: Stripe) -> None:
    customer = stripe_double.customer(metadata={"userId": "user-1"})
    session = stripe_double.checkout(
        customer=customer.id,
        client_reference_id="user-1",
        metadata={"plan": "BASIC"},
        subscription_data={"metadata": {"userId": "user-1"}},
    )
    assert (session.status, session.payment_status, session.mode) == ("open", "unpaid", "subscription")
    page = requests.get(page_of(session), timeout=60)
    assert "$20.00" in page.text
    assert stripe_double.control.click(page_of(session)).endswith(f"session={session.id}")
    paid: Any = stripe_double.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription.latest_invoice", "line_items", "customer"]}
    )
    assert (paid.status, paid.payment_status, paid.url, paid.client_reference_id) == (
        "complete",
        "paid",
        None,
        "user-1",
    )
    assert paid.customer.metadata.to_dict() == {"userId": "user-1"}
    assert paid.line_items.data[0].price.id == price_of("BASIC")
    subscription = paid.subscription
    assert (subscription.status, subscription.metadata["userId"]) == ("active", "user-1")
    start, end = period(subscription)
    assert datetime.fromtimestamp(end, UTC).month == datetime.fromtimestamp(start, UTC).month % 12 + 1
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.amount_paid, invoice.amount_due, invoice.attempt_count) == ("paid", 2000, 2000, 1)
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.metadata["userId"] == "user-1"
    assert (invoice.lines.data[0].period.start, invoice.lines.data[0].period.end) == (start, end)
    assert requests.get(invoice.hosted_invoice_url, timeout=60).ok
    types = [event.type for event in stripe_double.events()]
    assert types[-1] == "checkout.session.completed"
    assert types.index("customer.subscription.created") < types.index("invoice.paid")
    again = requests.post(session.url or "", data={"action": "pay"}, timeout=60) if session.url else None
    assert again is not None
    assert "all done" in again.text
    assert len(stripe_double.v1.subscriptions.list().data) == 1


def test_a_cancelled_checkout_stays_open_and_can_be_paid(stripe_double: Stripe) -> None:
    session = stripe_double.checkout(customer=stripe_double.customer().id)
    assert stripe_double.control.click(page_of(session), "cancel") == CANCEL_URL
    assert stripe_double.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert not stripe_double.v1.subscriptions.list({"status": "all"}).data
    assert stripe_double.control.click(page_of(session))
    assert stripe_double.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_a_declined_card_leaves_the_checkout_open(stripe_double: Stripe) -> None:
    session = stripe_double.checkout(customer_email="jenny@example.com")
    assert not stripe_double.control.click(page_of(session), "pay_declined")
    assert stripe_double.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert not stripe_double.v1.subscriptions.list({"status": "all"}).data


def test_a_checkout_without_a_customer_creates_one(stripe_double: Stripe) -> None:
    session = stripe_double.checkout(customer_email="jenny@example.com")
    assert session.customer is None
    stripe_double.control.click(page_of(session))
    paid = stripe_double.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer"]})
    assert isinstance(paid.customer, stripe.Customer)
    assert paid.customer.email == "jenny@example.com"


def test_an_expired_checkout_cannot_be_paid(stripe_double: Stripe) -> None:
    session = stripe_double.checkout(customer=stripe_double.customer().id)
    assert stripe_double.v1.checkout.sessions.expire(session.id).status == "expired"
    assert not stripe_double.control.click(page_of(session))
    assert not stripe_double.v1.subscriptions.list({"status": "all"}).data
    with pytest.raises(stripe.InvalidRequestError, match="Only Checkout Sessions with a status"):
        stripe_double.v1.checkout.sessions.expire(session.id)


@pytest.mark.parametrize("behavior", ["always_invoice", "create_prorations", "none"])
def test_an_upgrade_is_prorated_as_requested(stripe_double: Stripe, behavior: str) -> None:
    subscription = stripe_double.subscribe()
    start, end = period(subscription)
    stripe_double.control.advance(days=10)
    changed = stripe_double.change_plan(subscription, "ADVANCED", proration_behavior=behavior)
    assert changed["items"].data[0].price.id == price_of("ADVANCED")
    assert period(changed) == (start, end)
    left = (end - stripe_double.control.now()) / (end - start)
    difference = round(4000 * left) - round(2000 * left)
    invoices, waiting = (
        stripe_double.invoices(subscription),
        stripe_double.v1.invoice_items.list({"pending": True}).data,
    )
    if behavior == "always_invoice":
        assert len(invoices) == 2
        assert invoices[0].amount_paid == pytest.approx(difference, abs=2)
        assert invoices[0].billing_reason == "subscription_update"
        parents: list[Any] = [line.parent for line in invoices[0].lines.data]
        assert [each.subscription_item_details.proration for each in parents] == [True, True]
        assert [line.amount < 0 for line in invoices[0].lines.data] == [True, False]
    else:
        assert len(invoices) == 1
        assert len(waiting) == (2 if behavior == "create_prorations" else 0)
    stripe_double.control.advance(days=32)
    renewal = stripe_double.invoices(subscription)[0]
    later = difference if behavior == "create_prorations" else 0
    assert renewal.amount_paid == pytest.approx(4000 + later, abs=2)
    assert not stripe_double.v1.invoice_items.list({"pending": True}).data


def test_a_downgrade_gives_credit_that_renewals_use_up(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe("PROFESSIONAL")
    changed = stripe_double.change_plan(subscription, "BASIC", proration_behavior="always_invoice")
    invoice = stripe_double.v1.invoices.retrieve(id_of(changed.latest_invoice))
    assert (invoice.total, invoice.amount_due, invoice.status) == (-4000, 0, "paid")
    assert stripe_double.v1.customers.retrieve(id_of(subscription.customer)).balance == -4000
    stripe_double.control.advance(days=32)
    first = stripe_double.invoices(subscription)[0]
    assert (first.total, first.amount_due, first.starting_balance, first.ending_balance) == (2000, 0, -4000, -2000)
    stripe_double.control.advance(days=62)
    assert [each.amount_due for each in stripe_double.invoices(subscription)[:2]] == [2000, 0]


def test_an_amount_below_the_minimum_charge_moves_to_the_next_invoice(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    _, end = period(subscription)
    stripe_double.control.call("POST", "/_clock", to=(end - 3600) * 1000)
    changed = stripe_double.change_plan(subscription, "ADVANCED", proration_behavior="always_invoice")
    invoice = stripe_double.v1.invoices.retrieve(id_of(changed.latest_invoice))
    assert 0 < invoice.total < 50
    assert (invoice.amount_due, invoice.status) == (0, "paid")
    stripe_double.control.advance(days=1)
    assert stripe_double.invoices(subscription)[0].amount_due == 4000 + invoice.total


def test_a_subscription_can_be_cancelled_at_period_end_and_that_can_be_undone(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    end = period(subscription)[1]
    update = stripe_double.v1.subscriptions.update
    ending = update(subscription.id, {"cancel_at_period_end": True})
    assert (ending.status, ending.cancel_at_period_end, ending.cancel_at) == ("active", True, end)
    staying = update(subscription.id, {"cancel_at_period_end": False})
    assert (staying.cancel_at_period_end, staying.cancel_at, staying.canceled_at) == (False, None, None)
    update(subscription.id, {"cancel_at_period_end": True})
    stripe_double.control.advance(days=32)
    ended: Any = stripe_double.subscription(subscription.id)
    assert (ended.status, ended.ended_at, ended.cancellation_details.reason) == (
        "canceled",
        end,
        "cancellation_requested",
    )
    assert len(stripe_double.invoices(subscription)) == 1
    updated: Any
    updated, *_ = stripe_double.events("customer.subscription.updated")[-3:]
    assert "cancel_at_period_end" in updated.data.previous_attributes
    assert [event.created for event in stripe_double.events("customer.subscription.deleted")] == [end]
    with pytest.raises(stripe.InvalidRequestError, match="A canceled subscription"):
        update(subscription.id, {"cancel_at_period_end": False})


def test_a_cancelled_subscription_is_listed_only_with_all_statuses(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    ended = stripe_double.v1.subscriptions.cancel(subscription.id)
    assert ended.status == "canceled"
    assert stripe_double.v1.subscriptions.list({"customer": id_of(subscription.customer)}).data == []
    (listed,) = stripe_double.v1.subscriptions.list({"customer": id_of(subscription.customer), "status": "all"}).data
    assert listed.id == subscription.id
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        stripe_double.v1.subscriptions.cancel(subscription.id)


def test_cancelling_with_proration_credits_the_rest_of_the_period(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    start, end = period(subscription)
    stripe_double.control.call("POST", "/_clock", to=(start + (end - start) // 2) * 1000)
    stripe_double.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    assert stripe_double.v1.customers.retrieve(id_of(subscription.customer)).balance == -1000


def test_a_trial_is_free_and_its_end_is_announced_and_charged(stripe_double: Stripe) -> None:
    subscription: Any = stripe_double.subscribe(subscription_data={"trial_period_days": 7})
    assert (subscription.status, subscription.trial_end - subscription.trial_start) == ("trialing", 7 * DAY)
    (first,) = stripe_double.invoices(subscription)
    assert (first.amount_due, first.status) == (0, "paid")
    (session,) = stripe_double.v1.checkout.sessions.list().data
    assert session.payment_status == "no_payment_required"
    stripe_double.control.advance(days=5)
    assert [event.created for event in stripe_double.events("customer.subscription.trial_will_end")] == [
        subscription.trial_end - 3 * DAY
    ]
    stripe_double.control.advance(days=3)
    begun = stripe_double.subscription(subscription.id)
    assert (begun.status, period(begun)[0]) == ("active", subscription.trial_end)
    assert stripe_double.invoices(subscription)[0].amount_paid == 2000


def test_ending_a_trial_early_charges_immediately(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe(subscription_data={"trial_period_days": 7})
    begun = stripe_double.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    assert begun.status == "active"
    assert stripe_double.v1.invoices.retrieve(id_of(begun.latest_invoice)).amount_paid == 2000


def test_refunds_never_exceed_the_charge(stripe_double: Stripe) -> None:
    subscription = stripe_double.subscribe()
    invoice: Any = stripe_double.v1.invoices.retrieve(id_of(subscription.latest_invoice), {"expand": ["payments"]})
    intent = invoice.payments.data[0].payment.payment_intent
    part = stripe_double.v1.refunds.create({"payment_intent": intent, "amount": 500, "reason": "duplicate"})
    assert (part.amount, part.status, part.reason) == (500, "succeeded", "duplicate")
    charge = stripe_double.v1.charges.retrieve(id_of(part.charge))
    assert (charge.amount_refunded, charge.refunded) == (500, False)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded") as refused:
        stripe_double.v1.refunds.create({"charge": charge.id, "amount": 1501})
    assert refused.value.param == "amount"
    assert stripe_double.v1.refunds.create({"charge": charge.id}).amount == 1500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_double.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    assert [event.data.object.amount_refunded for event in stripe_double.events("charge.refunded")] == [500, 2000]
    assert [each.amount for each in stripe_double.v1.refunds.list({"charge": charge.id}).data] == [1500, 500]
    (payment,) = stripe_double.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    ).data
    assert payment.invoice == invoice.id


def test_lists_are_paged_newest_first(stripe_double: Stripe) -> None:
    ids = [stripe_double.customer(email=f"{number}@example.com").id for number in range(7)]
    page = stripe_double.v1.customers.list({"limit": 3})
    assert ([each.id for each in page.data], page.has_more) == (ids[:-4:-1], True)
    following = stripe_double.v1.customers.list({"limit": 3, "starting_after": page.data[-1].id})
    assert [each.id for each in following.data] == ids[3:0:-1]
    before = stripe_double.v1.customers.list({"limit": 2, "ending_before": following.data[0].id})
    assert [each.id for each in before.data] == ids[5:3:-1]
    assert [each.id for each in page.auto_paging_iter()] == ids[::-1]
    assert [each.id for each in stripe_double.v1.customers.list({"email": "3@example.com"})] == [ids[3]]
    with pytest.raises(stripe.InvalidRequestError):
        stripe_double.v1.customers.list({"limit": 101})


def test_customers_can_be_changed_and_searched(stripe_double: Stripe) -> None:
    customer = stripe_double.customer(metadata={"userId": "user-1", "old": "x"})
    changed: Any = stripe_double.v1.customers.update(
        customer.id, {"name": "Jenny", "metadata": {"old": "", "new": "y"}}
    )
    assert (changed.name, changed.email) == ("Jenny", "jenny@example.com")
    assert changed.metadata.to_dict() == {"userId": "user-1", "new": "y"}
    query = "metadata['userId']:'user-1' AND email:'jenny@example.com'"
    assert [each.id for each in stripe_double.v1.customers.search({"query": query}).data] == [customer.id]
    assert not stripe_double.v1.customers.search({"query": "metadata['userId']:'user-2'"}).data


def test_every_plan_has_a_monthly_price(stripe_double: Stripe) -> None:
    for plan, cents in PRICES.items():
        price: Any
        (price,) = stripe_double.v1.prices.list({"lookup_keys": [plan.lower()], "expand": ["data.product"]}).data
        assert (price.id, price.unit_amount, price.recurring.interval) == (price_of(plan), cents, "month")
        assert price.product.name == f"Purser {plan}"


def test_a_new_price_can_be_bought_until_it_is_inactive(stripe_double: Stripe) -> None:
    product = stripe_double.v1.products.create({"name": "Private"})
    price = stripe_double.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 9900, "recurring": {"interval": "year"}}
    )
    customer = stripe_double.customer().id
    session = stripe_double.checkout(line_items=[{"price": price.id, "quantity": 1}], customer=customer)
    stripe_double.control.click(page_of(session))
    (subscription,) = stripe_double.v1.subscriptions.list({"price": price.id}).data
    start, end = period(subscription)
    assert end - start in (365 * DAY, 366 * DAY)
    stripe_double.v1.prices.update(price.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        stripe_double.checkout(line_items=[{"price": price.id, "quantity": 1}], customer=customer)


def test_a_change_of_the_interval_begins_a_new_period(stripe_double: Stripe) -> None:
    yearly = stripe_double.v1.prices.create(
        {"product": "prod_purser_basic", "currency": "usd", "unit_amount": 20_000, "recurring": {"interval": "year"}}
    )
    subscription = stripe_double.subscribe()
    start, end = period(subscription)
    stripe_double.control.call("POST", "/_clock", to=(start + (end - start) // 2) * 1000)
    item_id = subscription["items"].data[0].id
    before = stripe_double.control.now()
    changed = stripe_double.v1.subscriptions.update(subscription.id, {"items": [{"id": item_id, "price": yearly.id}]})
    assert before <= period(changed)[0] <= stripe_double.control.now()
    assert stripe_double.v1.invoices.retrieve(id_of(changed.latest_invoice)).amount_paid == 19_000


def test_an_idempotency_key_repeats_the_first_answer(stripe_double: Stripe) -> None:
    create: Callable[..., Any] = stripe_double.v1.customers.create
    first = create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    again = create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.last_response.headers
    assert len(stripe_double.v1.customers.list().data) == 1
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        create({"email": "b@example.com"}, {"idempotency_key": "key-1"})


def test_concurrent_requests_with_one_idempotency_key_create_one_customer(stripe_double: Stripe) -> None:
    def create(_: int) -> str:
        customer = stripe_double.new_client().v1.customers.create({"name": "Jenny"}, {"idempotency_key": "key-1"})
        return str(customer.id)

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(create, range(16)))
    assert [each.id for each in stripe_double.v1.customers.list()] == list(ids)


def test_a_refused_request_does_not_use_up_its_idempotency_key(stripe_double: Stripe) -> None:
    create: Callable[..., Any] = stripe_double.v1.subscriptions.create
    with pytest.raises(stripe.InvalidRequestError):
        stripe_double.v1.refunds.create({"charge": "ch_none"}, {"idempotency_key": "key-2"})
    customer = stripe_double.customer().id
    fields = {"customer": customer, "items": [{"price": price_of("BASIC")}]}
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        create(fields, {"idempotency_key": "key-3"})
    stripe_double.subscribe(customer=customer)
    (card,) = stripe_double.v1.payment_methods.list({"customer": customer}).data
    stripe_double.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})
    assert create(fields, {"idempotency_key": "key-3"}).status == "active"


@pytest.mark.parametrize(
    ("ask", "status", "code", "param"),
    [
        (lambda v1: v1.customers.retrieve("cus_none"), 404, "resource_missing", "id"),
        (lambda v1: v1.customers.create({"colour": "red"}), 400, "parameter_unknown", "colour"),
        (lambda v1: v1.customers.create({"metadata": {"k" * 41: "v"}}), 400, None, "metadata[" + "k" * 41 + "]"),
        (lambda v1: v1.customers.list({"limit": "many"}), 400, "parameter_invalid_integer", "limit"),
        (lambda v1: v1.checkout.sessions.create({}), 400, "parameter_missing", "mode"),
        (
            lambda v1: v1.checkout.sessions.create(
                {"mode": "subscription", "success_url": "http://x", "line_items": [{"price": "price_none"}]}
            ),
            400, "resource_missing", "line_items[0][price]",
        ),
        (lambda v1: v1.subscriptions.update("sub_none", {"cancel_at_period_end": True}), 404, "resource_missing", "id"),
        (lambda v1: v1.invoices.list({"expand": ["data.nothing"]}), 200, None, None),
        (lambda v1: v1.prices.list({"expand": ["data.nothing"]}), 400, None, "expand"),
        (lambda v1: v1.prices.list({"expand": ["data.a.b.c.d.e"]}), 400, None, "expand"),
        (lambda v1: v1.charges.create({}), 404, None, None),
    ],
)  # fmt: skip
def test_errors_have_the_format_of_stripe(
    stripe_double: Stripe, ask: Callable[[Any], Any], status: int, code: str | None, param: str | None
) -> None:
    if status == 200:
        ask(stripe_double.v1)
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ask(stripe_double.v1)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (status, code, param)
    assert (error.request_id or "").startswith("req_")


def test_a_wrong_api_key_is_refused(stripe_double: Stripe) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        stripe_double.new_client("sk_test_wrong").v1.customers.list()
    answer = requests.get(f"{stripe_double.url}/v1/customers", timeout=60)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_control_api_and_pages_refuse_other_hosts_and_origins(stripe_double: Stripe) -> None:
    for path in ("/_state", "/c/pay/cs_test_x"):
        answer = requests.get(stripe_double.url + path, headers={"Host": "rebound.example"}, timeout=60)
        assert answer.status_code == 403
    answer = requests.post(f"{stripe_double.url}/_clock", headers={"Origin": "https://evil.example"}, timeout=60)
    assert answer.status_code == 403
