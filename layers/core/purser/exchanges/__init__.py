"""Exchanges: what they hold and quote, the port to them, and the ccxt adapter behind it."""
