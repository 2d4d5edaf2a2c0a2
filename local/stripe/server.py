"""HTTP on loopback: Stripe's API, the pages that a person sees, and the control API."""

from __future__ import annotations

import base64
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.paper.server import LOOPBACK_NAMES, hang_up
from local.paper.store import encode_json
from local.stripe import control, page

if TYPE_CHECKING:
    from local.stripe.double import StripeDouble

LONGEST_BODY = 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One HTTP request, as it came; header names in lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]

    @property
    def secret_key(self) -> str:
        """The API key that it brings, as bearer token or as the user name of basic authentication."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return value.strip()
        if kind.lower() == "basic":
            with suppress(ValueError):
                return base64.b64decode(value).decode().partition(":")[0]
        return ""

    @property
    def is_local(self) -> bool:
        """Whether host, and origin if a browser sends one, are this machine: a name that was rebound to it is not."""
        origin = self.headers.get("origin", "http://localhost")
        names = {_host(f"//{self.headers.get('host', '')}"), _host(origin)}
        return names <= LOOPBACK_NAMES


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


@dataclass
class Answer:
    """What goes back: a JSON value, or a page as text; ``drop`` closes the connection instead."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


class StripeServer(ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: StripeDouble):
        self.double = double
        self.connections: set[socket.socket] = set()
        super().__init__(address, Connection)
        self.url = f"http://{address[0]}:{self.server_address[1]}"

    def begin(self) -> None:
        """Serves from now on, in a thread."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stops listening and ends the connections that clients keep open."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            hang_up(connection)
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event; anything else is one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"stripe double: {error!r}", file=sys.stderr, flush=True)


class Connection(BaseHTTPRequestHandler):
    """Reads requests and writes answers until the client is done."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StripeServer

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        try:
            super().handle()
        finally:
            self.server.connections.discard(self.connection)

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._write(Answer(400, {"error": {"message": "the body is too long", "type": "invalid_request_error"}}))
            return
        body = self.rfile.read(int(length)).decode(errors="replace")
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self._answer(Request(self.command, url.path, url.query, body, headers))
        if answer.drop:
            self.close_connection = True
            hang_up(self.connection)
            return
        self._write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/v1/"):
            return self.server.double.handle(request)
        if not request.is_local:
            return Answer(403, {"error": "loopback callers only", "field": "Host"})
        if request.path.startswith("/_"):
            status, body = control.control(self.server.double, request.method, request.path, request.body)
            return Answer(status, body)
        status, text, headers = page.show(self.server.double, request.method, request.path, request.body)
        return Answer(status, text, headers)

    def _write(self, answer: Answer) -> None:
        is_page = isinstance(answer.body, str)
        body = (answer.body if is_page else encode_json(answer.body)).encode()
        self.send_response_only(answer.status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed of requests: the control API shows them."""
