"""The requests and answers of HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are in lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]

    @property
    def secret_key(self) -> str:
        """The API key of the request, from a bearer token or the user name of basic authentication."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return value.strip()
        if kind.lower() == "basic":
            with suppress(ValueError):
                return base64.b64decode(value).decode().partition(":")[0]
        return ""


@dataclass
class Answer:
    """An answer: a JSON value, or a page as text; ``drop`` closes the connection instead.

    ``then`` is done when it has been written.
    """

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    then: Callable[[], None] | None = None
