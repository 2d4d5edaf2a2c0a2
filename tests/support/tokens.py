"""Access tokens that no gateway may take: made of one that is good."""

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
    """A token with other claims, signed with the pool's own key (moto's is public) or another one."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    key = key or RSAKey.import_key(load_resource("cognitoidp/resources/jwks-private.json"))
    return signer.encode({"kid": "dummy", "alg": "RS256"}, claims, key)


def tampered(token: str, **changes: Any) -> str:
    """A token with other claims, under the signature of what it was."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    return f"{header}.{_encoded(json.dumps(claims).encode())}.{signature}"


def unsigned(token: str) -> str:
    """A token that says that it needs no signature."""
    header = _encoded(b'{"alg":"none"}')
    return f"{header}.{token.split('.')[1]}."


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
