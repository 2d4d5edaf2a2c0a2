"""Sends sample requests: to a gateway over HTTP, or to the functions' handlers in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPConnection
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.events import LambdaContext, answered, claims, proxy_event
from tests.support.functions import load_function
from tests.support.samples import Request, Subject
from tests.support.template import resources


class HttpSender:
    """A client of a gateway with one connection. ``tokens`` are by ``who``."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        self.tokens = tokens

    def __call__(self, request: Request) -> tuple[int, Any]:
        """Send a request, and return the status and the body of its answer."""
        status, headers, content = self.raw(request)
        return status, parsed(headers, content)

    def raw(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Send a request, and return status, headers by lower-case name, and content."""
        token = request.token or self.tokens.get(request.who)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None
        if request.body is not None:
            content = json.dumps(request.body)
            headers["Content-Type"] = "application/json"
        self._connection.request(request.method, request.path, content, headers)
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class HttpSubject(Subject):
    """A user whose requests go over HTTP."""

    send: HttpSender


def parsed(headers: Mapping[str, str], content: bytes) -> Any:
    """Return the body of an answer: JSON as its value, anything else as text."""
    if not content:
        return None
    return json.loads(content) if headers["content-type"] == "application/json" else content.decode()


class HandlerSender:
    """A client of the handlers. The environment of the functions must be set before the first request."""

    _handlers: dict[str, ModuleType] = {}  # noqa: RUF012 - a process has each function once

    def __init__(self, user_id: str, admin_id: str) -> None:
        self._claims = {"user": claims(user_id), "admin": claims(admin_id, groups=["admin"])}

    def __call__(self, request: Request) -> tuple[int, Any]:
        """Send a request, and return the status and the body of its answer."""
        path, _, query = request.path.partition("?")
        event = proxy_event(
            request.method,
            path,
            request.body,
            query={name: values[-1] for name, values in parse_qs(query).items()},
            # The token of an admin has groups, which the event makes from the claims.
            headers={} if request.who == "admin" else {"Authorization": f"Bearer {request.token}"},
            caller=self._claims.get(request.who),
        )
        answer = answered(self._function(request.method, path).handler(event, LambdaContext()))
        return answer.status, answer.body

    def _function(self, method: str, path: str) -> ModuleType:
        name = folder_of(method, path)
        if name not in self._handlers:
            self._handlers[name] = load_function(name)
        return self._handlers[name]


def folder_of(method: str, path: str) -> str:
    """Return the folder of the function of a path. A literal segment takes precedence over a variable."""
    found: dict[str, str] = {}
    for function in resources("AWS::Serverless::Function").values():
        for event in function["Events"].values():
            if event["Type"] == "Api" and event["Properties"]["Method"].upper() == method:
                found[event["Properties"]["Path"]] = function["CodeUri"].rpartition("/")[2]
    fitting = [route for route in found if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)]
    return found[min(fitting, key=lambda route: route.count("{"))]
