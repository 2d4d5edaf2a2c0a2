"""Access tokens that no gateway may accept, made from a valid one."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from joserfc import jwt as signer
from joserfc.jwk import RSAKey
from moto.utilities.utils import load_resource

ELSEWHERE = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_elsewhere"
"""The issuer of tokens of another pool."""


def forged(token: str, key: RSAKey | None = None, **changes: Any) -> str:
    """Return a token with other claims, signed with the key of the pool (moto's is public) or another one."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    key = key or RSAKey.import_key(load_resource("cognitoidp/resources/jwks-private.json"))
    return signer.encode({"kid": "dummy", "alg": "RS256"}, claims, key)


def tampered(token: str, **changes: Any) -> str:
    """Return a token with other claims and its former signature."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    return f"{header}.{_encoded(json.dumps(claims).encode())}.{signature}"


def unsigned(token: str) -> str:
    """Return a token that claims to need no signature."""
    header = _encoded(b'{"alg":"none"}')
    return f"{header}.{token.split('.')[1]}."


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
