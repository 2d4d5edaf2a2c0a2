"""The processes that all pytest workers share: DynamoDB Local, moto and the paper exchange, one of each.

The process that was started as pytest runs them, each once a test first needs it, and they end with it. Workers share
nothing else there. Each has its own account at DynamoDB Local (by its access key) and at moto. Each has its own paper
exchange, with prices, faults, limits and a clock (``new_world``).
"""

from __future__ import annotations

import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local import processes
from local.cloud import dynamodb
from local.errors import CannotStart
from local.places import ROOT

ADDRESS = "PURSER_TEST_SERVICES"
"""The environment variable that tells workers where to ask."""

READY = "listening on "
PATIENCE_S = 600

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""An opener without the machine's proxy, which does not serve loopback."""


def offer() -> None:
    """Let this process start services when its workers, or its own tests, ask for them."""
    os.environ[ADDRESS] = _listen(lambda path, _: _started(path.strip("/")).url)


def end() -> None:
    """End the services that were started."""
    for server in _running.values():
        processes.stop(server.process)


def url(name: str) -> str:
    """Return the URL of a service: ``dynamodb``, ``moto`` or ``paper``. It is started if it has not been.

    Raises:
        CannotStart: it could not be started; the text says why.
    """
    return _ask(f"{os.environ[ADDRESS]}/{name}", "GET")


def new_world(name: str) -> str:
    """Return the URL of a new account at ``moto``, or of a new exchange at ``paper``.

    Raises:
        CannotStart: the service could not be started.
    """
    return _ask(url(name), "POST")


def serve_worlds(open_world: Callable[[], str]) -> None:
    """Serve ``moto`` or ``paper``: open a world for each POST, and answer its URL."""
    sys.stdout.write(READY + _listen(lambda _, method: open_world() if method == "POST" else "") + "\n")
    sys.stdout.flush()
    threading.Event().wait()


def _ask(address: str, method: str) -> str:
    request = urllib.request.Request(address, method=method)
    try:
        with _direct.open(request, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        raise CannotStart(refused.read().decode()) from None


_starting = {name: threading.Lock() for name in ("dynamodb", "moto", "paper")}
_running: dict[str, processes.Server] = {}


def _started(name: str) -> processes.Server:
    with _starting[name]:
        if name not in _running:
            _running[name] = _start(name)
        return _running[name]


def _start(name: str) -> processes.Server:
    if name == "dynamodb":
        return dynamodb.start(account_by_key=True)
    command = [sys.executable, "-m", f"tests.support.{name}_worlds"]
    return processes.start_server(name, command, processes.python_environment(), ROOT, READY)


def _listen(answer: Callable[[str, str], str]) -> str:
    """Answer requests on loopback from now on; return the URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            try:
                status, text = 200, answer(self.path, self.command)
            except CannotStart as error:
                status, text = 500, str(error)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _answer  # the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, name="services", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
