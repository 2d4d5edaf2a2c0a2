"""HTTP/1.1 with keep-alive over plain sockets. A small server, because benchmarks run through it."""

from __future__ import annotations

import socket
import socketserver
import sys
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from local.doubles.binance.control import HANDLERS, control
from local.doubles.binance.messages import Answer, Request
from local.doubles.binance.world import World
from local.doubles.kit import html
from local.doubles.kit.loopback import hang_up, is_local
from local.doubles.kit.store import encode_json

LONGEST_LINE = 65_536
LONGEST_BODY = 4 * 1024 * 1024
MOST_HEADERS = 100
HOME = html.page(
    "Paper exchange",
    f"""<p>A double of Binance's spot and USDⓈ-M futures API on this machine: real signatures and real matching, no real
money. Purser's functions use it as their exchange.</p>
<p>Prices stay where they are until you move them. The control API takes and answers JSON and needs no sign-in:</p>
{html.control_table(HANDLERS)}""",
)
"""The page at the exchange's address."""

REASONS = {status.value: status.phrase for status in HTTPStatus}


class BadRequest(Exception):
    """A request that is not HTTP as this server knows it."""


class PaperServer(socketserver.ThreadingTCPServer):
    """A server with one thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], exchange: World):
        self.exchange = exchange
        self.connections: set[socket.socket] = set()
        super().__init__(address, Connection)

    def server_close(self) -> None:
        """Stop listening, and close the connections that clients keep open."""
        super().server_close()
        for connection in list(self.connections):
            hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line, or nothing if the client has gone away."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"paper exchange: {error!r}", file=sys.stderr, flush=True)


class Connection(socketserver.StreamRequestHandler):
    """Reads requests and writes answers until the client is done."""

    disable_nagle_algorithm = True
    server: PaperServer

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        try:
            while self._serve_one():
                pass
        except BadRequest as error:
            self._write(Answer(400, {"code": -1100, "msg": str(error)}, {"Connection": "close"}))
        finally:
            self.server.connections.discard(self.connection)

    def _serve_one(self) -> bool:
        """Answer one request. Return false when the connection is to end."""
        line = self.rfile.readline(LONGEST_LINE)
        if not line.strip():
            return False
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest("malformed request line")
        headers = self._headers()
        answer = self._answer(parts[0], parts[1], headers, self._body(headers))
        if answer.drop:
            hang_up(self.connection)
            return False
        self._write(answer)
        return headers.get("connection", "").lower() != "close" and parts[2] != "HTTP/1.0"

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MOST_HEADERS):
            line = self.rfile.readline(LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                return headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise BadRequest("too many headers")

    def _body(self, headers: dict[str, str]) -> str:
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit() or int(length) > LONGEST_BODY:
            raise BadRequest("a body needs a Content-Length, and at most four megabytes")
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            return self.rfile.read(int(length)).decode()
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not UTF-8") from error

    def _answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Answer:
        url = urlsplit(target)
        is_control = f"{url.path}/".startswith("/paper/")
        if (is_control or url.path == "/") and not is_local(headers):
            return Answer(403, {"error": "loopback callers only", "field": "Host"}, {})
        if is_control:
            return control(self.server.exchange, method, url.path, url.query, body)
        if (method, url.path) == ("GET", "/"):
            return Answer(200, HOME.encode(), dict(html.HEADERS))
        request = Request(
            method=method,
            path=url.path,
            query=url.query,
            body=body,
            api_key=headers.get("x-mbx-apikey", ""),
            ip=self.client_address[0],
        )
        return self.server.exchange.handle(request)

    def _write(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else encode_json(answer.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": len(body)} | answer.headers
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
