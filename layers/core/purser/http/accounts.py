"""The errors of the accounts API (``/accounts``): contract.md, "Errors of the accounts API"."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from purser import errors as e
from purser.http.app import Answer, App

STATUSES: dict[type[e.PurserError], int] = {
    e.Unauthorized: 401,
    e.Forbidden: 403,
    e.NotFound: 404,
    e.RouteNotFound: 404,
    e.PayloadTooLarge: 413,
    e.TooManyRequests: 429,
    e.Unavailable: 504,
    e.Contended: 504,
}
WITH_TEXT: dict[type[e.PurserError], int] = {
    e.MalformedRequest: 400,
    e.IdempotencyKeyReused: 409,
    e.RequestInFlight: 409,
    e.AccountDisconnected: 409,
    e.AccountInUse: 409,
    e.ForeignIdTaken: 409,
    e.TooManyAccounts: 409,
}
VERSION = re.compile(r"v\d{4}\.(01|04|07|10)\.\d{2}|dev", re.ASCII)
"""``X-Moov-Version``: year, first month of the quarter, build (reference 002, "Headers")."""


def answer(error: e.PurserError) -> Answer:
    """Return the answer to an error. Only 400, 409 and 422 have a body."""
    kind = type(error)
    if isinstance(error, e.InvalidInput):
        return Answer(422, _tree(error))
    if kind in WITH_TEXT:
        return Answer(WITH_TEXT[kind], {"error": str(error)})
    return Answer(STATUSES.get(kind, 500))


def _tree(error: e.InvalidInput) -> dict[str, object]:
    """Return a body shaped like the request, with a message at each faulty leaf."""
    tree: dict[str, object] = {}
    for field_error in error.field_errors:
        node = tree
        *branches, leaf = [str(part) for part in field_error.path] or ["error"]
        for branch in branches:
            child = node.setdefault(branch, {})
            node = child if isinstance(child, dict) else {}
        node[leaf] = field_error.message
    return tree


def _check_version(app: App, route: Callable[[App], Any]) -> Any:
    version = app.current_event.headers.get("x-moov-version")
    if version is not None and not VERSION.fullmatch(version):
        raise e.MalformedRequest("X-Moov-Version must be vYYYY.QQ.BB or dev")
    return route(app)


def accounts_app() -> App:
    """Return the resolver for a function of the accounts API."""
    app = App(answer)
    app.use(middlewares=[_check_version])
    return app
