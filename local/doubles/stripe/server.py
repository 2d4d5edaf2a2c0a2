"""HTTP on loopback: Stripe's API, the pages in a browser, and the control API."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.doubles.kit.loopback import hang_up, is_local
from local.doubles.kit.store import encode_json
from local.doubles.stripe import control, page
from local.doubles.stripe.messages import Answer, Request
from local.doubles.stripe.world import World

LONGEST_BODY = 1024 * 1024


class StripeServer(ThreadingHTTPServer):
    """A server with one thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: World):
        self.double = double
        self.refusing = False
        self.connections: set[socket.socket] = set()
        super().__init__(address, Connection)
        self.url = f"http://{address[0]}:{self.server_address[1]}"

    def begin(self) -> None:
        """Start to serve, in a thread."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Stop listening. Open connections get no further answer."""
        self.refusing = True
        self.shutdown()
        self.server_close()
        self._thread.join()

    def end(self) -> None:
        """Stop listening, and close the connections that clients keep open."""
        self.refuse()
        for connection in list(self.connections):
            hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line, or nothing if the client has gone away."""
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
        if answer.then:
            self.wfile.flush()
            answer.then()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _answer(self, request: Request) -> Answer:
        if self.server.refusing:
            return Answer(0, None, drop=True)
        if request.path.startswith("/v1/"):
            return self.server.double.handle(request)
        if not is_local(request.headers):
            return Answer(403, {"error": "loopback callers only", "field": "Host"})
        if request.path.startswith("/_"):
            return control.control(self.server.double, request.method, request.path, request.body)
        return page.show(self.server.double, request.method, request.path, request.body)

    def _write(self, answer: Answer) -> None:
        is_page = isinstance(answer.body, str)
        body = (answer.body if is_page else encode_json(answer.body)).encode()
        self.send_response_only(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | answer.headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print no requests, because the control API lists them."""
