"""The requests and answers of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: str
    body: str
    api_key: str
    ip: str


@dataclass
class Answer:
    """An answer: a JSON value or ready bytes. With `drop`, the connection is closed instead."""

    status: int
    body: Any
    headers: dict[str, str]
    drop: bool = False
