"""The inbox of Stripe's webhooks, which verifies events and queues their customers.

An event only tells whose state may have changed. ``purser.billing.sync`` reads that state from Stripe, so the order and
number of events do not matter.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

from purser.correlation import correlation_id, tagged
from purser.errors import MalformedRequest
from purser.ports import Sender

TOLERANCE_S = 300
"""The maximum age of a signature, in seconds."""

LONGEST_BODY = 512 * 1024
"""The maximum size of an event, in bytes. Stripe's events are far smaller."""

LONGEST_ID = 255
"""Source: https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible."""

THIN_EVENT = "v2.core.event"
"""The kind of events that only refer to an object (https://docs.stripe.com/event-destinations#thin-events)."""

EVENTS = frozenset({"checkout.session.completed", "invoice.paid", "invoice.payment_failed", "charge.refunded"})
EVENTS_OF_SUBSCRIPTIONS = "customer.subscription."


class Signatures(Protocol):
    """The verifier of Stripe's signatures."""

    @property
    def is_live(self) -> bool:
        """True if our API key is of live mode."""

    def check(self, body: str, signature: str) -> int:
        """Return when a body was signed (Unix s). Raises ``MalformedRequest`` for an invalid or old signature."""


class Seen(Protocol):
    """The guard against replays."""

    def note(self, name: str, until: int) -> bool:
        """Keep a name at least until then (Unix s), and tell whether it was new."""


class Inbox:
    """The use case."""

    def __init__(self, signatures: Signatures, seen: Seen, queue: Sender) -> None:
        self._signatures = signatures
        self._seen = seen
        self._queue = queue

    def receive(self, body: bytes, signature: str) -> None:
        """Queue the customer of an event, if the event concerns Purser. ``signature`` is ``Stripe-Signature``.

        Stripe signs each delivery anew, so a repeated signature is a replay.

        Raises:
            MalformedRequest: the event is not from Stripe, of another mode than our API key, too old, repeated, too
                long or malformed.
            purser.errors.Unavailable: a part of Purser is down. Stripe sends the event again.
        """
        if len(body) > LONGEST_BODY:
            raise MalformedRequest("the event is too long")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise MalformedRequest("the event is not text") from None
        signed_at = self._signatures.check(text, signature)
        message = _message(text, is_live=self._signatures.is_live)
        name = hashlib.sha256(f"{signed_at}.{text}".encode()).hexdigest()
        if not self._seen.note(name, signed_at + 2 * TOLERANCE_S):
            raise MalformedRequest("the event is repeated")
        if message is not None:
            self._queue.send([message])


def _message(text: str, *, is_live: bool) -> dict[str, str] | None:
    """Return the message of an event, which has only identifiers, or None if the event does not concern Purser."""
    try:
        event = json.loads(text)
        if event.get("object") == THIN_EVENT:
            raise MalformedRequest("this endpoint needs events with the payload style snapshot, not thin")
        event_id, kind, about = event["id"], event["type"], event["data"]["object"]
        of_our_mode = event["livemode"] is is_live
        customer_id = about.get("customer")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise MalformedRequest("not an event") from None
    if not _is_id(event_id) or not isinstance(kind, str):
        raise MalformedRequest("not an event")
    if not of_our_mode:
        # An endpoint may get both, and objects of one mode are unknown in the other.
        raise MalformedRequest("the event and the API key of this endpoint are not both of live or both of test mode")
    if not _is_id(customer_id) or not (kind in EVENTS or kind.startswith(EVENTS_OF_SUBSCRIPTIONS)):
        return None
    return tagged({"customerId": customer_id, "eventId": event_id, "type": kind}, correlation_id())


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID
