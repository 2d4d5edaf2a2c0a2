"""The resolver of every function.

Powertools routes, validates and serializes. This module adds what all surfaces share: exact numbers, errors in the
surface's words, ``x-request-id``, CORS, and logs with the ids of request and caller and without secrets.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, get_type_hints

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError, ResponseValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from purser import errors as e
from purser.correlation import correlated
from purser.http import wire
from purser.http._powertools import Guard, GuardedResolver
from purser.http.caller import caller_id_of
from purser.http.field_errors import field_errors
from purser.settings import settings

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "recaptcha-token-v3", "X-Moov-Version"]
EXPOSED_HEADERS = ["x-request-id", "Retry-After"]
SECURITY_HEADERS = {
    "Strict-Transport-Security": ["max-age=31536000"],
    "X-Content-Type-Options": ["nosniff"],
}
"""Headers of every answer. The gateway's own answers have them from the template."""

logger = Logger()

LOGGED = ("correlation_id", "caller_id")
"""Keys of every log line of a request, whichever logger writes it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body (None for no body) and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


ErrorTable = Callable[[e.PurserError], Answer]
"""Returns the answer of a surface to an error. An error that it does not know becomes its 500."""

Errors = tuple[type[e.PurserError], ...]

F = TypeVar("F", bound=Callable[..., Any])

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def _method(name: str) -> Callable[..., Callable[[F], F]]:
    def register(self: App, rule: str, **options: Any) -> Callable[[F], F]:
        return self.route(rule, name, **options)

    return register


class App(GuardedResolver):
    """The resolver of one function. ``errors`` maps errors to answers; ``guards`` see every request first.

    A route's ``refuses`` names the errors that neither its signature nor its surface implies, for the API document.
    """

    def __init__(self, errors: ErrorTable, guards: Sequence[Guard] = ()) -> None:
        origins = settings().allowed_origins
        super().__init__(
            guards,
            cors=CORSConfig(
                allow_origin=origins[0],
                extra_origins=list(origins[1:]),
                allow_headers=ALLOWED_HEADERS,
                expose_headers=EXPOSED_HEADERS,
                max_age=600,
            ),
            serializer=wire.dump,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
            json_body_deserializer=wire.load,
        )
        self.errors = errors
        self.refusals: dict[Callable[..., Any], Errors] = {}
        self.exception_handler([e.PurserError, NotFoundError, ServiceError, RequestValidationError, Exception])(
            self._refuse
        )

    def route(self, rule: str, method: Any, *args: Any, refuses: Errors = (), **options: Any) -> Callable[[F], F]:
        """Register a route as Powertools does, and record the errors that it declares."""
        register = super().route(rule, method, *args, **options)

        def with_types(function: F) -> F:
            # Powertools resolves a route's types on every request, and text would be compiled each time.
            function.__annotations__ = get_type_hints(function, include_extras=True)
            self.refusals[function] = refuses
            return register(function)

        return with_types

    # The five methods of Powertools, which take what ``route`` takes.
    get = _method("GET")
    post = _method("POST")
    put = _method("PUT")
    patch = _method("PATCH")
    delete = _method("DELETE")

    def _refuse(self, error: Exception) -> Response[Any]:
        answer = self.errors(_as_purser_error(error))
        return Response(
            status_code=answer.status,
            content_type="application/json" if answer.body is not None else None,
            body=answer.body if answer.body is not None else "",
            headers=dict(answer.headers),
        )


def _as_purser_error(error: Exception) -> e.PurserError:
    match error:
        case e.Unavailable():
            logger.warning("unavailable", exc_info=error)
            return error
        case e.PurserError():
            return error
        case RequestValidationError():
            return e.InvalidInput(field_errors(error.errors()))
        case NotFoundError():
            return e.RouteNotFound()
        case ServiceError():
            return e.MalformedRequest(str(error.msg))
        case ResponseValidationError():
            places = [{"loc": place["loc"], "type": place["type"]} for place in error.errors()]
            logger.error("the answer breaks its own schema", extra={"errors": places})
        case _:
            logger.error("unexpected error", exc_info=error)
    return e.PurserError()


def retry_after(error: e.PurserError) -> dict[str, str]:
    """Return the header ``Retry-After`` for a limit that ends at a known time, and no header for any other error."""
    if not isinstance(error, e.ExchangeRateLimited | e.TooManyRequests) or error.retry_after is None:
        return {}
    return {"Retry-After": str(max(1, round(error.retry_after)))}


def raw_body(event: APIGatewayProxyEvent) -> bytes:
    """Return the body of a request byte for byte, as a signature needs it.

    Raises:
        MalformedRequest: the body is not valid base64 or UTF-8.
    """
    try:
        body = event.body or ""
        return base64.b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except (UnicodeEncodeError, binascii.Error):
        raise e.MalformedRequest("malformed body") from None


def entry_point(app: App) -> Handler:
    """Return the Lambda handler of an app.

    Every answer carries ``x-request-id``, the gateway's request id, which is also the correlation id in the logs. Every
    log line also has the caller's id.
    """
    for runtime_handler in logging.getLogger().handlers:
        runtime_handler.addFilter(_add_request_keys)

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(
            correlation_id=request_id, caller_id=caller_id_of(event), aws_request_id=context.aws_request_id
        )
        with correlated(request_id):
            answer = app.resolve(event, context)
        headers = answer.setdefault("multiValueHeaders", {})
        headers["x-request-id"] = [request_id]
        # CORS headers depend on the origin, so no cache may give this answer to another origin.
        headers["Vary"] = ["Origin"]
        headers.setdefault("Cache-Control", ["no-store"])
        headers |= SECURITY_HEADERS
        if event["httpMethod"] == "HEAD":
            answer["body"] = ""
        return answer

    return handler


def _add_request_keys(record: logging.LogRecord) -> bool:
    """Add to a record of any logger the keys that Powertools' logger has."""
    keys = logger.get_current_keys()
    for name in LOGGED:
        if keys.get(name):
            record.__dict__.setdefault(name, keys[name])
    return True
