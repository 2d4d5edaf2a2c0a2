"""A small client of the control API and of the pages, for tests, benches and the local system."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from local.doubles.kit.client import ControlRefused

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class StripeControl:
    """Controls a running double. Every method raises ControlRefused if the double refuses the call."""

    def __init__(self, url: str):
        """``url`` is the double's base URL, such as http://127.0.0.1:3002."""
        self._address = urlsplit(url)

    def call(self, method: str, path: str, /, **body: Any) -> Any:
        """Make any call, and return the JSON answer."""
        status, text, _ = self._send(method, path, json.dumps(body) if body else "")
        answer = json.loads(text)
        if status >= 400:
            raise ControlRefused(status, answer["field"], answer["error"])
        return answer

    def _send(self, method: str, path: str, body: str, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=120)
        try:
            connection.request(method, path, body.encode(), headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers.get("Location", "")
        finally:
            connection.close()

    def click(self, page: str, action: str = "pay", code: str = "") -> str:
        """Enter a promotion code on a checkout's page, if given, and click. Return where it leads, or "".

        Args:
            action: pay, pay_declined_later, pay_declined, apply (the code) or cancel.
        """
        fields = {"action": action, "promotion_code": code}
        _, _, location = self._send("POST", urlsplit(page).path, urlencode(fields), FORM)
        return location

    def advance(self, days: float = 0, seconds: int = 0) -> int:
        """Put the clock forward, and return the new time in Unix seconds."""
        milliseconds = int(days * 86_400_000) + seconds * 1000
        return int(self.call("POST", "/_clock", advanceMs=milliseconds)["nowMs"]) // 1000

    def now(self) -> int:
        """Return the double's time in Unix seconds."""
        return int(self.call("GET", "/_clock")["nowMs"]) // 1000

    def fault(self, kind: str, path: str = "/v1", **details: Any) -> None:
        """Arm a fault. Details have the API's names: method, times, skip, delayMs, kept."""
        self.call("POST", "/_faults", kind=kind, path=path, **details)

    def clear_faults(self) -> None:
        self.call("DELETE", "/_faults")

    def go_away(self, seconds: float) -> None:
        """Refuse all connections for this long."""
        self.call("POST", "/_outage", ms=int(seconds * 1000))

    def webhooks(self, action: str, type: str = "*", **details: Any) -> None:
        """Drop, repeat, delay or hold the next events of a type. Details: times, delayMs."""
        self.call("POST", "/_webhooks", action=action, type=type, **details)

    def flush(self, seconds: float = 10) -> bool:
        """Wait until every event is delivered. Return False if time runs out."""
        return bool(self.call("POST", "/_webhooks/flush", timeoutMs=int(seconds * 1000))["delivered"])

    def release(self, order: list[str] | None = None) -> None:
        """Send held events, one after the other, in this order of ids."""
        self.call("POST", "/_webhooks/release", **({} if order is None else {"order": order}))

    def resend(self, event: str) -> None:
        """Send an event again."""
        self.call("POST", "/_webhooks/resend", event=event)

    def declines(self, customer: str, when: str) -> None:
        """Decline a customer's cards never, later (at renewals) or always."""
        self.call("PATCH", "/_cards", customer=customer, declines=when)

    def dispute(self, charge: str) -> None:
        """Have the bank dispute a charge, which cannot be refunded then."""
        self.call("POST", "/_disputes", charge=charge)

    def discount(self, customer: str, coupon: str) -> None:
        """Discount all of a customer's invoices, as in the dashboard."""
        self.call("POST", "/_discounts", customer=customer, coupon=coupon)

    def cancel_in_portal(self, subscription: str) -> None:
        """Have the customer end a subscription in Stripe's portal."""
        self.call("POST", "/_portal", subscription=subscription)

    def state(self) -> dict[str, Any]:
        """Return every object, by kind."""
        return dict(self.call("GET", "/_state"))

    def reset(self) -> None:
        """Delete everything but the plans and Purser's own endpoint."""
        self.call("DELETE", "/_state")

    def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests, in order."""
        return list(self.call("GET", "/_requests"))
