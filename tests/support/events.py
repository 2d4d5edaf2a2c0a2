"""Proxy events of a REST API, as API Gateway passes them to a function."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

USER_ID = "5b8d6a0e-7a4c-4f5e-9b1d-0c2f4a6e8d10"
TOKEN_ID = "8f14e45f-ceea-467f-9575-6f3a3d3f0c11"
SECURITY_HEADERS = {"strict-transport-security": "max-age=31536000", "x-content-type-options": "nosniff"}
OTHER_ID = "c1f7b9a3-2d4e-4c6a-8f0b-1e3d5a7c9b21"


@dataclass(frozen=True)
class LambdaContext:
    """The context that Lambda passes to a function."""

    function_name: str = "test"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:test"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    remaining_ms: int = 10_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def claims(user_id: str = USER_ID, *, groups: Iterable[str] = (), **more: str) -> dict[str, str]:
    """Return the claims of an access token as the Cognito authorizer of a REST API passes them: all as strings."""
    fields = {
        "sub": user_id,
        "jti": TOKEN_ID,
        "username": user_id,
        "client_id": "web",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
    }
    joined = ",".join(groups)
    return fields | ({"cognito:groups": joined} if joined else {}) | more


def token_of(groups: Any, user_id: str = USER_ID, *, token_id: str = TOKEN_ID) -> str:
    """Return a user's access token. Functions get it from an authorizer that has verified its signature."""
    content = {"sub": user_id, "jti": token_id, "cognito:groups": groups}
    payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


def proxy_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    query: Mapping[str, str | list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    caller: Mapping[str, str] | None = None,
    request_id: str | None = None,
    binary: bool = False,
) -> dict[str, Any]:
    """Return the event of a request.

    A ``body`` of text or bytes is sent as it is, any other as JSON. ``caller`` has the claims, None on public routes.
    A caller with groups sends a token with them.
    Of repeated query values the single-value form has the last, as in real events.
    """
    sent = {"Accept": "*/*", "Host": "api.example.com"} | dict(headers or {})
    if caller and caller.get("cognito:groups") and not any(name.lower() == "authorization" for name in sent):
        sent["Authorization"] = f"Bearer {token_of(caller['cognito:groups'].split(','), caller['sub'])}"
    text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    if text is not None and not any(name.lower() == "content-type" for name in sent):
        sent["Content-Type"] = "application/json"
    if text is not None and (binary or isinstance(text, bytes)):
        text, binary = base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode(), True
    repeated = {name: value if isinstance(value, list) else [value] for name, value in (query or {}).items()}
    request_id = request_id or str(uuid.uuid4())
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in repeated.items()} or None,
        "multiValueQueryStringParameters": repeated or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "httpMethod": method,
            "path": f"/test{path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "extendedRequestId": "extended",
            "resourcePath": path,
            "stage": "test",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "tests"},
            **({"authorizer": {"claims": dict(caller)}} if caller is not None else {}),
        },
        "body": text,
        "isBase64Encoded": bool(text is not None and binary),
    }


@dataclass(frozen=True)
class Answered:
    """A function's answer to a request."""

    status: int
    body: Any
    headers: dict[str, str]
    text: str


def answered(answer: Mapping[str, Any]) -> Answered:
    """Return the answer of a function as a client reads it, and assert what is true of every answer of Purser.

    An answer has ``x-request-id``, the security headers, no header twice, and a JSON body or none.
    """
    single = dict(answer.get("headers") or {})
    multiple = dict(answer.get("multiValueHeaders") or {})
    names = [name.lower() for name in (*single, *multiple)]
    assert len(names) == len(set(names)), f"a header is repeated: {sorted(names)}"
    assert all(len(values) == 1 for values in multiple.values()), f"a header is repeated: {multiple}"
    headers = {name.lower(): value for name, value in single.items()}
    headers |= {name.lower(): values[0] for name, values in multiple.items()}
    assert headers.get("x-request-id"), "no x-request-id"
    assert headers.items() >= SECURITY_HEADERS.items(), "a security header is missing"
    assert headers.get("cache-control"), "no cache-control"
    assert not answer.get("isBase64Encoded")
    text = answer.get("body") or ""
    body = json.loads(text) if text and headers.get("content-type") == "application/json" else text or None
    return Answered(answer["statusCode"], body, headers, text)


def call(
    handler: Callable[[dict[str, Any], Any], Mapping[str, Any]],
    method: str,
    path: str,
    body: Any = None,
    **request: Any,
) -> Answered:
    """Send one request to the handler of a function, and return its answer. ``proxy_event`` has the options."""
    event = proxy_event(method, path, body, **request)
    answer = answered(handler(event, LambdaContext()))
    assert answer.headers["x-request-id"] == event["requestContext"]["requestId"]
    assert event["requestContext"].get("authorizer") is None or answer.headers["cache-control"] == "no-store"
    return answer
