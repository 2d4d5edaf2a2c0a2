"""The caller of a request, from the claims that the gateway's authorizer verified."""

# No postponed annotations here: Powertools resolves them on every request, and text would be compiled each time.

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

    Claims are strings. Groups are separated by commas; some gateways add brackets.

    Raises:
        Unauthorized: the event carries no claims.
    """
    claims = (event["requestContext"].get("authorizer") or {}).get("claims") or {}
    user_id = claims.get("sub") or claims.get("client_id")
    if not user_id:
        raise Unauthorized
    groups = str(claims.get("cognito:groups", "")).strip("[]").replace(" ", ",").split(",")
    return Caller(
        user_id=user_id,
        username=claims.get("username", user_id),
        is_admin=ADMIN_GROUP in groups,
        scopes=frozenset(str(claims.get("scope", "")).split()),
        request_id=event["requestContext"]["requestId"],
    )


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
    scheme, _, token = request.headers.get("authorization", "").strip().rpartition(" ")
    if not token or scheme.strip().lower() not in ("", "bearer"):
        raise Unauthorized
    return token


SignedIn = Annotated[Caller, Depends(_caller)]
"""A route parameter: the caller."""

Admin = Annotated[Caller, Depends(_admin)]
"""A route parameter: the caller, who must be an administrator (else ``Forbidden``)."""

AccessToken = Annotated[str, Depends(_access_token)]
"""A route parameter: the caller's access token, sent with or without ``Bearer``."""
