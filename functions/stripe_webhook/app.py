"""StripeWebhook: receives Stripe's webhooks and queues the work, because Stripe does not wait long."""

from __future__ import annotations

from purser.bootstrap.billing import stripe_inbox
from purser.errors import MalformedRequest
from purser.http.app import entry_point, raw_body
from purser.http.customer import customer_app
from purser.settings import settings

app = customer_app()

SIGNATURE = "stripe-signature"

if settings().stripe_secret_id:
    # Loaded at init, where Lambda gives a whole processor, so that the first event does not wait for the library.
    stripe_inbox()


@app.post("/v1/pub/webhook/stripe", refuses=(MalformedRequest,))
def receive_event() -> None:
    """Receive an event."""
    event = app.current_event
    stripe_inbox().receive(raw_body(event), event.headers.get(SIGNATURE, ""))


handler = entry_point(app)
