"""The REST APIs on one port: SAM CLI's routes, events and answers, with additions and corrections."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from io import BytesIO
from typing import Any, BinaryIO

from flask import Request, Response, g, jsonify, request
from samcli.lib.providers.provider import Api as Routes
from samcli.local.apigw.exceptions import LambdaResponseParseException
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.path_converter import PathConverter
from samcli.local.apigw.route import Route
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

from local.cloud.tokens import PATH as TOKEN_PATH
from local.cloud.tokens import TokenRefused, client_credentials
from local.cloud.users import UserPool
from local.doubles.kit import html
from local.doubles.kit.loopback import WsgiApp, local_only
from local.errors import LocalError
from local.functions.pool import Functions
from local.gateway.apis import Answer, Api, Apis
from local.gateway.authorizer import Authorizer, Refused

POLL_SECONDS = 0.1  # how long it takes to notice that it is to stop
MAX_BODY_BYTES = 10 * 2**20
MAX_EVENT_BYTES = 6 * 2**20
"""Lambda takes no larger event (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

INTEGRATION_SECONDS = 29
MAX_DRAINED_BYTES, CHUNK_BYTES = 100 * 2**20, 2**16
MAX_CALLS = 128
RAW_HEADERS, TOO_LARGE = "purser.headers", "purser.too_large"


class Gateway(LocalApigwService):
    """SAM CLI's gateway with Cognito authorizers, gateway responses and throttling, and AWS's own events.

    ``pages`` has the local system's own pages by path. They take precedence over routes.
    """

    def __init__(
        self,
        routes: Routes,
        apis: Apis,
        functions: Functions,
        pool: UserPool,
        port: int,
        pages: Mapping[str, Callable[[], str]],
    ) -> None:
        super().__init__(routes, _NoDocker(), port=port, host="127.0.0.1")
        self._apis = apis
        self._functions = functions
        self._pool = pool
        self._pages = pages
        self._authorizer = Authorizer(pool)
        self._calls = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="call")
        self.create()
        self._server = make_server("127.0.0.1", port, self._app, threaded=True, request_handler=_RequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Start to serve, in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="gateway", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._calls.shutdown(wait=False, cancel_futures=True)

    def create(self) -> None:
        """Create the Flask application."""
        super().create()
        # As in API Gateway, the path alone selects the resource, and a method that it lacks falls back on no other.
        self._app.url_map = Map(
            [Rule(path, endpoint=path) for path in map(PathConverter.convert_path_to_flask, self._apis.paths)],
            converters=self._app.url_map.converters,
            strict_slashes=False,
            merge_slashes=False,
        )
        self._app.before_request(self._admit)
        # Any origin may call, as the APIs' CORS says. A name that was rebound to this machine may not.
        refused = '{"message": "loopback callers only"}'
        self._app.wsgi_app = local_only(_buffered(self._app.wsgi_app), refused, any_origin=True)

    def _construct_error_handling(self) -> None:
        self._app.register_error_handler(500, lambda _: self._says("INTEGRATION_FAILURE"))

    def _admit(self) -> Response | None:
        """Do everything that comes before the function. Return an answer if the request is refused."""
        g.request_id = str(uuid.uuid4())
        g.claims = None
        g.api = self._apis.first
        if request.path == TOKEN_PATH and request.method == "POST":
            return self._token()
        if request.path in self._pages and request.method in ("GET", "HEAD"):
            return Response(self._pages[request.path](), 200, {**html.HEADERS, "x-request-id": g.request_id})
        if not request.endpoint:
            return self._says("MISSING_AUTHENTICATION_TOKEN")
        methods = self._apis.paths[PathConverter.convert_path_to_api_gateway(request.endpoint)]
        g.api = next(iter(methods.values())).api
        if request.method == "OPTIONS" and g.api.has_preflight:
            # In AWS this is the only answer without a request id, because a mock integration cannot add one.
            return _response(g.api.preflight(methods), {"x-request-id": g.request_id})
        operation = methods.get(request.method)
        if operation is None:
            return self._says("MISSING_AUTHENTICATION_TOKEN")
        g.function = operation.function
        if operation.throttle and not operation.throttle.admits():
            return self._says("THROTTLED")
        if request.environ[TOO_LARGE]:
            return self._says("REQUEST_TOO_LARGE")
        if operation.scopes:
            try:
                g.claims = self._authorizer.claims(request.headers.get("Authorization", ""), operation.scopes)
            except Refused:
                return self._says("UNAUTHORIZED")
        return None

    def _request_handler(self, **_: Any) -> Response:
        route = self._get_current_route(request)
        event = self._generate_lambda_event(request, route, request.method, request.endpoint or "")
        # In JSON, a character of the body takes at most twelve bytes: two escaped surrogates.
        if len(event["body"] or "") > MAX_EVENT_BYTES // 12 and len(json.dumps(event)) > MAX_EVENT_BYTES:
            return self._says("REQUEST_TOO_LARGE")
        try:
            result = self._calls.submit(self._functions.invoke, g.function, event).result(INTEGRATION_SECONDS)
        except TooLate:
            return self._says("INTEGRATION_TIMEOUT")
        except LocalError:
            return self._says("INTEGRATION_FAILURE")
        if result.error:
            return self._says("INTEGRATION_FAILURE")
        try:
            status, headers, body = self._parse_v1_payload_format_lambda_output(
                result.output, self.api.binary_media_types, request, Route.API
            )
        except LambdaResponseParseException:
            return self._says("INTEGRATION_FAILURE")
        answer: Response = self.service_response(body, headers, status)
        return answer

    def _generate_lambda_event(
        self, flask_request: Request, route: Route, method: str, endpoint: str
    ) -> dict[str, Any]:
        event: dict[str, Any] = super()._generate_lambda_event(flask_request, route, method, endpoint)
        api: Api = g.api
        now = time.time()
        context = event["requestContext"]
        context |= {
            "requestId": g.request_id,
            "extendedRequestId": g.request_id,
            "apiId": api.name.lower(),
            "stage": api.stage,
            "path": f"/{api.stage}{flask_request.path}",
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
        }
        context["identity"]["userAgent"] = flask_request.headers.get("User-Agent")
        if g.claims:
            context["authorizer"] = {"claims": g.claims}
        event["multiValueHeaders"] = values = _headers(flask_request)
        event["headers"] = {name: each[-1] for name, each in values.items()}
        return event

    def _token(self) -> Response:
        try:
            granted = client_credentials(self._pool, request.headers.get("Authorization", ""), request.form)
        except TokenRefused as refused:
            answer = jsonify(error=str(refused))
            answer.status_code = 400
        else:
            answer = jsonify(granted)
        answer.headers |= {"Cache-Control": "no-store", "x-request-id": g.request_id}
        return answer

    def _says(self, kind: str) -> Response:
        return _response(g.api.gateway_response(kind, g.request_id))


class _NoDocker:
    """Satisfies LocalApigwService, which wants a runner. Functions are invoked without it."""

    def is_debugging(self) -> bool:
        return False


class _RequestHandler(WSGIRequestHandler):
    """Keeps headers as they were sent, and repeated ones apart, which WSGI joins."""

    protocol_version = "HTTP/1.1"

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), RAW_HEADERS: self.headers.items()}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing, because a path may be confidential."""


def _headers(flask_request: Request) -> dict[str, list[str]]:
    """Return the headers by their names as sent, each with all its values."""
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in flask_request.environ[RAW_HEADERS]:
        values.setdefault(names.setdefault(name.lower(), name), []).append(value)
    forwarded = names.get("x-forwarded-for", "X-Forwarded-For")
    values[forwarded] = [", ".join([*values.get(forwarded, []), flask_request.remote_addr or ""])]
    values[names.get("x-forwarded-proto", "X-Forwarded-Proto")] = [flask_request.scheme]
    values[names.get("x-forwarded-port", "X-Forwarded-Port")] = [flask_request.environ["SERVER_PORT"]]
    return values


def _response(answer: Answer, also: dict[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, {**answer.headers, **(also or {})})


def _buffered(app: WsgiApp) -> WsgiApp:
    """Read the body first, up to the limit. As in a REST API, invalid UTF-8 in it is replaced."""

    def buffering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b""
        try:
            body = get_input_stream(environ, max_content_length=MAX_BODY_BYTES).read()
            environ[TOO_LARGE] = False
        except (RequestEntityTooLarge, ClientDisconnected):
            environ[TOO_LARGE] = True
            _drain(environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0))
        body = body.decode(errors="replace").encode()
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": True}
        return app(environ, start_response)

    return buffering


def _drain(stream: BinaryIO, length: int) -> None:
    """Read and discard a limited amount, so that the sender gets to read the answer."""
    left = min(length, MAX_DRAINED_BYTES)
    while left > 0 and stream.read(min(left, CHUNK_BYTES)):
        left -= CHUNK_BYTES
