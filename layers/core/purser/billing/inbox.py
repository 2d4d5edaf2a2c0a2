"""What Stripe says by webhook: admitted if it is Stripe who says it, now, and then left to the queue.

An event only says whose state may have changed. The state is read from Stripe when the message is worked on
(``purser.billing.sync``), so that neither the order nor the number of events matters.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

from purser.errors import MalformedRequest
from purser.ports import Sender

TOLERANCE_S = 300
"""How old a signature may be, in s."""

LONGEST_BODY = 512 * 1024
"""In bytes. Stripe's own events stay far below."""

LONGEST_ID = 255
"""https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible"""

EVENTS = frozenset({"checkout.session.completed", "invoice.paid", "invoice.payment_failed", "charge.refunded"})
EVENTS_OF_SUBSCRIPTIONS = "customer.subscription."


class Signatures(Protocol):
    """Who knows Stripe's signatures."""

    def check(self, body: str, signature: str) -> int:
        """When a body was signed (Unix s); raises ``MalformedRequest`` if it was not, or too long ago."""


class Seen(Protocol):
    """Remembers the ids of events."""

    def note(self, name: str, until: int) -> bool:
        """Whether it is the first of its name; it is remembered at least until then (Unix s)."""


class Inbox:
    """The use case."""

    def __init__(self, signatures: Signatures, seen: Seen, queue: Sender) -> None:
        self._signatures = signatures
        self._seen = seen
        self._queue = queue

    def receive(self, body: bytes, signature: str) -> None:
        """Queues whose state may have changed, if the event is one of those that concern Purser.

        Stripe signs every delivery anew: the same signature over the same body is somebody else's.

        Args:
            body: as it was received, byte for byte.
            signature: the header ``Stripe-Signature``.

        Raises:
            MalformedRequest: it is not from Stripe, too old, repeated, too long or no event. Nothing is changed.
            purser.errors.Unavailable: something of our own is down; Stripe sends it again.
        """
        if len(body) > LONGEST_BODY:
            raise MalformedRequest("the event is too long")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise MalformedRequest("the event is not text") from None
        signed_at = self._signatures.check(text, signature)
        message = _message(text)
        name = hashlib.sha256(f"{signed_at}.{text}".encode()).hexdigest()
        if not self._seen.note(name, signed_at + 2 * TOLERANCE_S):
            raise MalformedRequest("the event is repeated")
        if message is not None:
            self._queue.send([message])


def _message(text: str) -> dict[str, str] | None:
    """What the queue carries of an event: nothing but identifiers. None for one that does not concern Purser."""
    try:
        event = json.loads(text)
        event_id, kind, about = event["id"], event["type"], event["data"]["object"]
        customer_id = about.get("customer")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise MalformedRequest("not an event") from None
    if not _is_id(event_id) or not isinstance(kind, str):
        raise MalformedRequest("not an event")
    if not _is_id(customer_id) or not (kind in EVENTS or kind.startswith(EVENTS_OF_SUBSCRIPTIONS)):
        return None
    return {"customerId": customer_id, "eventId": event_id, "type": kind}


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID
