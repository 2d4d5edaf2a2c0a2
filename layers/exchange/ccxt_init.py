"""CCXT, pruned to its base and the venues that Purser knows."""

from ccxt.base.exchange import __version__  # noqa: F401
