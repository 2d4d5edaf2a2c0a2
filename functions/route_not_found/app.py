"""RouteNotFound: answers unknown routes with a 404 in the style of each surface."""

from __future__ import annotations

from typing import Any

from purser.http.accounts import accounts_app
from purser.http.app import entry_point
from purser.http.customer import customer_app
from purser.http.desk import desk_app

customer = entry_point(customer_app())
surfaces = {"/api/v3": entry_point(desk_app()), "/accounts": entry_point(accounts_app())}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the 404 of the surface that the path belongs to, by default the customer API's."""
    path = event["path"]
    of_path = (answer for prefix, answer in surfaces.items() if path == prefix or path.startswith(f"{prefix}/"))
    return next(of_path, customer)(event, context)
