"""The loopback rules of all local servers: only programs and pages of this machine may call them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = {LOOPBACK, "localhost", "::1"}

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def is_local(headers: Mapping[str, str]) -> bool:
    """Return whether the host, and a browser's origin, are this machine. A rebound name is not."""
    origin = headers.get("origin", "http://localhost")
    return {_host("//" + headers.get("host", "")), _host(origin)} <= LOOPBACK_NAMES


def local_only(app: WsgiApp, refused: str, *, any_origin: bool = False) -> WsgiApp:
    """Return a WSGI application that answers 403 with the JSON ``refused`` to requests that are not local.

    With ``any_origin``, pages of other origins may call it under the name of this machine.
    """

    def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {"host": environ.get("HTTP_HOST", "")}
        if "HTTP_ORIGIN" in environ and not any_origin:
            headers["origin"] = environ["HTTP_ORIGIN"]
        if is_local(headers):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [refused.encode()]

    return guarded


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def hang_up(connection: socket.socket) -> None:
    """Close a connection at once, without an answer."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
