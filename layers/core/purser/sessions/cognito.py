"""Cognito as the identity provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from purser.aws.cognito import asking_cognito, cognito
from purser.errors import FieldError, Forbidden, InvalidInput, Unauthorized
from purser.sessions.model import ADMIN_GROUP, Challenge, ChallengeName, Role, SignedInUser, Tokens

# Requests to Cognito are validated before, so these refusals mean that authentication failed.
REFUSED = frozenset(
    {
        "CodeMismatchException",
        "ExpiredCodeException",
        "InvalidParameterException",
        "NotAuthorizedException",
        "PasswordResetRequiredException",
        "RefreshTokenReuseException",
        "UserNotConfirmedException",
        "UserNotFoundException",
    }
)
BAD_PASSWORD = frozenset({"InvalidPasswordException", "PasswordHistoryPolicyViolationException"})

ANSWER_NAMES = {
    ChallengeName.SOFTWARE_TOKEN_MFA: "SOFTWARE_TOKEN_MFA_CODE",
    ChallengeName.NEW_PASSWORD_REQUIRED: "NEW_PASSWORD",
}


class CognitoIdentityProvider:
    """Signs users of a pool in and out, through an app client without a secret."""

    def __init__(self, pool_id: str, client_id: str) -> None:
        self._pool_id = pool_id
        self._client_id = client_id

    def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        return _outcome(self._initiate("USER_PASSWORD_AUTH", {"USERNAME": email, "PASSWORD": password}), email)

    def answer(self, challenge: Challenge, answer: str) -> Tokens | Challenge:
        username, session = _unwrapped(challenge.session)
        with _refusals("ResourceNotFoundException"):
            outcome = cognito().respond_to_auth_challenge(
                ClientId=self._client_id,
                ChallengeName=challenge.name.value,
                Session=session,
                ChallengeResponses={"USERNAME": username, ANSWER_NAMES[challenge.name]: answer},
            )
        return _outcome(outcome, username)

    def refresh(self, refresh_token: str) -> Tokens:
        """Refresh the tokens. Cognito returns a new refresh token only when it rotates them."""
        with _refusals("ResourceNotFoundException"):
            answer = cognito().get_tokens_from_refresh_token(ClientId=self._client_id, RefreshToken=refresh_token)
        return _tokens({"RefreshToken": refresh_token, **answer["AuthenticationResult"]})

    def _initiate(self, flow: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        with _refusals():
            outcome: dict[str, Any] = cognito().initiate_auth(
                ClientId=self._client_id, AuthFlow=flow, AuthParameters=dict(parameters)
            )
        return outcome

    def sign_out(self, access_token: str) -> None:
        with _refusals():
            cognito().global_sign_out(AccessToken=access_token)

    def user(self, username: str, role: Role) -> SignedInUser:
        with _refusals():
            user = cognito().admin_get_user(UserPoolId=self._pool_id, Username=username)
        if not user["Enabled"]:
            raise Unauthorized
        known = {attribute["Name"]: attribute["Value"] for attribute in user["UserAttributes"]}
        return SignedInUser(
            id=known["sub"],
            email=known.get("email", ""),
            role=role,
            created_at=round(user["UserCreateDate"].timestamp() * 1000),
            updated_at=round(user["UserLastModifiedDate"].timestamp() * 1000),
        )


class CognitoSecondFactors:
    """The second factors of the users of a pool."""

    def __init__(self, pool_id: str) -> None:
        self._pool_id = pool_id

    def has_second_factor(self, username: str) -> bool:
        with asking_cognito():
            user = cognito().admin_get_user(UserPoolId=self._pool_id, Username=username)
        return bool(user.get("UserMFASettingList"))


def _outcome(outcome: Mapping[str, Any], username: str) -> Tokens | Challenge:
    if result := outcome.get("AuthenticationResult"):
        return _tokens(result)
    name = outcome["ChallengeName"]
    if name not in ANSWER_NAMES:
        raise Forbidden(f"sign-in challenge {name} is not supported")
    # Cognito takes an answer only under the user's own name, not under the email.
    username = (outcome.get("ChallengeParameters") or {}).get("USER_ID_FOR_SRP", username)
    return Challenge(ChallengeName(name), _wrapped(username, outcome["Session"]))


def _tokens(result: Mapping[str, Any]) -> Tokens:
    claims = _claims(result["AccessToken"])
    return Tokens(
        access_token=result["AccessToken"],
        refresh_token=result["RefreshToken"],
        token_type=result["TokenType"],
        expires_in=result["ExpiresIn"],
        username=claims["username"],
        is_admin=ADMIN_GROUP in claims.get("cognito:groups", ()),
    )


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _wrapped(username: str, session: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([username, session]).encode()).decode()


def _unwrapped(session: str) -> tuple[str, str]:
    try:
        username, inner = json.loads(base64.urlsafe_b64decode(session.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        raise Unauthorized from None
    return str(username), str(inner)


@contextmanager
def _refusals(*more: str) -> Iterator[None]:
    """Turn Cognito's refusals into our errors. Its messages stop here, because some repeat what was sent."""
    with asking_cognito():
        try:
            yield
        except ParamValidationError:
            raise Unauthorized from None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in REFUSED or code in more:
                raise Unauthorized from None
            if code in BAD_PASSWORD:
                raise InvalidInput([FieldError(("answer",), "does not meet the password policy")]) from None
            raise
