"""A scripted venue."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Reply:
    def __init__(self, body: Any, status: int = 200, headers: dict[str, str] | None = None, delay: float = 0) -> None:
        self.text = body if isinstance(body, str) else json.dumps(body)
        self.status = status
        self.headers = {"Content-Type": "application/json"} | (headers or {})
        self.delay = delay


def fault(code: int, text: str = "No.", status: int = 400, **headers: str) -> Reply:
    return Reply(
        {"code": code, "msg": text}, status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


class Venue:
    """Answers by method and path, and records its requests."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {}
        self.asked: list[str] = []
        self.queries: list[dict[str, list[str]]] = []
        self.connections: set[tuple[str, int]] = set()
        self.url = ""

    def __setitem__(self, request: str, reply: Any) -> None:
        self.replies[request] = reply

    def reply(self, request: str) -> Reply:
        reply = self.replies.get(request, fault(-5000, f"no {request}", 404))
        return reply if isinstance(reply, Reply) else Reply(reply)


@contextmanager
def serve() -> Iterator[Venue]:
    """Serve a venue on loopback."""
    venue = Venue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            request = f"{self.command} {urlsplit(self.path).path}"
            venue.asked.append(request)
            venue.queries.append(parse_qs(urlsplit(self.path).query))
            venue.connections.add(self.client_address)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = venue.reply(request)
            time.sleep(reply.delay)
            body = reply.text.encode()
            self.send_response(reply.status)
            for name, value in (reply.headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    venue.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield venue
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
