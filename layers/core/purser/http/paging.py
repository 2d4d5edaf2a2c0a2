"""Page tokens: opaque, bound to the list they came from, refused elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json

from purser.errors import Fault, InvalidInput

LONGEST_TOKEN = 4096
"""Characters. The store's own position is inside: Cognito's alone takes more than a thousand."""


def page_token(list_id: str, position: str) -> str:
    """The token that continues a list after ``position``. ``list_id`` names the list, its owner and its filters."""
    text = json.dumps([position, _seal(list_id, position)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_position(list_id: str, token: str | None, field: str = "nextToken") -> str | None:
    """The position in a token that this list gave out; None for no token. ``field`` is what the surface calls it.

    Raises:
        InvalidInput: not a token, or one of another list.
    """
    if token is None:
        return None
    try:
        padded = token[:LONGEST_TOKEN] + "=" * (-len(token) % 4)
        position, seal = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        if seal == _seal(list_id, str(position)):
            return str(position)
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidInput([Fault((field,), "must be a token of this list", "query", None)])


def _seal(list_id: str, position: str) -> str:
    return hashlib.sha256(f"{list_id}\0{position}".encode()).hexdigest()[:16]
