"""Send events to the endpoints: signed, retried with growing pauses, and wrongly on request.

https://docs.stripe.com/webhooks#verify-manually (signature), #retries (until they are answered with 2xx).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from local.doubles.stripe.account import Account, Object, new_id, public

BACKOFF_SECONDS = (1, 2, 5, 15, 60, 300, 900, 3600)
PATIENCE_SECONDS = 15
AT_ONCE = 4
KEPT = 10_000
KIND = "_delivery"
ACTIONS = ("drop", "repeat", "delay", "hold")


def signature(secret: str, body: bytes, at: int) -> str:
    """Return the ``Stripe-Signature`` of a body that is sent at a moment, in Unix seconds."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


@dataclass
class Rule:
    """A fault for the next ``times`` events of a type (``customer.subscription.*`` means several)."""

    action: str
    type: str = "*"
    times: int = 1
    delay_ms: int = 0


class Webhooks:
    """The deliveries. Their state is stored with the account's, so that they continue after a restart."""

    def __init__(self, account: Account, lock: Any):
        self._account = account
        self._changed = threading.Condition(lock)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._ended = False
        self.rules: list[Rule] = []
        self.held: list[Object] = []
        self.sent: deque[Object] = deque(maxlen=KEPT)
        account.on_event = self._take
        for delivery in account.all(KIND):
            delivery["sending"] = False
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def _take(self, event: Object) -> None:
        """Send a new event to the endpoints that want it, unless a rule says otherwise."""
        rule = next((each for each in self.rules if fnmatchcase(event["type"], each.type)), None)
        if rule:
            rule.times -= 1
            self.rules = [each for each in self.rules if each.times]
        action = rule.action if rule else None
        if action == "drop":
            return
        if action == "hold":
            self.held.append(event)
            return
        self.post(event, rule.delay_ms if rule else 0, 2 if action == "repeat" else 1)

    def post(self, event: Object, delay_ms: int = 0, times: int = 1) -> None:
        """Send an event to every endpoint that wants it."""
        endpoints = [each for each in self._account.where("webhook_endpoint", status="enabled") if _wants(each, event)]
        event["pending_webhooks"] += len(endpoints)
        for endpoint in endpoints * times:
            delivery = {
                "id": new_id("_del"), "object": KIND, "event": event["id"], "endpoint": endpoint["id"], "attempts": 0,
                "due": time.time() + delay_ms / 1000, "sending": False,
            }  # fmt: skip
            self._account.add(delivery)
        self._changed.notify_all()

    def release(self, order: Iterable[str] | None) -> int:
        """Send the held events, as they came or in the given order. Return how many were delivered."""
        with self._changed:
            by_id = {event["id"]: event for event in self.held}
            chosen = [by_id[id] for id in (by_id if order is None else order) if id in by_id]
            self.held = [event for event in self.held if event not in chosen]
            pairs = [
                (event, endpoint)
                for event in chosen
                for endpoint in self._account.where("webhook_endpoint", status="enabled")
                if _wants(endpoint, event)
            ]
        return sum(self._send(endpoint, event) for event, endpoint in pairs)

    def wait(self, seconds: float) -> bool:
        """Wait until every event is delivered. Return False if time runs out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._account.all(KIND), seconds)

    def retry_now(self) -> None:
        """Make every delivery that waits for its next try due now."""
        with self._changed:
            for delivery in self._account.all(KIND):
                delivery["due"] = 0
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop sending."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown()

    def clear(self) -> None:
        """Delete held events, sent events and rules."""
        self.rules, self.held = [], []
        self.sent.clear()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                now = time.time()
                waiting = [each for each in self._account.all(KIND) if not each["sending"]]
                for delivery in waiting:
                    if delivery["due"] <= now:
                        delivery["sending"] = True
                        self._pool.submit(self._try, delivery).add_done_callback(_report)
                later = [each["due"] - now for each in waiting if not each["sending"]]
                self._changed.wait(min(later, default=None))

    def _try(self, delivery: Object) -> None:
        with self._changed:
            event = self._account.find(delivery["event"])
            endpoint = self._account.find(delivery["endpoint"])
            if event is None or endpoint is None or self._ended:
                self._settle(delivery, event)
                return
        taken = self._send(endpoint, event)
        with self._changed:
            delivery["attempts"] += 1
            if taken or delivery["attempts"] > len(BACKOFF_SECONDS):
                self._settle(delivery, event)
                return
            delivery |= {"due": time.time() + BACKOFF_SECONDS[delivery["attempts"] - 1], "sending": False}
            self._keep(delivery)
            self._changed.notify_all()

    def _settle(self, delivery: Object, event: Object | None) -> None:
        """Record that a delivery is done. While the double stops, leave it as it was."""
        if self._ended:
            return
        if self._account.find(delivery["id"], KIND) is delivery:
            self._account.remove(delivery)
        if event is not None and event["pending_webhooks"]:
            event["pending_webhooks"] -= 1
            self._account.save(event)
        self._account.store.commit()
        self._changed.notify_all()

    def _keep(self, delivery: Object) -> None:
        if self._account.find(delivery["id"], KIND) is delivery:
            self._account.save(delivery)
            self._account.store.commit()

    def _send(self, endpoint: Object, event: Object) -> bool:
        """Try once. Return whether the endpoint accepted it. The signature has the real time, not the double's."""
        with self._changed:
            body = json.dumps(public(event), indent=2).encode()
        status, began = 0, time.time()
        try:
            status = _post(endpoint["url"], body, signature(endpoint["_secret"], body, int(began)))
        except (OSError, HTTPException):
            status = 0
        self.sent.append(
            {
                "event": event["id"], "type": event["type"], "endpoint": endpoint["id"], "status": status or None,
                "ms": round((time.time() - began) * 1000),
            }
        )  # fmt: skip
        return 200 <= status < 300


def _report(done: Future[None]) -> None:
    if error := done.exception():
        print(f"stripe double: a webhook was not sent: {error!r}", file=sys.stderr, flush=True)


def _wants(endpoint: Object, event: Object) -> bool:
    return "*" in endpoint["enabled_events"] or event["type"] in endpoint["enabled_events"]


def _post(url: str, body: bytes, signed: str) -> int:
    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=PATIENCE_SECONDS)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signed,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        connection.request("POST", address.path + (f"?{address.query}" if address.query else ""), body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
