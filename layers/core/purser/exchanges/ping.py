"""Whether the exchange is in reach: its cheapest open call (weight 1), without ccxt."""

from __future__ import annotations

from urllib.request import urlopen

BINANCE = "https://api.binance.com"
PATIENCE_S = 1.5


def ping(endpoint: str = "") -> None:
    """Returns when the exchange (or what stands in its place at ``endpoint``) answers; raises ``OSError`` if not."""
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints
    with urlopen(f"{endpoint or BINANCE}/api/v3/ping", timeout=PATIENCE_S) as answer:  # noqa: S310 - from the settings
        answer.read(64)
