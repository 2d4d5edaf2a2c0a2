"""The private names of Powertools that Purser builds on, all in one file.

``tests/unit/test_powertools.py`` fails when one of them, or Powertools' version, changes.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.api_gateway import _DEPENDS_CACHE_KEY, ApiGatewayResolver
from aws_lambda_powertools.event_handler.depends import build_dependency_tree, solve_dependencies
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import ResponseValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from purser.errors import MalformedRequest, PayloadTooLarge

LARGEST_BODY = 256_000
"""In bytes, as the event has them: a body in Base64 counts by its longer form."""

ROUTE = r"^{}/*\Z"
"""The pattern of a whole path. Powertools' own ends with ``$``, which takes ``/accounts/%0A`` for ``/accounts``."""

Guard = Callable[[APIGatewayProxyEvent], None]
"""Refuses a request by raising a ``PurserError``, before anything of it is read."""

_dependencies = cache(build_dependency_tree)


class GuardedRequestValidation(OpenAPIRequestValidationMiddleware):
    """Validates requests as Powertools does, with two differences.

    Guards and the route's dependencies (``purser.http.caller``) run first, so that a 401 or 403 reveals no rule of the
    body. Bodies are JSON only; Powertools would read forms too.
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
                # When Powertools calls the route, it finds the results here.
                dependency_cache=app.context.setdefault(_DEPENDS_CACHE_KEY, {}),
            )
        return super().handler(app, next_middleware)

    def _get_body(self, app: Any) -> dict[str, Any]:
        event = app.current_event
        if len((event.body or "").encode()) > LARGEST_BODY:
            raise PayloadTooLarge
        declared = (event.headers.get("content-type") or "application/json").split(";")[0].strip().lower()
        if event.body and declared != "application/json":
            raise MalformedRequest("content type must be application/json")
        if not event.body and _accepts_nothing(app.context["_route"]):
            raise MalformedRequest
        try:
            body: dict[str, Any] = event.json_body or {}
        except (UnicodeDecodeError, binascii.Error):
            raise MalformedRequest("malformed JSON") from None
        return body


def _accepts_nothing(route: Any) -> bool:
    """Return whether a route that requires a body would take a missing one for an object without fields."""
    bodies = [field for field in route.dependant.body_params if field.required]
    return bool(bodies) and not any(field.validate({}, loc=("body",))[1] for field in bodies)


class ExactResponseValidation(OpenAPIResponseValidationMiddleware):
    """Validates answers as Powertools does, but keeps decimals, which its JSON mode turns into strings."""

    def _serialize_response_with_validation(self, *, field: Any, response_content: Any, **_: Any) -> Any:
        value, errors = field.validate(value=response_content, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=None, source="app")
        return field.serialize(value, mode="python")


class GuardedResolver(APIGatewayRestResolver):
    """A resolver with the two validations above. Guards see every request first, and routes match whole paths."""

    def __init__(self, guards: Sequence[Guard], **options: Any) -> None:
        super().__init__(enable_validation=True, **options)
        self.guards = tuple(guards)
        self._request_validation_middleware = GuardedRequestValidation()  # type: ignore[no-untyped-call]
        self._response_validation_middleware = ExactResponseValidation(has_response_validation_error=True)

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = ROUTE) -> Any:
        return ApiGatewayResolver._compile_regex(rule, base_regex)  # noqa: SLF001 it is overridden

    @property
    def routes(self) -> list[Any]:
        """All routes, as Powertools knows them."""
        return [*self._static_routes, *self._dynamic_routes]
