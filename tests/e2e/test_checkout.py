"""A person in a browser on the page of a checkout."""

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


def test_paying_leads_to_the_success_page_and_to_a_subscription(
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


def test_cancelling_leads_to_the_cancel_page_and_to_nothing(
    page: Page, stripe_double: Stripe, checkout: stripe.checkout.Session, base_url: str
) -> None:
    page.goto(checkout.url)
    page.click("#cancel")
    page.wait_for_url(f"{base_url}/api/v3/health?canceled")
    assert stripe_double.v1.checkout.sessions.retrieve(checkout.id).status == "open"


def test_a_declined_card_is_said_and_another_one_can_be_used(
    page: Page, stripe_double: Stripe, checkout: stripe.checkout.Session, base_url: str
) -> None:
    page.goto(checkout.url)
    page.click("#pay-declined")
    assert page.get_by_role("alert").inner_text() == "Your card was declined."
    page.click("#pay-declined-later")
    page.wait_for_url(f"{base_url}/api/v3/health?paid={checkout.id}")


def test_events_go_to_purser(stripe_double: Stripe, base_url: str) -> None:
    endpoint = stripe_double.v1.webhook_endpoints.retrieve("we_purser")
    assert (endpoint.url, endpoint.status) == (f"{base_url}/v1/pub/webhook/stripe", "enabled")
