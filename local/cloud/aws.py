"""AWS services other than DynamoDB: moto, in this process, on loopback, with identities that survive a restart."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.cloud import moto_caches
from local.cloud.account import ACCOUNT, REGION
from local.cloud.sign_in import SignedInUsers
from local.doubles.kit.loopback import WsgiApp, local_only

READ_ONLY = ("Describe", "Get", "List", "InitiateAuth", "AdminInitiateAuth", "AdminGet", "AdminList")


class Signal:
    """Wakes threads that wait for something to happen, also if it happened before they began to wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def give(self) -> None:
        """Signal that it has happened."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Wait until the count differs from the one that was seen, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.count != seen, seconds)


POLL_SECONDS = 0.1  # how long a server takes to notice that it is to stop


def backend(service: str) -> Any:
    """Return moto's state of a service."""
    return get_backend(service)[ACCOUNT][REGION]  # type: ignore[call-overload]


def has_messages(queue_url: str) -> bool:
    """Return whether a queue has messages to receive. Asking moto directly costs far less than a call over HTTP."""
    return bool(backend("sqs").queues[queue_url.rpartition("/")[2]].messages)


class Aws:
    """moto's server. ``on_users_changed`` is called after each call that may have changed a user, before its answer."""

    def __init__(self) -> None:
        self.on_users_changed: Callable[[], None] = lambda: None
        # Refuse a wrong one-time password.
        os.environ["MOTO_COGNITO_IDP_USER_POOL_ENABLE_TOTP"] = "true"
        moto_caches.install()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        moto: Any = DomainDispatcherApplication(create_backend_app)
        self.sent = Signal()
        refused = '{"__type": "AccessDeniedException", "message": "loopback callers only"}'
        app = local_only(_Saving(SignedInUsers(_Serialized(moto, self.sent), ACCOUNT), self), refused)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Start to serve, in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="aws", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()


class _Saving:
    """Saves users before a change of them is answered, so that no answered change is lost."""

    def __init__(self, app: WsgiApp, aws: Aws) -> None:
        self._app = app
        self._aws = aws

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._app(environ, start_response)
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service == "AWSCognitoIdentityProviderService" and not action.startswith(READ_ONLY):
            self._aws.on_users_changed()
        return answer


class _Serialized:
    """Serializes calls that use queues, because moto loses messages otherwise, and signals each sent message.

    Publishing an event also sends messages to queues.
    """

    def __init__(self, app: WsgiApp, sent: Signal) -> None:
        self._app = app
        self._sent = sent
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service not in ("AmazonSQS", "AWSEvents") or (action == "ReceiveMessage" and _waits(environ)):
            return self._app(environ, start_response)
        with self._lock:
            answer = self._app(environ, start_response)
        if action.startswith(("SendMessage", "PutEvents")):
            self._sent.give()
        return answer


def _waits(environ: dict[str, Any]) -> bool:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return bool(json.loads(body or b"{}").get("WaitTimeSeconds"))
