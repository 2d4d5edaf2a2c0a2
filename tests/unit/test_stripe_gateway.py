"""Reading Stripe's answers in the pinned API version and in the format before it."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import requests
import stripe

from local.doubles.stripe import StripeDouble
from purser.billing.model import Prices, Status
from purser.billing.stripe_gateway import (
    API_VERSION,
    StripeFailure,
    StripeGateway,
    subscription_of,
)
from purser.errors import PaymentUnavailable
from purser.plans.model import CATALOG

PRICES = Prices({})
_, ADVANCED, _, _ = CATALOG
START, END = 1_790_000_000, 1_792_592_000


def payload(*, since_basil: bool) -> dict[str, Any]:
    """Return a subscription as in https://docs.stripe.com/api/subscriptions/object, with the fields that are read."""
    period = {"current_period_start": START, "current_period_end": END}
    price = {
        "id": "price_1MowQULkdIwHu7ixraBm864M",
        "unit_amount": 2000,
        "currency": "usd",
        "recurring": {"interval": "month", "interval_count": 1, "trial_period_days": None, "usage_type": "licensed"},
    }
    item = {"id": "si_NcLYdDxLHxlFo7", "object": "subscription_item", "price": price} | (period if since_basil else {})
    return {
        "id": "sub_1MowQVLkdIwHu7ixeRlqHVzs",
        "object": "subscription",
        "customer": "cus_Na6dX7aXxi11N4",
        "metadata": {"userId": "5b8d6a0e-7a4c-4f5e-9b1d-0c2f4a6e8d10"},
        "status": "active",
        "items": {"object": "list", "data": [item], "has_more": False},
        "cancel_at_period_end": False,
        "cancel_at": None,
        "trial_start": None,
        "trial_end": None,
        "created": START,
    } | ({} if since_basil else period)


@pytest.mark.parametrize("since_basil", [True, False])
def test_billing_periods_are_read_in_both_formats(since_basil: bool) -> None:
    subscription = subscription_of(payload(since_basil=since_basil), PRICES)
    assert (subscription.current_period_start, subscription.current_period_end) == (START * 1000, END * 1000)
    assert (subscription.status, subscription.amount, subscription.cancel_at) == (Status.ACTIVE, 2000, None)


def with_prices(*items: dict[str, Any]) -> dict[str, Any]:
    whole = payload(since_basil=True)
    (first,) = whole["items"]["data"]
    priced = [first | {"id": f"si_{n}", "price": first["price"] | each} for n, each in enumerate(items)]
    return whole | {"items": {"object": "list", "data": priced, "has_more": False}}


def test_the_item_with_the_price_of_the_largest_plan_counts() -> None:
    prices = Prices({"BASIC": ["price_b"], "ADVANCED": ["price_a"]})
    several = with_prices({"id": "price_mug"}, {"id": "price_b"}, {"id": "price_a"})
    read = subscription_of(several, prices)
    assert (read.item_id, read.plan) == ("si_2", ADVANCED)
    read = subscription_of(with_prices({"id": "price_mug"}), prices)
    assert (read.item_id, read.plan) == ("si_0", None)


def test_missing_details_of_a_price_are_null() -> None:
    odd = subscription_of(with_prices({"unit_amount": None, "recurring": None}), PRICES)
    assert (odd.amount, odd.interval, odd.trial_period_days) == (None, None, None)


def test_the_amount_is_for_the_quantity() -> None:
    several = payload(since_basil=True)
    several["items"]["data"][0]["quantity"] = 3
    assert subscription_of(several, PRICES).amount == 6000


def test_the_formats_match_the_published_types() -> None:
    since, before = payload(since_basil=True), payload(since_basil=False)
    item = stripe.SubscriptionItem.__annotations__
    assert {"current_period_start", "current_period_end"} <= item.keys()
    assert "current_period_end" not in stripe.Subscription.__annotations__
    assert since.keys() <= stripe.Subscription.__annotations__.keys() | {"items"}
    assert before.keys() - since.keys() == {"current_period_start", "current_period_end"}


def test_an_expanded_customer_is_read() -> None:
    assert subscription_of(payload(since_basil=True) | {"customer": {"id": "cus_1"}}, PRICES).customer_id == "cus_1"


def test_the_api_version_is_that_of_the_pinned_library() -> None:
    assert stripe.api_version == API_VERSION


def test_a_call_without_an_answer_fails_within_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def hang(*_: object, timeout: tuple[float, float], **__: object) -> None:
        waits.append(timeout[1])
        raise requests.Timeout

    monkeypatch.setattr(requests.Session, "request", hang)
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(PaymentUnavailable):
        StripeGateway(lambda: '{"apiKey": "sk_test_of_nobody"}', "http://127.0.0.1:9", PRICES).subscriptions("cus_1")
    first, pause, second = waits
    assert first == second
    assert first + pause + second <= 10


def test_an_outage_is_a_typed_error_without_the_api_key() -> None:
    gateway = StripeGateway(lambda: '{"apiKey": "sk_test_abcdefgh"}', "http://127.0.0.1:9", PRICES)
    with pytest.raises(PaymentUnavailable) as caught:
        gateway.subscriptions("cus_1")
    assert isinstance(caught.value.__cause__, StripeFailure)
    assert "sk_test" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("kind", ["sk", "rk"])
def test_in_production_a_key_of_test_mode_is_an_outage(kind: str) -> None:
    with StripeDouble() as double, double.serve() as served:
        gateway = StripeGateway(lambda: f'{{"apiKey": "{kind}_test_1"}}', served.url, PRICES, live_only=True)
        for each in (gateway, gateway.within(5)):
            with pytest.raises(PaymentUnavailable) as caught:
                each.subscriptions("cus_1")
            assert str(caught.value.__cause__) == "the API key of Stripe is of test mode"
        live = StripeGateway(lambda: f'{{"apiKey": "{kind}_live_1"}}', served.url, PRICES, live_only=True)
        with pytest.raises(PaymentUnavailable) as caught:
            live.subscriptions("cus_1")
        assert isinstance(caught.value.__cause__, StripeFailure), "the double does not know the key"


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_stripe_requests_and_answers_are_not_logged(caplog: pytest.LogCaptureFixture, level: int) -> None:
    """The library logs requests and refusals, and Lambda sets the root logger to the level of the function."""
    with caplog.at_level(level), StripeDouble() as double, double.serve() as served:
        gateway = StripeGateway(lambda: '{"apiKey": "sk_test_of_nobody"}', served.url, PRICES)
        with pytest.raises(PaymentUnavailable):
            gateway.create_customer("5b8d6a0e-7a4c-4f5e-9b1d-0c2f4a6e8d10")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("stripe")] == []
