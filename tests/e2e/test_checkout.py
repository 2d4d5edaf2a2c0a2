"""Test the checkout page of the Stripe double in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stripe

from tests.support.stripe import Stripe

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def checkout(stripe_double: Stripe, base_url: str) -> stripe.checkout.Session:
    """Return an open checkout that leads back to this system."""
    back = f"{base_url}/api/v3/health"
    session: stripe.checkout.Session = stripe_double.checkout(
        customer=stripe_double.customer().id,
        success_url=f"{back}?paid={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{back}?canceled",
    )
    return session


def test_paying_creates_a_subscription_and_redirects_to_the_success_page(
    page: Page, stripe_double: Stripe, checkout: stripe.checkout.Session, base_url: str
) -> None:
    page.goto(checkout.url)
    assert page.get_by_role("heading").inner_text() == "Purser BASIC"
    assert "$20.00" in page.content()
    page.click("#pay")
    page.wait_for_url(f"{base_url}/api/v3/health?paid={checkout.id}")
    assert "healthy" in page.content()
    paid = stripe_double.v1.checkout.sessions.retrieve(checkout.id, {"expand": ["subscription"]})
    assert isinstance(paid.subscription, stripe.Subscription)
    assert paid.subscription.status == "active"
    page.goto(checkout.url)
    assert "all done" in page.inner_text("#closed")


def test_cancelling_leaves_the_checkout_open_and_redirects_to_the_cancel_page(
    page: Page, stripe_double: Stripe, checkout: stripe.checkout.Session, base_url: str
) -> None:
    page.goto(checkout.url)
    page.click("#cancel")
    page.wait_for_url(f"{base_url}/api/v3/health?canceled")
    assert stripe_double.v1.checkout.sessions.retrieve(checkout.id).status == "open"


def test_a_declined_card_is_reported_and_another_card_can_pay(
    page: Page, stripe_double: Stripe, checkout: stripe.checkout.Session, base_url: str
) -> None:
    page.goto(checkout.url)
    page.click("#pay-declined")
    assert page.get_by_role("alert").inner_text() == "Your card was declined."
    page.click("#pay-declined-later")
    page.wait_for_url(f"{base_url}/api/v3/health?paid={checkout.id}")


def test_the_stripe_double_sends_its_events_to_purser(stripe_double: Stripe, base_url: str) -> None:
    endpoint = stripe_double.v1.webhook_endpoints.retrieve("we_purser")
    assert (endpoint.url, endpoint.status) == (f"{base_url}/v1/pub/webhook/stripe", "enabled")
