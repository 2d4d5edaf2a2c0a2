"""The control API of a running paper exchange, and signed calls of the owner of a key."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import requests

from local.doubles.binance.client import PaperControl

NO_LIMIT = 10**9


def is_open(order: Mapping[str, Any]) -> bool:
    """Return whether an order in Binance's fields, plain or conditional, may still be executed."""
    return order.get("status", order.get("algoStatus")) in ("NEW", "PARTIALLY_FILLED")


class Paper(PaperControl):
    """A running paper exchange that tests share."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url
        self._changed: set[str] = set()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """Make any call, and note what it changes."""
        if method != "GET":
            self._changed.add(path)
        return super().call(method, path, body, **query)

    def lift_limits(self) -> None:
        """Let tests spend any weight."""
        self.limits(spot=NO_LIMIT, futures=NO_LIMIT, snapshots=NO_LIMIT)

    def restore(self) -> None:
        """End what a test has set for the whole exchange and may have left, because it failed."""
        ends: dict[str, Callable[[], None]] = {
            "/paper/faults": self.clear_faults,
            "/paper/limits": self.lift_limits,
            "/paper/ban": lambda: self.ban(0),
            "/paper/latency": lambda: self.latency(0),
        }
        for path in self._changed & ends.keys():
            ends[path]()
        self._changed.clear()

    def open_orders(self, api_key: str) -> list[dict[str, Any]]:
        """Return the open orders of a key, conditional ones included, in Binance's fields."""
        return [order for order in self.orders(api_key) if is_open(order)]

    def signed(self, key: dict[str, str], method: str, path: str, **given: Any) -> Any:
        """Make a signed call at the exchange, as the owner of the key."""
        query = urlencode({**given, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(key["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.url}{path}?{query}&signature={signature}"
        answer = requests.request(method, url, headers={"X-MBX-APIKEY": key["apiKey"]}, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
