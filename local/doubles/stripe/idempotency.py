"""Idempotency keys repeat the first answer for a day (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

import hashlib
from typing import Any

from local.doubles.kit.store import Store
from local.doubles.stripe.messages import Answer
from local.doubles.stripe.wire import StripeError

KIND = "idempotency"
KEPT_SECONDS = 86_400
LONGEST_KEY = 255


def fingerprint(method: str, path: str, body: str) -> str:
    """Return a value that is equal for equal requests."""
    return hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()


class Answers:
    """The first answers by key. Used only under the double's lock."""

    def __init__(self, store: Store):
        self._store = store
        self._kept: dict[str, dict[str, Any]] = dict(store.load(KIND, dict))

    def earlier(self, key: str, digest: str, now: int) -> dict[str, Any] | None:
        """Return the first answer to a key, or None if the key is new. ``now`` is in Unix seconds.

        Raises:
            StripeError: the key is too long, or was used with other parameters.
        """
        if len(key) > LONGEST_KEY:
            raise StripeError("Idempotency-Key must be 255 characters or less.", type="idempotency_error")
        kept = self._kept.get(key)
        if kept is None or kept["at"] < now - KEPT_SECONDS:
            return None
        if kept["digest"] != digest:
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        return kept

    def keep(self, key: str, digest: str, answer: Answer, request_id: str, now: int) -> None:
        """Store an answer under its key."""
        kept = {"at": now, "digest": digest, "status": answer.status, "body": answer.body, "requestId": request_id}
        self._kept[key] = kept
        self._store.put(KIND, key, kept)

    def clear(self) -> None:
        """Delete all answers."""
        self._kept.clear()
        self._store.clear(KIND)
