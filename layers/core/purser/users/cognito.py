"""The user pool as the directory of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from purser.aws.cognito import asking_cognito, cognito
from purser.errors import FieldError, InvalidInput
from purser.users.model import User, UserPage

PAGE_LIMIT = 60
"""The most that ListUsers gives at once (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html)."""

STALE = frozenset({"InvalidParameterException", "InvalidToken"})


class CognitoDirectory:
    """The users of one pool."""

    def __init__(self, pool_id: str) -> None:
        self._pool_id = pool_id

    def page(self, limit: int, position: str | None) -> UserPage:
        users: list[User] = []
        while len(users) < limit:
            answer = self._next(min(PAGE_LIMIT, limit - len(users)), position)
            users += map(_user, answer["Users"])
            position = answer.get("PaginationToken")
            if position is None:
                break
        return UserPage(users, position)

    def find(self, user_id: str) -> User | None:
        """Find a user in one request. ListUsers sees a new user only after a moment."""
        quoted = user_id.replace("\\", "\\\\").replace('"', '\\"')
        found = self._list(Limit=1, Filter=f'sub = "{quoted}"')["Users"]
        return _user(found[0]) if found else None

    def is_enabled(self, username: str) -> bool:
        """Tell whether there is a user with a username, who is not disabled. It sees changes at once."""
        with asking_cognito():
            try:
                return bool(cognito().admin_get_user(UserPoolId=self._pool_id, Username=username)["Enabled"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "UserNotFoundException":
                    raise
                return False

    def _next(self, limit: int, position: str | None) -> dict[str, Any]:
        if position is None:
            return self._list(Limit=limit)
        try:
            return self._list(Limit=limit, PaginationToken=position)
        except ClientError as error:
            if error.response["Error"]["Code"] in STALE:
                # Cognito's own tokens last for an hour.
                raise InvalidInput([FieldError(("nextToken",), "must be a token of this list", "query")]) from None
            raise

    def _list(self, **request: Any) -> dict[str, Any]:
        with asking_cognito():
            answer: dict[str, Any] = cognito().list_users(UserPoolId=self._pool_id, **request)
        return answer


def _user(user: Mapping[str, Any]) -> User:
    known = {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
    return User(
        id=known["sub"],
        email=known.get("email", ""),
        status=user["UserStatus"],
        enabled=user["Enabled"],
        created_at=round(user["UserCreateDate"].timestamp() * 1000),
        updated_at=round(user["UserLastModifiedDate"].timestamp() * 1000),
    )
