"""A check that the exchange answers, without ccxt."""

from __future__ import annotations

from urllib.request import urlopen

BINANCE = "https://api.binance.com"
PATIENCE_S = 1.5


def ping(endpoint: str = "") -> None:
    """Call the cheapest open endpoint (weight 1) of the exchange or ``endpoint``. Raises ``OSError`` if it fails."""
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints
    with urlopen(f"{endpoint or BINANCE}/api/v3/ping", timeout=PATIENCE_S) as answer:  # noqa: S310 - from the settings
        answer.read(64)
