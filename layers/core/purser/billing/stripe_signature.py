"""Verification of Stripe's signatures (https://docs.stripe.com/webhooks#verify-official-libraries)."""

from __future__ import annotations

import json
from collections.abc import Callable

from stripe import SignatureVerificationError, WebhookSignature

from purser.billing.inbox import TOLERANCE_S
from purser.billing.model import is_live
from purser.errors import MalformedRequest


class StripeSignatures:
    """Verifies signatures. ``keys`` returns the JSON ``{"apiKey", "webhookSecret"}``, or "" without Stripe."""

    def __init__(self, keys: Callable[[], str]) -> None:
        self._keys = keys

    @property
    def is_live(self) -> bool:
        """True if the API key is of live mode."""
        return is_live(str(json.loads(self._keys() or "{}").get("apiKey")))

    def check(self, body: str, signature: str) -> int:
        """Verify the header ``Stripe-Signature`` of a body in constant time. Return when it was signed (Unix s).

        Raises:
            MalformedRequest: the signature is malformed, not of this body, or too old.
            purser.errors.Unavailable: the secret cannot be read.
        """
        secret = json.loads(self._keys() or "{}").get("webhookSecret")
        try:
            WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
        except (SignatureVerificationError, TypeError):
            # A TypeError comes from a signature that is not ASCII.
            raise MalformedRequest("the signature is not valid") from None
        return next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
