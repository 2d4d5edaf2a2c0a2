"""Query parameters of paged lists, and opaque page tokens that only their own list accepts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser.errors import FieldError, InvalidInput

LONGEST_TOKEN = 4096
"""In characters. A token contains the store's position, and that of Cognito takes more than a thousand."""

Limit = Annotated[int, Query(ge=1, le=1000)]
"""A route parameter: the page size."""

Offset = Annotated[int, Query(ge=0, le=10_000)]
"""A route parameter: how many rows to skip."""

NextToken = Annotated[str | None, Query(max_length=1024)]
"""A route parameter of the customer API: the token of the next page."""

Cursor = Annotated[str | None, Query(min_length=1, max_length=1024)]
"""A route parameter of the desk API: the token of the next page."""

Milliseconds = Annotated[int | None, Query(ge=0, le=9_999_999_999_999)]
"""A route parameter: an instant in Unix milliseconds, where a list begins or ends."""


def page_token(list_id: str, position: str) -> str:
    """Return the token that continues a list after ``position``. ``list_id`` names list, owner and filters."""
    text = json.dumps([position, _seal(list_id, position)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_position(list_id: str, token: str | None, field: str = "nextToken") -> str | None:
    """Return the position in a token of this list, or None for no token. ``field`` is the parameter's name.

    Raises:
        InvalidInput: the token is malformed, or belongs to another list.
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
    raise InvalidInput([FieldError((field,), "must be a token of this list", "query", None)])


def _seal(list_id: str, position: str) -> str:
    return hashlib.sha256(f"{list_id}\0{position}".encode()).hexdigest()[:16]
