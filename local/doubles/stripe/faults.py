"""Faults of the Stripe double: an outage, a refusal, a connection that drops before or after the work."""

from __future__ import annotations

from dataclasses import dataclass

from local.doubles.kit.faults import is_below
from local.doubles.stripe.wire import StripeError

KINDS = ("http_500", "http_500_after", "rate_limit", "timeout_before", "timeout_after", "slow")
AFTER = ("http_500_after", "timeout_after")


@dataclass
class Fault:
    """A fault for the next ``times`` requests that match, after ``skip`` of them.

    ``delayMs`` passes before the work, or after it if the work is done. With ``kept``, a 500 becomes the answer of the
    idempotency key, as at Stripe after the work has begun. After the work was done, it always does: Stripe calls the
    result of a 500 indeterminate (https://docs.stripe.com/error-low-level#server-errors).
    """

    kind: str
    path: str = "/v1"
    method: str | None = None
    times: int = 1
    skip: int = 0
    delay_ms: int = 0
    kept: bool = False

    def matches(self, method: str, path: str, _: str) -> bool:
        """Return whether a request matches: its path or a path above it, and its method if given."""
        return is_below(path, self.path) and self.method in (None, method)

    @property
    def is_after(self) -> bool:
        """True if the work is done all the same."""
        return self.kind in AFTER

    def refusal(self) -> StripeError | None:
        """Return the error that is answered, or None if it is the answer of the work or the connection drops."""
        if self.kind.startswith("http_500"):
            return StripeError("An unknown error occurred.", status=500, type="api_error")
        if self.kind == "rate_limit":
            return StripeError(
                "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
                "rate_limit", status=429,
            )  # fmt: skip
        return None
