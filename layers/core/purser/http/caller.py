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

    def may(self, scope: str) -> bool:
        """Return whether the caller may use a scope: people may use all, machine clients those they were granted."""
        return PERSON_SCOPE in self.scopes or scope in self.scopes


def caller_of(event: dict[str, Any]) -> Caller:
    """Return the caller of a proxy event.

    All claims are strings.

    Raises:
        Unauthorized: the event carries no claims.
    """
    claims = (event["requestContext"].get("authorizer") or {}).get("claims") or {}
    user_id = claims.get("sub") or claims.get("client_id")
    if not user_id:
        raise Unauthorized
    return Caller(
        user_id=user_id,
        username=claims.get("username", user_id),
        is_admin=ADMIN_GROUP in _groups(event, claims),
        scopes=frozenset(str(claims.get("scope", "")).split()),
        request_id=event["requestContext"]["requestId"],
    )


def _groups(event: dict[str, Any], claims: dict[str, Any]) -> list[str]:
    """Return the caller's groups, from the payload of the token that the authorizer has verified.

    The claim has all names in one string, in which a group ``x,admin`` looks like two, so it is only used as a filter.
    The groups come from the token itself, and each must also appear in the claim.
    """
    text = str(claims.get("cognito:groups", ""))
    if ADMIN_GROUP not in text:
        return []
    sent = [values for name, values in event["multiValueHeaders"].items() if name.lower() == "authorization"]
    if [len(values) for values in sent] != [1]:  # the authorizer may have verified another one
        return []
    try:
        payload = _bearer(sent[0][0]).split(".")[1]
        groups = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["cognito:groups"]
        return groups if isinstance(groups, list) and all(group in text for group in groups) else []
    except (Unauthorized, ValueError, LookupError, TypeError):
        return []


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
