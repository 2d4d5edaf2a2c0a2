"""The caller of a request, from the claims that the gateway's authorizer verified."""

# No postponed annotations here: Powertools resolves them on every request, and text would be compiled each time.

import base64
import json
from dataclasses import dataclass
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.request import Request

from purser.actor import Actor
from purser.errors import Forbidden, Unauthorized

ADMIN_GROUP = "admin"
PERSON_SCOPE = "aws.cognito.signin.user.admin"
"""The scope that Cognito gives to every person who signs in, and to no machine client."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request. ``user_id`` is the Cognito ``sub`` of a user, or the id of a machine client."""

    user_id: str
    username: str
    is_admin: bool
    scopes: frozenset[str]
    request_id: str = ""

    @property
    def actor(self) -> Actor:
        """The caller as services know it."""
        return Actor(self.user_id, self.is_admin, self.request_id)

    def quota(self, most: int) -> int | None:
        """Return how many of something the caller may have, or None for an admin, who has no quota."""
        return None if self.is_admin else most

    def may(self, scope: str) -> bool:
        """Return whether the caller may use a scope: people may use all, machine clients those they were granted."""
        return PERSON_SCOPE in self.scopes or scope in self.scopes


def caller_of(event: dict[str, Any]) -> Caller:
    """Return the caller of a proxy event.

    All claims are strings.

    Raises:
        Unauthorized: the event carries no claims.
    """
    claims, user_id = _claims(event), caller_id_of(event)
    if user_id is None:
        raise Unauthorized
    return Caller(
        user_id=user_id,
        username=claims.get("username", user_id),
        is_admin=ADMIN_GROUP in _groups(event, claims),
        scopes=frozenset(str(claims.get("scope", "")).split()),
        request_id=event["requestContext"]["requestId"],
    )


def caller_id_of(event: dict[str, Any]) -> str | None:
    """Return the ``sub`` of the user or the id of the machine client who sent a proxy event, or None on open routes."""
    claims = _claims(event)
    return claims.get("sub") or claims.get("client_id") or None


def _claims(event: dict[str, Any]) -> dict[str, Any]:
    return (event["requestContext"].get("authorizer") or {}).get("claims") or {}


def _groups(event: dict[str, Any], claims: dict[str, Any]) -> list[str]:
    """Return the caller's groups, from the payload of the token that the authorizer has verified.

    API Gateway joins the names with commas, and a group ``x,admin`` then looks like two. So the names come from the
    token, which must be the one that the claims were read from: by its user, its id and its groups.
    """
    joined = claims.get("cognito:groups")
    sent = [values for name, values in event["multiValueHeaders"].items() if name.lower() == "authorization"]
    if not joined or [len(values) for values in sent] != [1]:  # of several tokens, any may be the verified one
        return []
    payload = _payload(sent[0][0])
    groups = payload.get("cognito:groups")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return []
    is_verified = all(claims.get(name) and payload.get(name) == claims[name] for name in ("sub", "jti"))
    return groups if is_verified and ",".join(groups) == joined else []


def _payload(header: str) -> dict[str, Any]:
    """Return the claims of an ``Authorization`` header's token, unverified, or none if it is no JSON web token."""
    try:
        _, payload, _ = _bearer(header).split(".")
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (Unauthorized, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _caller(request: Request) -> Caller:
    return caller_of(request.resolved_event.raw_event)


def _admin(request: Request) -> Caller:
    caller = _caller(request)
    if not caller.is_admin:
        raise Forbidden
    return caller


def scoped(scope: str) -> Depends:
    """Return a dependency that gives the caller, and raises ``Forbidden`` for a machine client without the scope."""

    def caller_in_scope(request: Request) -> Caller:
        caller = _caller(request)
        if not caller.may(scope):
            raise Forbidden
        return caller

    return Depends(caller_in_scope)


def _access_token(request: Request) -> str:
    return _bearer(request.headers.get("authorization", ""))


def _bearer(header: str) -> str:
    scheme, _, token = header.strip().rpartition(" ")
    if not token or scheme.strip().lower() not in ("", "bearer"):
        raise Unauthorized
    return token


SignedIn = Annotated[Caller, Depends(_caller)]
"""A route parameter: the caller."""

Admin = Annotated[Caller, Depends(_admin)]
"""A route parameter: the caller, who must be an administrator (else ``Forbidden``)."""

AccessToken = Annotated[str, Depends(_access_token)]
"""A route parameter: the caller's access token, sent with or without ``Bearer``."""
