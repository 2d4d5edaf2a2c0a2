"""The app factory: one Powertools resolver a function, dressed for its surface.

Powertools routes, validates and serializes. What is settled here, once for every surface: exact
numbers, how errors look, ``x-request-id``, CORS, logs that carry the request id and no secret.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
)

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

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class _JsonBodies(OpenAPIRequestValidationMiddleware):
    """Validates requests as Powertools does, but takes bodies in JSON only: it would read forms too."""

    def _get_body(self, app: Any) -> dict[str, Any]:
        event = app.current_event
        declared = (event.headers.get("content-type") or "application/json").split(";")[0].strip().lower()
        if event.body and declared != "application/json":
            raise MalformedRequest("content type must be application/json")
        try:
            body: dict[str, Any] = event.json_body if event.body else {}
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

    def __init__(self, errors: ErrorTable) -> None:
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
        self._request_validation_middleware = _JsonBodies()
        self._response_validation_middleware = _ExactResponses(has_response_validation_error=True)
        self._errors = errors
        self.exception_handler([PurserError, NotFoundError, ServiceError, RequestValidationError, Exception])(
            self._refuse
        )

    def _refuse(self, error: Exception) -> Response[Any]:
        answer = self._errors(_as_purser_error(error))
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
            return MalformedRequest(error.msg)
        case ResponseValidationError():
            places = [{"loc": e["loc"], "type": e["type"]} for e in error.errors()]
            logger.error("the answer breaks its own schema", extra={"errors": places})
        case _:
            logger.error("unexpected error", exc_info=error)
    return PurserError()


def create_app(errors: ErrorTable) -> App:
    """The resolver of a function whose errors look as ``errors`` says."""
    return App(errors)


def entry_point(app: App) -> Handler:
    """The Lambda handler of an app.

    Every answer carries ``x-request-id``: the gateway's request id, which is the correlation id in
    the logs.
    """

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(correlation_id=request_id, aws_request_id=context.aws_request_id)
        answer = app.resolve(event, context)
        answer.setdefault("multiValueHeaders", {})["x-request-id"] = [request_id]
        return answer

    return handler
