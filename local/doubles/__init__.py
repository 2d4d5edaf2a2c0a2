"""Doubles of the outside world: the paper exchange (Binance) and the Stripe double, each a server on loopback."""
