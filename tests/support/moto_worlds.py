"""moto in a separate process. Each of its worlds is an AWS account with its own port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from itertools import count
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.cloud import moto_caches
from local.cloud.sign_in import SignedInUsers
from tests.support.services import serve_worlds

accounts = count(100_000_000_001)
moto: Any = DomainDispatcherApplication(create_backend_app)


def open_account() -> str:
    """Serve another account, and return its URL."""
    account = str(next(accounts))

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = moto({**environ, "HTTP_X_MOTO_ACCOUNT_ID": account}, start_response)
        return answer

    signed_in = SignedInUsers(app, account)
    server = make_server("127.0.0.1", 0, signed_in, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, name=account, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    moto_caches.install()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve_worlds(open_account)
