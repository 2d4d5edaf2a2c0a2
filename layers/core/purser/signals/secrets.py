"""Proof that a webhook's signal is from somebody who was given the strategy's secret.

TradingView sends only a body, so the secret is in it. Senders of one's own sign the body instead, so that nothing
secret is sent. The table has only a digest of each secret. The key of signatures derives from that digest and from a
key of the deployment, so nobody can sign with what the table has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from purser.signals.model import SecretHash

BYTES = 32
TOLERANCE_S = 300
"""The maximum age of a signature, in seconds."""

NO_HASH = "0" * 64
"""Stands for a secret that there is not, so that as many are compared. No secret has this digest."""

MOST_SECRETS = 2
"""A new secret leaves the one before it valid, so that senders can change theirs."""


def new_secret() -> str:
    """Return a new random secret."""
    return secrets.token_urlsafe(BYTES)


def hashed(secret: str) -> str:
    """Return a secret as it is stored. It is random, so it needs no salt."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def signing_key(deployment_key: str, strategy_id: str, digest: str) -> str:
    """Return the key with which a sender signs."""
    return _hmac(deployment_key, f"{strategy_id}:{digest}".encode())


def is_known(secret: object, known: Sequence[SecretHash]) -> bool:
    """Return whether a secret is one of these, in the same time whether there are any or not."""
    sent = hashed(secret if isinstance(secret, str) else "")
    return _matches_any(sent, _padded(known))


def is_signed(
    signature: str, body: bytes, known: Sequence[SecretHash], deployment_key: str, strategy_id: str, now: int
) -> bool:
    """Return whether ``t=<Unix s>,v1=<HMAC-SHA256 of "<t>.<body>">`` is recent and by one of the secrets' keys."""
    parts = dict(part.strip().partition("=")[::2] for part in signature.split(","))
    stamp, sent = parts.get("t", ""), parts.get("v1", "")
    is_recent = stamp.isascii() and stamp.isdigit() and abs(now // 1000 - int(stamp[:12])) <= TOLERANCE_S
    signed = f"{stamp}.".encode(errors="replace") + body
    expected = [_hmac(signing_key(deployment_key, strategy_id, each), signed) for each in _padded(known)]
    return _matches_any(sent, expected) and is_recent


def _matches_any(sent: str, expected: Sequence[str]) -> bool:
    """Return whether a text is one of some digests, after a comparison with each of them."""
    matches = [hmac.compare_digest(sent.encode(errors="replace"), each.encode()) for each in expected]
    return True in matches


def _padded(known: Sequence[SecretHash]) -> list[str]:
    return ([each.hash for each in known] + [NO_HASH] * MOST_SECRETS)[:MOST_SECRETS]


def _hmac(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
