"""The correlation id: the id of the request or run that caused what is done now. Work that is created carries it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

KEY = "correlationId"
"""The name of the attribute in messages and items."""

_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def correlation_id() -> str | None:
    """Return the correlation id of what is done now, if it has one."""
    return _current.get()


@contextmanager
def correlated(cause: str | None) -> Iterator[None]:
    """Make ``cause`` the correlation id for the block."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)


def tagged(given: dict[str, T], cause: T | None) -> dict[str, T]:
    """Return a message or an item with its correlation id, if it has one."""
    return given | {KEY: cause} if cause else given
