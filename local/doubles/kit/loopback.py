"""The loopback rules of the doubles' servers: only this machine may call them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = {LOOPBACK, "localhost", "::1"}


def is_local(headers: Mapping[str, str]) -> bool:
    """Return whether the host, and a browser's origin, are this machine. A rebound name is not."""
    origin = headers.get("origin", "http://localhost")
    return {_host("//" + headers.get("host", "")), _host(origin)} <= LOOPBACK_NAMES


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def hang_up(connection: socket.socket) -> None:
    """Close a connection at once, without an answer."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
