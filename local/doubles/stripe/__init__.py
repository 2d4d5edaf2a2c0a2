"""A double of Stripe on loopback: subscriptions, invoices and webhooks in the wire shapes of one pinned API version.

with StripeDouble() as double, double.serve() as served:
    client = stripe.StripeClient(served.keys.api_key, base_addresses={"api": served.url})
    served.control.advance(days=31)
"""

from local.doubles.kit.client import ControlRefused
from local.doubles.stripe.client import StripeControl
from local.doubles.stripe.double import Served, StripeDouble

__all__ = ["ControlRefused", "Served", "StripeControl", "StripeDouble"]
