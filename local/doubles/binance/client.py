"""A small client of the control API, for tests, benches and the local system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from local.doubles.kit.client import ControlRefused

Amount = str | int | Decimal
Balances = Mapping[str, Amount]


class PaperControl:
    """Controls a running paper exchange. Every method raises ControlRefused if the exchange refuses the call."""

    def __init__(self, url: str):
        """`url` is the exchange's base URL, such as http://127.0.0.1:3001."""
        self._address = urlsplit(url)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """Make any call, and return the JSON answer."""
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)
        try:
            text = json.dumps(body, default=str) if body is not None else None
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, text)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlRefused(response.status, answer["field"], answer["error"])
        return answer

    def key(
        self,
        spot: Balances | None = None,
        futures: Balances | None = None,
        may_trade_futures: bool = True,
        **settings: Any,
    ) -> dict[str, str]:
        """Create a key with these balances. Settings have the API's names: withdrawals, hedgeMode, ips, history."""
        balances = {"spot": spot or {}, "futures": futures or {}}
        return dict(self.call("POST", "/paper/keys", {"balances": balances, "futures": may_trade_futures} | settings))

    def change_key(self, api_key: str, **settings: Any) -> None:
        """Set revoked, withdrawals, futures, ips, balances or history of a key."""
        self.call("PATCH", f"/paper/keys/{api_key}", settings)

    def prices(self, **pairs: Amount) -> None:
        """Set the prices of pairs, written as BTC_USDT."""
        self.call("PUT", "/paper/prices", {pair.replace("_", "/"): str(price) for pair, price in pairs.items()})

    def depth(self, **pairs: Amount) -> None:
        """Limit the quantity that a market order fills, by pair. 0 removes the limit."""
        self.call("PUT", "/paper/depth", {pair.replace("_", "/"): str(depth) for pair, depth in pairs.items()})

    def triggering(self, times: int, *, listed: bool = False) -> None:
        """Leave the next conditional orders that trigger in TRIGGERING."""
        self.call("PUT", "/paper/triggering", {"times": times, "listed": listed})

    def walk(self, pair: str, prices: list[Amount], interval_ms: int = 0) -> None:
        """Move a pair along a list of prices. Without an interval, all moves are done when this returns."""
        body = {"symbol": pair, "prices": [str(price) for price in prices], "intervalMs": interval_ms}
        self.call("POST", "/paper/paths", body)

    def fault(self, path: str, kind: str, times: int = 1, **details: Any) -> None:
        """Arm a fault. Details have the API's names: code, apiKey, delayMs, method, skip, retryAfter."""
        self.call("POST", "/paper/faults", {"path": path, "kind": kind, "times": times} | details)

    def clear_faults(self) -> None:
        self.call("DELETE", "/paper/faults")

    def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests, in order."""
        return list(self.call("GET", "/paper/requests"))

    def clear_requests(self) -> None:
        self.call("DELETE", "/paper/requests")

    def limits(self, **budgets: int) -> None:
        """Set the weights a minute of `spot` and `futures`, and reset what was used."""
        self.call("PUT", "/paper/limits", dict(budgets))

    def usage(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return by source address and budget: weight, most in a minute, refused."""
        return dict(self.call("GET", "/paper/usage"))

    def funding(self, **pairs: Amount) -> None:
        """Set the funding rates of pairs, written as BTC_USDT."""
        self.call("PUT", "/paper/funding", {pair.replace("_", "/"): str(rate) for pair, rate in pairs.items()})

    def settle_funding(self) -> None:
        """Let a funding of all pairs that have a rate happen now."""
        self.call("POST", "/paper/funding")

    def ban(self, seconds: int) -> None:
        """Refuse every signed request with -2015 for so long, as some bans of an address do."""
        self.call("PUT", "/paper/ban", {"seconds": seconds})

    def statuses(self, **venues: dict[str, str]) -> None:
        """Set the status of markets of `spot` and `futures`."""
        self.call("PUT", "/paper/statuses", dict(venues))

    def latency(self, milliseconds: int) -> None:
        self.call("PUT", "/paper/latency", {"ms": milliseconds})

    def orders(self, api_key: str) -> list[dict[str, Any]]:
        """Return all orders of a key in wire fields, conditional ones included."""
        return list(self.call("GET", "/paper/orders", apiKey=api_key))

    def change_order(self, api_key: str, **changes: Any) -> None:
        """Change what is told of an order. Changes have the API's names: orderId or algoId, moment, fields."""
        self.call("PATCH", f"/paper/orders/{api_key}", changes)

    def positions(self, api_key: str) -> list[dict[str, Any]]:
        """Return the open positions of a key in wire fields."""
        return list(self.call("GET", "/paper/positions", apiKey=api_key))
