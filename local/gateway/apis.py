"""The template's REST APIs: their methods, who may call them, and the gateway's own answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.cloud.template import Properties, Template

DEFAULT_STATUS = {
    "ACCESS_DENIED": 403,
    "AUTHORIZER_FAILURE": 500,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "REQUEST_TOO_LARGE": 413,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
}
"""The statuses of the gateway responses that the template does not set."""

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


@dataclass(frozen=True)
class Answer:
    """An answer of the gateway itself."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Api:
    """One ``AWS::Serverless::Api``."""

    name: str
    stage: str
    properties: Properties = field(repr=False)

    def gateway_response(self, kind: str, request_id: str) -> Answer:
        """Return the gateway response of a type such as ``UNAUTHORIZED``, as the template words it."""
        given = self._responses.get(kind) or {}
        status = int(given.get("StatusCode") or DEFAULT_STATUS[kind])
        fallback = self._responses.get(f"DEFAULT_{status // 100}XX") or {}
        headers = (given or fallback).get("ResponseParameters", {}).get("Headers") or {}
        templates = (given or fallback).get("ResponseTemplates") or {"application/json": '{"message": null}'}
        ((content_type, body),) = templates.items()
        context = {"context.requestId": request_id}
        worded = {name: _parameter(value, context) for name, value in headers.items()}
        return Answer(status, {"Content-Type": content_type, **worded}, body.replace("$context.requestId", request_id))

    def preflight(self, methods: Mapping[str, Operation]) -> Answer:
        """Return the answer to OPTIONS on a path with these methods, as SAM generates it."""
        cors = self.properties.get("Cors") or {}
        allowed = ",".join(sorted({*methods, "OPTIONS"}))
        headers = {
            "Access-Control-Allow-Origin": cors.get("AllowOrigin"),
            "Access-Control-Allow-Methods": cors.get("AllowMethods") or f"'{allowed}'",
            "Access-Control-Allow-Headers": cors.get("AllowHeaders"),
            "Access-Control-Max-Age": cors.get("MaxAge"),
        }
        return Answer(200, {name: _parameter(value, {}) for name, value in headers.items() if value}, "")

    @property
    def has_preflight(self) -> bool:
        """Return whether SAM generates answers to OPTIONS."""
        return bool(self.properties.get("Cors"))

    @property
    def _responses(self) -> Properties:
        return self.properties.get("GatewayResponses") or {}


def _parameter(value: Any, context: Mapping[str, str]) -> str:
    text = str(value)
    return text[1:-1] if text.startswith("'") else context.get(text, "")


@dataclass(frozen=True)
class Operation:
    """A method of a path: its function, who may call it and how often. Without scopes it is open."""

    api: Api
    function: str
    scopes: frozenset[str] = frozenset()
    throttle: Throttle | None = None


class Throttle:
    """A token bucket, as in API Gateway: a number of calls a second, and a number at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Return whether one more call is within the limits. If it is, count it."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class Apis:
    """All methods of all APIs: ``{path: {method: operation}}``."""

    def __init__(self, template: Template) -> None:
        self.all = {
            name: Api(name, properties["StageName"], properties)
            for name, properties in template.resources("AWS::Serverless::Api").items()
        }
        self.paths: dict[str, dict[str, Operation]] = {}
        for function in template.functions().values():
            for _, event in function.events("Api"):
                self._add(function.name, event)

    def _add(self, function: str, event: Properties) -> None:
        api = self.all[event["RestApiId"]]
        methods = self.paths.setdefault(event["Path"], {})
        if event["Method"].upper() != "ANY":
            methods[event["Method"].upper()] = _operation(api, function, event, event["Method"].upper())
            return
        for method in METHODS:  # A method of its own takes precedence over ANY.
            methods.setdefault(method, _operation(api, function, event, method))

    @property
    def first(self) -> Api:
        """Return the API that answers unknown paths."""
        return next(iter(self.all.values()))


def _operation(api: Api, function: str, event: Properties, method: str) -> Operation:
    auth = api.properties.get("Auth") or {}
    own = event.get("Auth") or {}
    authorizer = own.get("Authorizer") or auth.get("DefaultAuthorizer") or "NONE"
    scopes: list[str] = []
    if authorizer != "NONE":
        scopes = own.get("AuthorizationScopes") or auth["Authorizers"][authorizer]["AuthorizationScopes"]
    limits = next(_limits(api, event["Path"], method), None)
    return Operation(api, function, frozenset(scopes), Throttle(*limits) if limits else None)


def _limits(api: Api, path: str, method: str) -> Iterator[tuple[float, int]]:
    """Return the limits of this method. Those of the whole stage are far above what one person does."""
    for setting in api.properties.get("MethodSettings") or []:
        named = re.sub("^/", "", setting["ResourcePath"]).replace("~1", "/")
        if (setting["HttpMethod"], named) == (method, path) and "ThrottlingRateLimit" in setting:
            yield float(setting["ThrottlingRateLimit"]), int(setting["ThrottlingBurstLimit"])
