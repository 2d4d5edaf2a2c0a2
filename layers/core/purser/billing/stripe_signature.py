"""That an event comes from Stripe: https://docs.stripe.com/webhooks#verify-official-libraries."""

from __future__ import annotations

import json
from collections.abc import Callable

from stripe import SignatureVerificationError, WebhookSignature

from purser.billing.inbox import TOLERANCE_S
from purser.errors import MalformedRequest


class StripeSignatures:
    """Checks signatures. ``keys`` gives the JSON ``{"apiKey", "webhookSecret"}``, or "" where there is no Stripe."""

    def __init__(self, keys: Callable[[], str]) -> None:
        self._keys = keys

    def check(self, body: str, signature: str) -> int:
        """Checks the header ``Stripe-Signature`` of a body, in constant time, and its age.

        Returns:
            When it was signed, in Unix s.

        Raises:
            MalformedRequest: it is none, not of this body, or too old.
            purser.errors.Unavailable: the secret can't be read.
        """
        secret = json.loads(self._keys() or "{}").get("webhookSecret")
        try:
            WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
        except (SignatureVerificationError, TypeError):
            # A TypeError: what is not ASCII cannot be compared in constant time.
            raise MalformedRequest("the signature is not valid") from None
        return next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
