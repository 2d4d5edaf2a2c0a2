"""Who calls: from the claims that the gateway's authorizer verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.request import Request

from purser.errors import Forbidden, Unauthorized

ADMIN_GROUP = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``user_id`` is the Cognito ``sub``; for a machine client, the client's id."""

    user_id: str
    username: str
    groups: frozenset[str]
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether the caller has the admin role."""
        return ADMIN_GROUP in self.groups


def caller_of(event: dict[str, Any]) -> Caller:
    """The caller of a proxy event.

    Claims arrive as strings; the groups joined by commas (some gateways add brackets).

    Raises:
        Unauthorized: the event carries no claims.
    """
    claims = (event["requestContext"].get("authorizer") or {}).get("claims") or {}
    user_id = claims.get("sub") or claims.get("client_id")
    if not user_id:
        raise Unauthorized
    groups = str(claims.get("cognito:groups", "")).strip("[]").replace(" ", ",")
    return Caller(
        user_id=user_id,
        username=claims.get("username", user_id),
        groups=frozenset(filter(None, groups.split(","))),
        scopes=frozenset(str(claims.get("scope", "")).split()),
    )


def _caller(request: Request) -> Caller:
    return caller_of(request.resolved_event.raw_event)


def _admin(request: Request) -> Caller:
    caller = _caller(request)
    if not caller.is_admin:
        raise Forbidden
    return caller


SignedIn = Annotated[Caller, Depends(_caller)]
"""A route parameter: who calls."""

Admin = Annotated[Caller, Depends(_admin)]
"""A route parameter: who calls, which must be an admin (else ``Forbidden``)."""
