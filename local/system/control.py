"""The control endpoint of the running system, for the other commands: invoke a function, make a token."""

from __future__ import annotations

import hmac
import json
import secrets
import threading

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from local.client import KEY_HEADER
from local.cloud.users import UserPool
from local.demo.people import PASSWORDS, email_of
from local.errors import LocalError
from local.functions.pool import Functions

POLL_SECONDS = 0.1  # The time in which it notices that it must stop.


class Control:
    """Served on loopback, to callers that can read its key in ``stack.json``."""

    def __init__(self, functions: Functions, pool: UserPool, client_id: str) -> None:
        self.key = secrets.token_urlsafe(32)
        self._functions = functions
        self._pool = pool
        self._client_id = client_id
        app = Request.application(self._serve)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_RequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Start to serve, in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()

    def _serve(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), self.key.encode()):
            return _json({"message": "the key is not this system's"}, 403)
        try:
            match request.path.strip("/").split("/"):
                case ["functions", name]:
                    result = self._functions.invoke(name, json.loads(request.get_data() or b"{}"))
                    return _json({"output": result.output, "error": result.error})
                case ["tokens", user]:
                    name = user if "@" in user else email_of(user)
                    return _json({"accessToken": self._pool.access_token(self._client_id, name)})
        except KeyError as error:
            known = ", ".join(PASSWORDS)
            return _json({"message": f"There is no user {error.args[0]}; the demo users are {known}."}, 404)
        except ValueError as error:
            return _json({"message": f"The event is not JSON: {error}."}, 400)
        except LocalError as error:
            return _json({"message": str(error)}, 404)
        return _json({"message": "there is no such path"}, 404)


class _RequestHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")
