"""Subscriptions to plans, granted by an admin or paid through Stripe."""
