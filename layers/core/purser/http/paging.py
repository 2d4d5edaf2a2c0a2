"""Query parameters of paged lists, and opaque page tokens that only their own list accepts.

They are signed with a key of the deployment, so nobody can make a token, or move one to another list.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser.errors import FieldError, InvalidInput
from purser.settings import settings

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


ANY_POSITION = r"(?s).*"
"""The form of positions that only an outside system understands."""

DAY_POSITION = r"\d{4}-\d{2}-\d{2}"
"""The form of positions in a list by day."""

SIGNAL_POSITION = r"[0-9a-f-]{36}"
"""The form of positions in a list by signal: a UUID."""

TIME_POSITION = r"\d{13}#[^#]+"
"""The form of positions in a list by time: Unix ms and an id."""


def page_token(list_id: str, position: str) -> str:
    """Return the token that continues a list after ``position``. ``list_id`` names list, owner and filters."""
    text = json.dumps([position, _signature(list_id, position)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_position(list_id: str, token: str | None, form: str, field: str = "nextToken") -> str | None:
    """Return the position in a token of this list, or None for no token.

    ``form`` is the regular expression of the list's positions. ``field`` is the parameter's name.

    Raises:
        InvalidInput: the token is malformed, or belongs to another list.
    """
    if token is None:
        return None
    try:
        padded = token[:LONGEST_TOKEN] + "=" * (-len(token) % 4)
        position, signature = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        is_signed = hmac.compare_digest(signature.encode(), _signature(list_id, str(position)).encode())
        if is_signed and re.fullmatch(form, position):
            return str(position)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidInput([FieldError((field,), "must be a token of this list", "query", None)])


def _signature(list_id: str, position: str) -> str:
    key = settings().require("page_token_key").encode()
    return hmac.new(key, json.dumps([list_id, position]).encode(), hashlib.sha256).hexdigest()[:32]
