"""The features of Cognito that moto lacks: protected attributes, rotating refresh tokens, names in any case."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from moto.backends import get_backend

from local.doubles.kit.loopback import WsgiApp

SERVICE = "AWSCognitoIdentityProviderService"


class Refused(Exception):
    """Cognito refuses. The text is the name of its error."""


class SignedInUsers:
    """Answers the calls of users with their tokens, at an account of moto, where moto differs from Cognito.

    - UpdateUserAttributes changes only the ``WriteAttributes`` of the token's client.
    - GetTokensFromRefreshToken, which moto lacks, gives another refresh token if the client rotates them. The one
      before lasts for the client's ``RetryGracePeriodSeconds``. InitiateAuth does not refresh for such a client, and
      nothing does for a disabled user.
    - The case of user names does not matter, unless the pool says that it does.

    Sources:
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html,
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-case-sensitivity.html
    """

    def __init__(self, app: WsgiApp, account: str) -> None:
        self._app = app
        self._account = account
        self._ending: dict[str, float] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service != SERVICE:
            return self._app(environ, start_response)
        given = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        self._spell_names(given)
        text = json.dumps(given).encode()
        environ |= {"wsgi.input": BytesIO(text), "CONTENT_LENGTH": str(len(text))}
        try:
            answer = self._answer(action, given)
        except Refused as refused:
            return _json(start_response, "400 Bad Request", {"__type": str(refused), "message": "refused"})
        return self._app(environ, start_response) if answer is None else _json(start_response, "200 OK", answer)

    def _answer(self, action: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Return an answer instead of moto's, or None to ask moto."""
        match action:
            case "UpdateUserAttributes":
                self._check_writable(given)
            case "InitiateAuth" if given.get("AuthFlow") == "REFRESH_TOKEN_AUTH":
                _, client = self._client(given["ClientId"])
                if _rotation(client):
                    raise Refused("NotAuthorizedException")
            case "GetTokensFromRefreshToken":
                return {"AuthenticationResult": self._refreshed(given["ClientId"], given["RefreshToken"])}
        return None

    def _spell_names(self, given: dict[str, Any]) -> None:
        """Spell the user names of a call as their users do."""
        for pool in self._pools():
            if (pool.extended_config.get("UsernameConfiguration") or {}).get("CaseSensitive") is not False:
                continue
            if given.get("UserPoolId") != pool.id and given.get("ClientId") not in pool.clients:
                continue
            groups = given, given.get("AuthParameters") or {}, given.get("ChallengeResponses") or {}
            for group in groups:
                for field in ("Username", "USERNAME"):
                    if found := _found(pool, group.get(field) or ""):
                        group[field] = found[1]

    def _pools(self) -> list[Any]:
        regions = get_backend("cognito-idp")[self._account].values()
        return [pool for region in regions for pool in region.user_pools.values()]

    def _client(self, client_id: str) -> tuple[Any, Any]:
        for pool in self._pools():
            if client_id in pool.clients:
                return pool, pool.clients[client_id]
        raise Refused("ResourceNotFoundException")

    def _check_writable(self, given: dict[str, Any]) -> None:
        for pool in self._pools():
            if given["AccessToken"] in pool.access_tokens:
                client_id, _ = pool.access_tokens[given["AccessToken"]]
                writable = pool.clients[client_id].extended_config.get("WriteAttributes")
                if writable and any(each["Name"] not in writable for each in given["UserAttributes"]):
                    raise Refused("NotAuthorizedException")

    def _refreshed(self, client_id: str, refresh_token: str) -> dict[str, Any]:
        pool, client = self._client(client_id)
        owner = pool.refresh_tokens.get(refresh_token)
        user = _found(pool, owner[1]) if owner else None
        if owner is None or owner[0] != client_id or user is None or not user[0].enabled:
            raise Refused("NotAuthorizedException")
        now = time.monotonic()
        if refresh_token in self._ending and self._ending[refresh_token] <= now:
            raise Refused("RefreshTokenReuseException")
        access_token, id_token, expires_in = pool.create_tokens_from_refresh_token(refresh_token)
        tokens = {"AccessToken": access_token, "IdToken": id_token, "ExpiresIn": expires_in, "TokenType": "Bearer"}
        if rotation := _rotation(client):
            self._ending.setdefault(refresh_token, now + rotation.get("RetryGracePeriodSeconds", 0))
            tokens["RefreshToken"], _ = pool.create_refresh_token(client_id, owner[1])
        return tokens


def _found(pool: Any, name: str) -> tuple[Any, str] | None:
    """Return the user with a name, or an alias, in any case, and how the user spells it."""
    for user in pool.users.values():
        aliases = (each["Value"] for each in user.attributes if each["Name"] in ("email", "phone_number"))
        for known in (user.username, *aliases):
            if str(known).casefold() == name.casefold():
                return user, str(known)
    return None


def _rotation(client: Any) -> dict[str, Any] | None:
    rotation: dict[str, Any] = client.extended_config.get("RefreshTokenRotation") or {}
    return rotation if rotation.get("Feature") == "ENABLED" else None


def _json(start_response: Any, status: str, body: dict[str, Any]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(body).encode()]
