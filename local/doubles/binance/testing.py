"""ccxt's Binance client pointed at a paper exchange, for tests and benches (needs ccxt and requests).

It keeps its own URLs, so its error tables work; only the transport goes elsewhere.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ccxt.binance import binance
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

HOSTS = ("api", "fapi", "dapi", "sapi")


class Redirect(HTTPAdapter):
    """Sends every request to one base URL."""

    def __init__(self, base: str):
        super().__init__()
        self._base = urlsplit(base)

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        url = urlsplit(request.url or "")
        request.url = urlunsplit((self._base.scheme, self._base.netloc, url.path, url.query, ""))
        return super().send(request, *arguments, **options | {"proxies": {}})


def ccxt_client(
    url: str, key: dict[str, str] | None = None, kind: str = "spot", number: type = Decimal, **settings: Any
) -> Any:
    """A ccxt client of kind `spot` or `swap`; key is the control API's `{"apiKey", "secret"}`.

    ccxt reads some numbers twice, and does not know a Decimal the second time. Trigger prices and fees come out as
    None, and a Decimal in `params` is ignored. With `number=str` everything is there, and exact.
    """
    client = binance(
        {
            "enableRateLimit": False,
            "options": {
                "defaultType": kind,
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": ["spot", "linear"]},
                "warnOnFetchOpenOrdersWithoutSymbol": False,
            },
            **(key or {}),
            **settings,
        }
    )
    client.number = number
    client.session.trust_env = False
    for host in HOSTS:
        client.session.mount(f"https://{host}.binance.com", Redirect(url))
    return client
