"""The Cognito authorizer of a REST API, which SAM CLI leaves out."""

from __future__ import annotations

import time
from typing import Any

import jwt
from joserfc.jwk import RSAKey

from local.cloud.users import UserPool

LEEWAY_SECONDS = 0
REQUIRED = ["exp", "iat", "iss", "sub", "token_use"]


class Refused(Exception):
    """The token is missing, foreign, expired, of the wrong kind, or lacks the scope."""


class Authorizer:
    """Accepts access tokens of a pool's own clients that have one of the scopes of the method."""

    def __init__(self, pool: UserPool) -> None:
        self._pool = pool
        self._key = _public_key(pool.json_web_key)

    def claims(self, header: str, scopes: frozenset[str]) -> dict[str, str]:
        """Return the claims of an ``Authorization`` header (with or without ``Bearer``), as a REST API passes them on.

        Raises:
            Refused: for any reason. The caller does not learn which.
        """
        scheme, _, rest = header.partition(" ")
        token = rest if scheme.lower() == "bearer" else header
        try:
            claims = jwt.decode(
                token.strip(),
                self._key,
                algorithms=["RS256"],
                issuer=self._pool.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": REQUIRED, "verify_aud": False},
            )
        except jwt.InvalidTokenError:
            raise Refused from None
        granted = set(str(claims.get("scope", "")).split())
        is_access_token = {"token_use": "access"}.items() <= claims.items()
        if not is_access_token or claims.get("client_id") not in self._pool.clients or not granted & scopes:
            raise Refused
        return {name: _as_text(name, value) for name, value in claims.items()}


def _public_key(key: RSAKey) -> Any:
    return jwt.PyJWK(dict(key.as_dict(private=False)), algorithm="RS256").key


def _as_text(name: str, value: Any) -> str:
    """Format a claim of ``requestContext.authorizer.claims``: text, lists joined by commas, these times spelt out."""
    if name in ("exp", "iat"):
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
