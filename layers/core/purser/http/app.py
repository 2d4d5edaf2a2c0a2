"""The app factory: one Powertools resolver a function, dressed for its surface.

Powertools routes, validates and serializes. What is settled here, once for every surface: exact
numbers, how errors look, ``x-request-id``, CORS, logs that carry the request id and no secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, get_type_hints

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.api_gateway import _DEPENDS_CACHE_KEY
from aws_lambda_powertools.event_handler.depends import build_dependency_tree, solve_dependencies
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from purser.errors import InvalidInput, MalformedRequest, PurserError, RouteNotFound, Unavailable
from purser.http import wire
from purser.http.faults import faults
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
"""How a surface words an error. It must know every one: unknown ones become its 500."""

Guard = Callable[[APIGatewayProxyEvent], None]
"""Refuses a request, by raising a ``PurserError``, before anything of it is read."""

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

_dependencies = cache(build_dependency_tree)


class _Admission(OpenAPIRequestValidationMiddleware):
    """Validates requests as Powertools does, with two differences.

    Who asks is settled before what is asked: guards and the route's dependencies (``purser.http.caller``) come
    first, so that 401 and 403 tell strangers nothing about the rules of a body. And bodies are JSON only:
    Powertools would read forms too.
    """

    def handler(self, app: Any, next_middleware: Any) -> Any:
        for guard in app.guards:
            guard(app.current_event)
        route = app.context["_route"]
        if route.has_dependencies:
            solve_dependencies(
                dependant=_dependencies(route.func),
                request=app.request,
                dependency_overrides=app.dependency_overrides or None,
                # The route's own turn finds them here.
                dependency_cache=app.context.setdefault(_DEPENDS_CACHE_KEY, {}),
            )
        return super().handler(app, next_middleware)

    def _get_body(self, app: Any) -> dict[str, Any]:
        event = app.current_event
        declared = (event.headers.get("content-type") or "application/json").split(";")[0].strip().lower()
        if event.body and declared != "application/json":
            raise MalformedRequest("content type must be application/json")
        try:
            body: dict[str, Any] = event.json_body or {}
        except (UnicodeDecodeError, binascii.Error):
            raise MalformedRequest("malformed JSON") from None
        return body


class _ExactResponses(OpenAPIResponseValidationMiddleware):
    """Validates answers as Powertools does, but leaves decimals decimal: its JSON mode makes them strings."""

    def _serialize_response_with_validation(self, *, field: Any, response_content: Any, **_: Any) -> Any:
        value, errors = field.validate(value=response_content, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=None, source="app")
        return field.serialize(value, mode="python")


class App(APIGatewayRestResolver):
    """A resolver of one surface. Use ``create_app``."""

    def __init__(self, errors: ErrorTable, guards: Sequence[Guard]) -> None:
        origins = settings().allowed_origins
        super().__init__(
            cors=CORSConfig(
                allow_origin=origins[0],
                extra_origins=list(origins[1:]),
                allow_headers=ALLOWED_HEADERS,
                expose_headers=EXPOSED_HEADERS,
                max_age=600,
            ),
            serializer=wire.dump,
            enable_validation=True,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
            json_body_deserializer=wire.load,
        )
        self._request_validation_middleware = _Admission()  # type: ignore[no-untyped-call]
        self._response_validation_middleware = _ExactResponses(has_response_validation_error=True)
        self.errors = errors
        self.guards = tuple(guards)
        self.exception_handler([PurserError, NotFoundError, ServiceError, RequestValidationError, Exception])(
            self._refuse
        )

    @property
    def routes(self) -> list[Any]:
        """All routes, as Powertools knows them."""
        return [*self._static_routes, *self._dynamic_routes]

    def route(self, *args: Any, **kwargs: Any) -> Any:
        """Registers a route, as Powertools does."""
        register = super().route(*args, **kwargs)

        def with_types(function: Any) -> Any:
            # Powertools asks for a route's types at every request, and annotations that are text are compiled anew.
            function.__annotations__ = get_type_hints(function, include_extras=True)
            return register(function)

        return with_types

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
            return InvalidInput(faults(error.errors()))
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
    """The resolver of a function whose errors look as ``errors`` says; ``guards`` see every request first."""
    return App(errors, guards)


def raw_body(event: APIGatewayProxyEvent) -> bytes:
    """The body of a request byte for byte, for those that are signed.

    Raises:
        MalformedRequest: it was not carried whole.
    """
    try:
        body = event.body or ""
        return base64.b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except (UnicodeEncodeError, binascii.Error):
        raise MalformedRequest("malformed body") from None


def entry_point(app: App) -> Handler:
    """The Lambda handler of an app.

    Every answer carries ``x-request-id``: the gateway's request id, which is the correlation id in
    the logs.
    """

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(correlation_id=request_id, aws_request_id=context.aws_request_id)
        answer = app.resolve(event, context)
        headers = answer.setdefault("multiValueHeaders", {})
        headers["x-request-id"] = [request_id]
        # Whom CORS lets read the answer depends on who asks: no cache may give it to another.
        headers["Vary"] = ["Origin"]
        if event["httpMethod"] == "HEAD":
            answer["body"] = ""
        return answer

    return handler
