"""Test the Stripe routes of AccountSubscription with the Stripe double and DynamoDB Local."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest
import stripe

from local.doubles.stripe import StripeControl, StripeDouble
from purser.aws.tables import Table
from purser.billing import stripe_gateway
from purser.billing.model import Refund
from purser.billing.store import DynamoStripeCustomerStore
from purser.bootstrap.billing import payment_gateway, payments
from purser.errors import PaymentUnavailable
from purser.plans.model import CATALOG
from purser.settings import settings
from purser.trading_accounts.model import AccountValuation
from tests.support.aws import Aws
from tests.support.catalog import connect
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function, new_process
from tests.support.user_pool import UserPool

BASIC, ADVANCED, PROFESSIONAL, PARTNER = CATALOG
PATH = "/v1/priv/account/subscription/stripe"
SUCCESS, CANCEL = "https://example.com/paid", "https://example.com/not-paid"
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Desk:
    """The function, and the Stripe double that it calls."""

    handler: Any
    control: StripeControl
    client: stripe.StripeClient
    pool: UserPool

    def ask(self, method: str, path: str, user: str, body: Any = None, **more: Any) -> Answered:
        return call(self.handler, method, PATH + path, body, caller=claims(user), **more)

    def customer(self, user: str) -> str:
        (linked,) = (each for each in self.control.state()["customer"] if each["metadata"].get("userId") == user)
        return str(linked["id"])

    def present_customer(self, user: str) -> str:
        return str(DynamoStripeCustomerStore(Table("AccountsTable")).customer_of(user))

    def open_pages(self, user: str) -> list[Any]:
        sessions = self.control.state()["checkout.session"]
        return [each for each in sessions if each["client_reference_id"] == user and each["status"] == "open"]

    def subscribe(self, user: str, plan_id: str = BASIC.id) -> None:
        page = self.ask("POST", "/checkout", user, {"subscriptionId": plan_id})
        assert page.status == 200, page.text
        assert self.control.click(page.body["url"]) == SUCCESS


@pytest.fixture(scope="module")
def desk(aws: Aws) -> Iterator[Desk]:
    with StripeDouble() as double, double.serve() as served, pytest.MonkeyPatch.context() as patch:
        secret_id = f"stripe-{uuid4()}"
        boto3.client("secretsmanager").create_secret(Name=secret_id, SecretString=json.dumps(served.keys.secret))
        patch.setenv("STRIPE_SECRET_ID", secret_id)
        patch.setenv("STRIPE_ENDPOINT", served.url)
        prices = [f"{plan.name}=price_purser_{plan.name.lower()}" for plan in CATALOG if plan.public]
        patch.setenv("STRIPE_PRICES", ",".join(prices))
        patch.setenv("CHECKOUT_SUCCESS_URL", SUCCESS)
        patch.setenv("CHECKOUT_CANCEL_URL", CANCEL)
        pool = UserPool()
        patch.setenv("USER_POOL_ID", pool.id)
        forget_process()
        name = "account_subscription_stripe"
        client = stripe.StripeClient(served.keys.api_key, base_addresses={"api": served.url})
        yield Desk(load_function(name).handler, served.control, client, pool)
    forget_process()


@pytest.fixture
def user(desk: Desk) -> Iterator[str]:
    yield desk.pool.add()["id"]
    desk.control.clear_faults()


def refusal(code: str, text: str) -> tuple[int, dict[str, str]]:
    return 433, {"error": f"{text} ({code})"}


def seen(answer: Answered) -> tuple[int, Any]:
    return answer.status, answer.body


def test_without_a_purchase_there_is_no_subscription(desk: Desk, user: str) -> None:
    assert desk.ask("GET", "", user).text == "null"
    assert desk.ask("GET", "/billing/history", user).body == []
    change = desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True})
    assert seen(change) == refusal("3104", "active stripe subscription does not exist")


def test_a_bought_plan_and_its_invoice_are_shown_as_documented(desk: Desk, user: str) -> None:
    page = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    assert page.body == {"url": page.body["url"], "successUrl": SUCCESS, "cancelUrl": CANCEL}
    assert desk.control.click(page.body["url"]) == SUCCESS
    bought = desk.ask("GET", "", user).body
    assert bought == {
        "cancelAtPeriodEnd": False,
        "cancelAt": None,
        "currentPeriodStart": bought["currentPeriodStart"],
        "currentPeriodEnd": bought["currentPeriodEnd"],
        "trialStart": None,
        "trialEnd": None,
        "hostedInvoiceUrl": None,
        "collectionPaused": False,
        "plan": {"amount": 2000, "currency": "usd", "interval": "month", "trialPeriodDays": None},
    }
    assert bought["currentPeriodStart"].endswith(".000Z")
    assert bought["currentPeriodEnd"] > bought["currentPeriodStart"]
    (invoice,) = desk.ask("GET", "/billing/history", user).body
    assert invoice == {
        "number": invoice["number"],
        "currency": "usd",
        "amountPaid": 2000,
        "periodStart": bought["currentPeriodStart"],
        "periodEnd": invoice["periodEnd"],
        "hostedUrl": invoice["hostedUrl"],
        "pdf": invoice["pdf"],
        "createdAt": bought["currentPeriodStart"],
    }
    again = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    assert seen(again) == refusal("3109", "active stripe subscription already exist")


@pytest.mark.parametrize("cancels", [True, False])
def test_cancel_at_period_end_can_be_set_and_unset(desk: Desk, user: str, cancels: bool) -> None:
    desk.subscribe(user)
    desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True})
    changed = desk.ask("PUT", "", user, {"cancelAtPeriodEnd": cancels}).body
    assert (changed["cancelAtPeriodEnd"], changed["cancelAt"]) == (
        cancels,
        changed["currentPeriodEnd"] if cancels else None,
    )
    assert desk.ask("GET", "", user).body == changed


def test_a_plan_change_is_prorated_and_paid_immediately(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    changed = desk.ask("PUT", "", user, {"subscriptionId": PROFESSIONAL.id}).body
    assert changed["plan"]["amount"] == 6000
    latest, first = desk.ask("GET", "/billing/history", user).body
    assert (first["amountPaid"], latest["amountPaid"]) == (2000, 4000)


@pytest.mark.parametrize(
    ("balances", "refused"),
    [
        ((1, 1, 1), refusal("2129a", "exceed subscription max API key limit")),
        ((2000, 501), refusal("2129b", "exceed subscription max API balance limit")),
        ((2000, 500), None),
    ],
)
def test_a_downgrade_below_the_plan_usage_is_refused(desk: Desk, user: str, balances: Any, refused: Any) -> None:
    desk.subscribe(user, PROFESSIONAL.id)
    for balance in balances:
        connect(user, valuation=AccountValuation(Decimal(balance), 1))
    answer = desk.ask("PUT", "", user, {"subscriptionId": BASIC.id})
    assert (answer.status == 200) if refused is None else (seen(answer) == refused)
    assert desk.ask("GET", "", user).body["plan"]["amount"] == (6000 if refused else 2000)


def test_a_declined_payment_changes_nothing(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    before = desk.ask("GET", "", user).body
    desk.control.declines(desk.customer(user), "always")
    answer = desk.ask("PUT", "", user, {"subscriptionId": PROFESSIONAL.id, "cancelAtPeriodEnd": True})
    assert seen(answer) == refusal("3110", "payment is declined")
    assert desk.ask("GET", "", user).body == before
    assert [each["amountPaid"] for each in desk.ask("GET", "/billing/history", user).body] == [2000]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("plan_id", ["eefffe05-5d1d-4be8-a300-20c7c39c9fee", "", "BASIC", "x" * 65, 7, None, ["x"]])
def test_an_unknown_plan_is_a_field_error(desk: Desk, user: str, method: str, plan_id: Any) -> None:
    answer = desk.ask(method, "/checkout" if method == "POST" else "", user, {"subscriptionId": plan_id})
    assert answer.status == 422
    (fault,) = answer.body["errors"]
    assert (fault["param"], fault["location"]) == ("subscriptionId", "body")
    if isinstance(plan_id, str) and len(plan_id) < 65:
        assert (fault["value"], fault["msg"]) == (plan_id, "must be valid subscription id")


def test_a_private_plan_is_not_for_sale(desk: Desk, user: str) -> None:
    for answer in (
        desk.ask("POST", "/checkout", user, {"subscriptionId": PARTNER.id}),
        desk.ask("PUT", "", user, {"subscriptionId": PARTNER.id}),
    ):
        assert seen(answer) == refusal("2100", "invalid subscription type")


@pytest.mark.parametrize("deleted", [True, False])
def test_the_token_of_a_deleted_or_disabled_user_opens_no_checkout(desk: Desk, user: str, deleted: bool) -> None:
    remove = desk.pool.cognito.admin_delete_user if deleted else desk.pool.cognito.admin_disable_user
    remove(UserPoolId=desk.pool.id, Username=user)
    answer = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    assert seen(answer) == (401, {"message": "Unauthorized"})
    assert all(each["metadata"].get("userId") != user for each in desk.control.state()["customer"])


def test_in_production_a_key_of_test_mode_sells_nothing(desk: Desk, user: str) -> None:
    with new_process() as patch:
        patch.setenv("STAGE", "prod")
        answer = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    assert answer.status == 503
    assert all(each["metadata"].get("userId") != user for each in desk.control.state()["customer"])


@pytest.mark.parametrize("value", ["true", 1, None, []])
def test_cancel_at_period_end_is_a_boolean(desk: Desk, user: str, value: Any) -> None:
    answer = desk.ask("PUT", "", user, {"cancelAtPeriodEnd": value})
    assert answer.status == 422
    assert answer.body["errors"][0]["param"] == "cancelAtPeriodEnd"


def test_concurrent_checkouts_have_one_customer_and_one_page(desk: Desk, user: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: payments().check_out(user, user, BASIC.id), range(8)))
    assert len({page.id for page in pages}) == 1
    linked = [each for each in desk.control.state()["customer"] if each["metadata"].get("userId") == user]
    assert len(linked) == 1


def test_concurrent_checkouts_of_two_plans_leave_one_page_open(desk: Desk, user: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda plan: payments().check_out(user, user, plan.id), (BASIC, ADVANCED)))
    assert len(desk.open_pages(user)) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/checkout/sessions"])
def test_a_failure_that_stripe_repeats_for_an_idempotency_key_is_overcome(desk: Desk, user: str, path: str) -> None:
    desk.control.fault("http_500", path, method="POST", kept=True)
    answers = [desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}) for _ in range(2)]
    assert answers[1].status == 200, answers[1].text
    assert len(desk.open_pages(user)) == 1


def test_a_refund_happens_once_though_stripe_repeats_a_failure(desk: Desk, user: str) -> None:
    gateway, kept = payment_gateway(), desk.pool.add()["id"]
    desk.subscribe(kept)  # First, since only what was paid while this one ran is given back.
    desk.subscribe(user)
    (bought,) = gateway.subscriptions(desk.customer(user))
    (beside,) = gateway.subscriptions(desk.customer(kept))
    gateway.cancel(bought.id)
    desk.control.fault("http_500", "/v1/refunds", method="POST", kept=True)
    for _ in range(3):
        with suppress(PaymentUnavailable):
            assert gateway.refund(bought.id, beside.id) == Refund(2000)
    state = desk.control.state()
    (charge,) = (each for each in state["charge"] if each["customer"] == bought.customer_id)
    assert charge["amount_refunded"] == 2000
    assert [each["amount"] for each in state["refund"] if each["charge"] == charge["id"]] == [2000]


def test_a_failed_checkout_of_one_plan_does_not_block_other_plans(desk: Desk, user: str) -> None:
    desk.control.fault("http_500", "/v1/checkout/sessions", method="POST", kept=True)
    desk.control.fault("timeout_before", "/v1/checkout/sessions", method="POST")
    assert desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}).status == 503
    for plan in (ADVANCED, PROFESSIONAL, BASIC):
        answer = desk.ask("POST", "/checkout", user, {"subscriptionId": plan.id})
        assert answer.status == 200, answer.text
    assert len(desk.open_pages(user)) == 1


def test_a_plan_change_does_not_credit_unpaid_invoices(desk: Desk, user: str) -> None:
    desk.subscribe(user, PROFESSIONAL.id)
    desk.control.declines(desk.customer(user), "later")
    desk.control.advance(days=33)
    changes = [desk.ask("PUT", "", user, {"subscriptionId": plan.id}) for plan in (BASIC, ADVANCED)]
    assert [seen(change) for change in changes] == [refusal("3110", "payment is declined")] * 2
    assert desk.ask("GET", "", user).body["plan"]["amount"] == 6000
    (customer,) = (each for each in desk.control.state()["customer"] if each["id"] == desk.customer(user))
    assert customer["balance"] == 0, "an unpaid period gives no credit"
    assert desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True}).body["cancelAtPeriodEnd"]


def test_a_user_whose_stripe_customer_was_deleted_gets_one_new_customer(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    former = desk.customer(user)
    desk.client.v1.customers.delete(former)
    assert desk.ask("GET", "", user).text == "null"
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(desk.ask, "POST", "/checkout", user, {"subscriptionId": BASIC.id}) for _ in range(4)]
    assert {each.result().status for each in asked} == {200}
    (page,) = {each.result().body["url"] for each in asked}
    assert desk.control.click(page) == SUCCESS
    assert desk.ask("GET", "", user).body["cancelAt"] is None
    linked = [each["id"] for each in desk.control.state()["customer"] if each["metadata"].get("userId") == user]
    assert len(linked) == 2
    assert linked[0] == former


def test_the_checkout_page_of_a_deleted_customer_is_not_reused(desk: Desk, user: str) -> None:
    dead = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}).body["url"]
    desk.client.v1.customers.delete(desk.customer(user))
    page = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}).body["url"]
    assert page != dead
    assert desk.control.click(page) == SUCCESS


def test_a_customer_unknown_to_the_stripe_account_is_not_replaced(desk: Desk, user: str) -> None:
    # If the API key is of another Stripe account by mistake, no user may get a customer there.
    table = Table(settings().require("accounts_table"))
    DynamoStripeCustomerStore(table).link(user, f"cus_{user}")
    page = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    assert page.status == 503
    assert DynamoStripeCustomerStore(table).customer_of(user) == f"cus_{user}"


def sell_support(desk: Desk, user: str, cents: int = 50_000) -> str:
    """Sell the user's customer something else, as an operator does in Stripe's dashboard. Return its subscription."""
    v1 = desk.client.v1
    if not any(each["metadata"].get("userId") == user for each in desk.control.state()["customer"]):
        desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    customer = desk.customer(user)
    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "line_items": [{"price": foreign_price(desk, cents), "quantity": 1}],
            "success_url": SUCCESS,
        }
    )
    assert session.url is not None
    desk.control.click(session.url)
    return str(v1.checkout.sessions.retrieve(session.id).subscription)


def foreign_price(desk: Desk, cents: int, **more: Any) -> str:
    product = desk.client.v1.products.create({"name": "Support"})
    price: Any = {"product": product.id, "unit_amount": cents, "currency": "usd", "recurring": {"interval": "month"}}
    return desk.client.v1.prices.create(price | more).id


def in_one_subscription(desk: Desk, user: str, *items: dict[str, Any]) -> str:
    """Give the user one subscription with these items, as an operator does. Return its id."""
    sell_support(desk, user)
    customer = desk.customer(user)
    (card, *_) = desk.client.v1.payment_methods.list({"customer": customer}).data
    wanted: Any = {"customer": customer, "items": list(items), "default_payment_method": card.id}
    return desk.client.v1.subscriptions.create(wanted).id


def test_a_subscription_to_another_product_is_no_plan(desk: Desk, user: str) -> None:
    support = sell_support(desk, user)
    assert desk.ask("GET", "", user).text == "null"
    assert desk.ask("GET", "/billing/history", user).body == []
    assert seen(desk.ask("PUT", "", user, {"subscriptionId": ADVANCED.id}))[0] == 433
    desk.subscribe(user)
    assert desk.ask("GET", "", user).body["plan"]["amount"] == 2000
    assert [each["amountPaid"] for each in desk.ask("GET", "/billing/history", user).body] == [2000]
    assert desk.client.v1.subscriptions.retrieve(support)["items"].data[0].price.unit_amount == 50_000


def test_a_page_for_another_product_stays_open(desk: Desk, user: str) -> None:
    desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id})
    price: Any = foreign_price(desk, 500)
    foreign = desk.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": desk.customer(user),
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": SUCCESS,
        }
    )
    desk.ask("POST", "/checkout", user, {"subscriptionId": ADVANCED.id})
    assert desk.client.v1.checkout.sessions.retrieve(foreign.id).status == "open"


def test_the_item_with_the_price_of_a_plan_counts(desk: Desk, user: str) -> None:
    add_on = foreign_price(desk, 500)
    subscription = in_one_subscription(desk, user, {"price": add_on}, {"price": "price_purser_basic"})
    assert desk.ask("GET", "", user).body["plan"]["amount"] == 2000
    assert desk.ask("PUT", "", user, {"subscriptionId": ADVANCED.id}).body["plan"]["amount"] == 4000
    items = desk.client.v1.subscriptions.retrieve(subscription)["items"].data
    assert [item.price.id for item in items] == [add_on, "price_purser_advanced"]


def test_a_quantity_multiplies_the_amount(desk: Desk, user: str) -> None:
    in_one_subscription(desk, user, {"price": "price_purser_basic", "quantity": 2})
    assert desk.ask("GET", "", user).body["plan"]["amount"] == 4000


def test_a_price_without_an_amount_is_shown_as_null(desk: Desk, user: str) -> None:
    tiers = [{"up_to": "inf", "unit_amount": 300}]
    price = foreign_price(desk, 0, billing_scheme="tiered", tiers_mode="volume", tiers=tiers)
    subscription = in_one_subscription(desk, user, {"price": price})
    desk.client.v1.subscriptions.update(subscription, {"metadata": {"userId": user}})
    answer = desk.ask("GET", "", user)
    assert (answer.status, answer.body["plan"]["amount"]) == (200, None)


def test_a_plan_keeps_the_price_at_which_it_was_bought(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    price = foreign_price(desk, 2500)
    prices = f"BASIC={price}:price_purser_basic,ADVANCED=price_purser_advanced"
    with new_process() as patch:
        patch.setenv("STRIPE_PRICES", prices)
        assert desk.ask("PUT", "", user, {"subscriptionId": BASIC.id}).body["plan"]["amount"] == 2000
        assert seen(desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}))[0] == 433
        other = desk.pool.add()["id"]
        desk.subscribe(other)
        assert desk.ask("GET", "", other).body["plan"]["amount"] == 2500


@pytest.mark.parametrize("body", [{"cancelAtPeriodEnd": False}, {"cancelAtPeriodEnd": True}])
def test_a_cancellation_in_the_portal_is_shown_and_can_be_taken_back(
    desk: Desk, user: str, body: dict[str, bool]
) -> None:
    desk.subscribe(user)
    (bought,) = payment_gateway().subscriptions(desk.customer(user))
    desk.control.cancel_in_portal(bought.id)
    assert desk.ask("GET", "", user).body["cancelAtPeriodEnd"] is True
    changed = desk.ask("PUT", "", user, body).body
    assert changed["cancelAtPeriodEnd"] is body["cancelAtPeriodEnd"]
    assert (changed["cancelAt"] is None) is not body["cancelAtPeriodEnd"]
    at_stripe = desk.client.v1.subscriptions.retrieve(bought.id)
    assert (at_stripe.cancel_at is None) is not body["cancelAtPeriodEnd"]


@pytest.mark.parametrize("body", [{"cancelAtPeriodEnd": True}, {"subscriptionId": ADVANCED.id}])
def test_a_subscription_that_a_schedule_manages_can_be_changed(desk: Desk, user: str, body: dict[str, Any]) -> None:
    desk.subscribe(user)
    (bought,) = payment_gateway().subscriptions(desk.customer(user))
    desk.client.v1.subscription_schedules.create({"from_subscription": bought.id})
    changed = desk.ask("PUT", "", user, body)
    assert changed.status == 200, changed.text
    assert desk.client.v1.subscriptions.retrieve(bought.id).schedule is None


def test_a_declined_payment_leaves_the_schedule_alone(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    (bought,) = payment_gateway().subscriptions(desk.customer(user))
    schedule = desk.client.v1.subscription_schedules.create({"from_subscription": bought.id})
    desk.control.declines(desk.customer(user), "always")
    answer = desk.ask("PUT", "", user, {"subscriptionId": ADVANCED.id})
    assert seen(answer) == refusal("3110", "payment is declined")
    assert desk.client.v1.subscriptions.retrieve(bought.id).schedule == schedule.id


def test_a_lasting_refusal_of_stripe_is_not_called_an_outage(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    (card,) = desk.client.v1.payment_methods.list({"customer": desk.customer(user)}).data
    desk.client.v1.payment_methods.detach(card.id)
    answer = desk.ask("PUT", "", user, {"subscriptionId": ADVANCED.id})
    assert seen(answer) == refusal("3110", "the payment provider refuses")
    assert desk.ask("GET", "", user).body["plan"]["amount"] == 2000


def test_a_paused_subscription_keeps_its_plan_and_cannot_get_another(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    (bought,) = payment_gateway().subscriptions(desk.customer(user))
    desk.client.v1.subscriptions.update(bought.id, {"pause_collection": {"behavior": "void"}})
    refused = desk.ask("PUT", "", user, {"subscriptionId": PROFESSIONAL.id})
    assert seen(refused) == refusal("3110", "the payment provider refuses")
    shown = desk.ask("GET", "", user).body
    assert (shown["plan"]["amount"], shown["collectionPaused"]) == (2000, True)
    assert desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True}).body["cancelAtPeriodEnd"] is True


def test_a_subscription_that_is_past_due_has_a_page_for_paying(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    desk.control.declines(desk.customer(user), "later")
    desk.control.advance(days=33)
    (bought,) = payment_gateway().subscriptions(desk.customer(user))
    (invoice,) = desk.client.v1.invoices.list({"subscription": bought.id, "status": "open"}).data
    assert desk.ask("GET", "", user).body["hostedInvoiceUrl"] == invoice.hosted_invoice_url
    changed = desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True})
    assert changed.body["hostedInvoiceUrl"] == invoice.hosted_invoice_url
    desk.control.declines(desk.customer(user), "never")
    desk.client.v1.invoices.pay(invoice.id)
    assert desk.ask("GET", "", user).body["hostedInvoiceUrl"] is None


def test_a_refused_list_of_a_deleted_customer_is_empty(desk: Desk, user: str) -> None:
    desk.subscribe(user)
    desk.client.v1.customers.delete(desk.customer(user))
    desk.control.call("PATCH", "/_settings", deletedCustomers="refused")
    try:
        assert desk.ask("GET", "", user).text == "null"
        assert desk.ask("GET", "/billing/history", user).body == []
        assert desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}).status == 200
    finally:
        desk.control.call("PATCH", "/_settings", deletedCustomers="listed")


def test_the_billing_history_keeps_the_invoices_of_a_deleted_customer(desk: Desk, user: str) -> None:
    for plan in (BASIC, ADVANCED, PROFESSIONAL):
        desk.subscribe(user, plan.id)
        desk.control.advance(days=1)
        history = desk.ask("GET", "/billing/history", user).body
        desk.client.v1.customers.delete(desk.present_customer(user))
    assert [each["amountPaid"] for each in history] == [6000, 4000, 2000]
    assert desk.ask("GET", "/billing/history", user).body == history
    desk.control.call("PATCH", "/_settings", deletedCustomers="refused")
    try:
        assert desk.ask("GET", "/billing/history", user).body == []
    finally:
        desk.control.call("PATCH", "/_settings", deletedCustomers="listed")


def test_the_billing_history_has_every_paid_invoice_newest_first(
    desk: Desk, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_gateway, "PAGE", 2)
    desk.subscribe(user)
    desk.control.advance(days=130)
    history = desk.ask("GET", "/billing/history", user).body
    assert len(history) == 5, "more than one page of Stripe, and the last one is not full"
    assert [each["createdAt"] for each in history] == sorted((each["createdAt"] for each in history), reverse=True)
    assert {each["amountPaid"] for each in history} == {2000}


@pytest.mark.parametrize("kind", ["http_500", "rate_limit", "timeout_before"])
def test_an_outage_of_stripe_answers_503_and_changes_nothing(desk: Desk, user: str, kind: str) -> None:
    desk.subscribe(user)
    before = desk.ask("GET", "", user).body
    desk.control.fault(kind, times=20)
    try:
        answers = [
            desk.ask("GET", "", user),
            desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}),
            desk.ask("PUT", "", user, {"cancelAtPeriodEnd": True}),
            desk.ask("GET", "/billing/history", user),
        ]
    finally:
        desk.control.clear_faults()
    assert [answer.status for answer in answers] == [503] * 4
    assert all(list(answer.body) == ["message"] and "sk_" not in answer.text for answer in answers)
    assert desk.ask("GET", "", user).body == before


SLOW_MS = 600_000
"""Longer than a test may take, so an earlier answer has not waited so long."""


def test_a_request_gives_up_when_stripe_does_not_answer(desk: Desk, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.subscribe(user)
    desk.control.fault("slow", times=20, delayMs=SLOW_MS)
    monkeypatch.setattr(stripe_gateway, "PATIENCE_S", 0.2)
    try:
        answer = desk.ask("POST", "/checkout", user, {"subscriptionId": ADVANCED.id})
    finally:
        desk.control.clear_faults()
    assert answer.status == 503


def test_a_call_without_an_answer_fails_within_ten_seconds() -> None:
    assert (1 + stripe_gateway.RETRIES) * stripe_gateway.PATIENCE_S + stripe.RequestsClient.INITIAL_DELAY <= 10


def test_the_calls_of_a_use_case_share_one_time_limit(desk: Desk, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.subscribe(user)
    now = [0.0]
    monkeypatch.setattr(stripe_gateway, "time", SimpleNamespace(monotonic=lambda: now[0]))
    gateway, customer = payment_gateway().within(4), desk.customer(user)
    assert gateway.subscriptions(customer)
    now[0] = 3.8
    desk.control.fault("slow", times=20, delayMs=SLOW_MS)
    try:
        with pytest.raises(PaymentUnavailable):
            gateway.subscriptions(customer)
    finally:
        desk.control.clear_faults()
    assert gateway.subscriptions(customer)
    now[0] = 4.1
    with pytest.raises(PaymentUnavailable):
        gateway.subscriptions(customer)
    assert payment_gateway().subscriptions(customer), "another use case has its own time limit"


def test_an_idempotency_key_gets_the_same_checkout_page(desk: Desk, user: str) -> None:
    headers = {"Idempotency-Key": "once"}
    first = desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}, headers=headers)
    assert desk.ask("POST", "/checkout", user, {"subscriptionId": BASIC.id}, headers=headers).body == first.body
    assert desk.ask("POST", "/checkout", user, {"subscriptionId": ADVANCED.id}, headers=headers).status == 422


def test_every_route_needs_a_token(desk: Desk) -> None:
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/checkout"), ("GET", "/billing/history")):
        assert call(desk.handler, method, PATH + path).status == 401
