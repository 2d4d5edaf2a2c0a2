"""A request as it came, and an answer as it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request, as it came."""

    method: str
    path: str
    query: str
    body: str
    api_key: str
    ip: str


@dataclass
class Answer:
    """What goes back: a JSON value or ready bytes; `drop` closes the connection instead."""

    status: int
    body: Any
    headers: dict[str, str]
    drop: bool = False
