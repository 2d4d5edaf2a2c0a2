"""The app factory: one Powertools resolver for each function, set up for its surface.

Powertools routes, validates and serializes. This module adds what all surfaces share: exact numbers, errors in the
surface's words, ``x-request-id``, CORS, and logs with the request id and without secrets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, get_type_hints

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from purser.errors import InvalidInput, MalformedRequest, PurserError, RouteNotFound, Unavailable
from purser.http import wire
from purser.http._powertools import Guard, GuardedResolver
from purser.http.field_errors import field_errors
from purser.settings import settings

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "recaptcha-token-v3", "X-Moov-Version"]
EXPOSED_HEADERS = ["x-request-id", "Retry-After"]

logger = Logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body (None: no body), with headers where the status has some."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


ErrorTable = Callable[[PurserError], Answer]
"""Returns the answer of a surface to an error. An error that it does not know becomes its 500."""

Errors = tuple[type[PurserError], ...]

F = TypeVar("F", bound=Callable[..., Any])

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class App(GuardedResolver):
    """A resolver of one surface. Use ``create_app``.

    A route declares its own errors with ``refuses``, which the API's description reads: those that neither its
    signature nor its surface implies.
    """

    def __init__(self, errors: ErrorTable, guards: Sequence[Guard]) -> None:
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
        self.exception_handler([PurserError, NotFoundError, ServiceError, RequestValidationError, Exception])(
            self._refuse
        )

    def route(self, rule: str, method: Any, *args: Any, refuses: Errors = (), **options: Any) -> Callable[[F], F]:
        """Register a route, as Powertools does, and the errors that it declares."""
        register = super().route(rule, method, *args, **options)

        def with_types(function: F) -> F:
            # Powertools resolves a route's types on every request, and text would be compiled each time.
            function.__annotations__ = get_type_hints(function, include_extras=True)
            self.refusals[function] = refuses
            return register(function)

        return with_types

    def get(self, rule: str, *, refuses: Errors = (), **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        """Register a route of the method GET."""
        return self.route(rule, "GET", refuses=refuses, **options)

    def post(self, rule: str, *, refuses: Errors = (), **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        """Register a route of the method POST."""
        return self.route(rule, "POST", refuses=refuses, **options)

    def put(self, rule: str, *, refuses: Errors = (), **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        """Register a route of the method PUT."""
        return self.route(rule, "PUT", refuses=refuses, **options)

    def patch(self, rule: str, *, refuses: Errors = (), **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        """Register a route of the method PATCH."""
        return self.route(rule, "PATCH", refuses=refuses, **options)

    def delete(self, rule: str, *, refuses: Errors = (), **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        """Register a route of the method DELETE."""
        return self.route(rule, "DELETE", refuses=refuses, **options)

    def _refuse(self, error: Exception) -> Response[Any]:
        answer = self.errors(_as_purser_error(error))
        return Response(
            status_code=answer.status,
            content_type="application/json" if answer.body is not None else None,
            body=answer.body if answer.body is not None else "",
            headers=dict(answer.headers),
        )


def _as_purser_error(error: Exception) -> PurserError:
    match error:
        case Unavailable():
            logger.warning("unavailable", exc_info=error)
            return error
        case PurserError():
            return error
        case RequestValidationError():
            return InvalidInput(field_errors(error.errors()))
        case NotFoundError():
            return RouteNotFound()
        case ServiceError():
            return MalformedRequest(str(error.msg))
        case ResponseValidationError():
            places = [{"loc": e["loc"], "type": e["type"]} for e in error.errors()]
            logger.error("the answer breaks its own schema", extra={"errors": places})
        case _:
            logger.error("unexpected error", exc_info=error)
    return PurserError()


def create_app(errors: ErrorTable, guards: Sequence[Guard] = ()) -> App:
    """Return a resolver that answers errors with ``errors``; ``guards`` see every request first."""
    return App(errors, guards)


def raw_body(event: APIGatewayProxyEvent) -> bytes:
    """Return the body of a request byte for byte, as a signature needs it.

    Raises:
        MalformedRequest: it was not carried whole.
    """
    try:
        body = event.body or ""
        return base64.b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except (UnicodeEncodeError, binascii.Error):
        raise MalformedRequest("malformed body") from None


def entry_point(app: App) -> Handler:
    """Return the Lambda handler of an app.

    Every answer carries ``x-request-id``: the gateway's request id, which is the correlation id in
    the logs.
    """

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(correlation_id=request_id, aws_request_id=context.aws_request_id)
        answer = app.resolve(event, context)
        headers = answer.setdefault("multiValueHeaders", {})
        headers["x-request-id"] = [request_id]
        # CORS headers depend on the origin: no cache may give this answer to another origin.
        headers["Vary"] = ["Origin"]
        if event["httpMethod"] == "HEAD":
            answer["body"] = ""
        return answer

    return handler
