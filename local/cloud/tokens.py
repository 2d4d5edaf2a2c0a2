"""The token endpoint for machine clients, which moto lacks: ``POST /oauth2/token`` with ``client_credentials``."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
import uuid
from collections.abc import Mapping

from joserfc import jwt

from local.cloud.users import UserPool

PATH = "/oauth2/token"


class TokenRefused(Exception):
    """The request is refused. The text is the OAuth error code."""


def client_credentials(pool: UserPool, authorization: str, form: Mapping[str, str]) -> dict[str, str | int]:
    """Return an access token for a machine client, which signs in by HTTP Basic or in the form.

    Raises:
        TokenRefused: with ``invalid_client``, ``unauthorized_client``, ``unsupported_grant_type`` or ``invalid_scope``.
    """
    if form.get("grant_type") != "client_credentials":
        raise TokenRefused("unsupported_grant_type")
    client_id, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = pool.clients.get(client_id)
    if not client or not client.generate_secret or not hmac.compare_digest(secret.encode(), client.secret.encode()):
        raise TokenRefused("invalid_client")
    if "client_credentials" not in client.extended_config.get("AllowedOAuthFlows", []):
        raise TokenRefused("unauthorized_client")
    allowed = client.extended_config.get("AllowedOAuthScopes", [])
    scopes = form.get("scope", "").split() or allowed
    if not set(scopes) <= set(allowed):
        raise TokenRefused("invalid_scope")
    seconds = pool.validity(client_id, "access")
    return {"access_token": _token(pool, client_id, scopes, seconds), "expires_in": seconds, "token_type": "Bearer"}


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise TokenRefused("invalid_client") from None
    return client_id, secret


def _token(pool: UserPool, client_id: str, scopes: list[str], seconds: int) -> str:
    now = int(time.time())
    claims = {
        "sub": client_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "auth_time": now,
        "iss": pool.issuer,
        "exp": now + seconds,
        "iat": now,
        "version": 2,
        "jti": str(uuid.uuid4()),
        "client_id": client_id,
    }
    return jwt.encode({"kid": "dummy", "alg": "RS256"}, claims, pool.json_web_key)
