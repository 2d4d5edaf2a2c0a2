"""The user pool on this machine: moto's, with users that survive a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.cognitoidp.models import CognitoIdpUser, CognitoIdpUserPool, UserStatus

from local.cloud.account import ACCOUNT, REGION
from local.cloud.passwords import PasswordHash

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
DEFAULT_VALIDITY = 3600
GROUPS = "cognito:groups"
FLAGS = ("enabled", "sms_mfa_enabled", "software_token_mfa_enabled", "token_verified", "preferred_mfa_setting")


class UserPool(CognitoIdpUserPool):
    """A pool with a given id, whose tokens live as long as the client's settings say.

    ``groups_in_token`` decides which of a user's groups a token names. It takes the username and all groups.
    """

    def __init__(self, pool_id: str, name: str, config: dict[str, Any]) -> None:
        super().__init__(ACCOUNT, REGION, name, config)
        self.id = pool_id
        self.groups_in_token: Callable[[str, list[str]], list[str]] = lambda username, groups: groups
        self.arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}"

    @property
    def issuer(self) -> str:
        """The issuer of the pool's tokens."""
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}"

    def create_jwt(
        self,
        client_id: str,
        username: str,
        token_use: str,
        expires_in: int = DEFAULT_VALIDITY,
        extra_data: dict[str, Any] | None = None,
    ) -> tuple[str, int]:
        """Return a token as moto makes it, but with the client's own validity, and the groups that it may name."""
        claims = dict(extra_data or {})
        if groups := claims.pop(GROUPS, None):
            allowed = self.groups_in_token(self._get_user(username).username, groups)
            claims |= {GROUPS: allowed} if allowed else {}
        return super().create_jwt(client_id, username, token_use, self.validity(client_id, token_use), claims)

    def validity(self, client_id: str, token_use: str) -> int:
        """Return how long a client's tokens live, in seconds."""
        config = self.clients[client_id].extended_config
        kind = f"{token_use.title()}Token"
        value = config.get(f"{kind}Validity")
        unit = (config.get("TokenValidityUnits") or {}).get(kind, "hours")
        return int(value) * SECONDS[unit] if value else DEFAULT_VALIDITY

    def access_token(self, client_id: str, username: str) -> str:
        """Return an access token as a sign-in would return it.

        Raises:
            KeyError: there is no such user.
        """
        if username not in self:
            raise KeyError(username)
        _, origin = self.create_refresh_token(client_id, username)
        return self.create_access_token(client_id, username, origin)[0]

    def __contains__(self, username: str) -> bool:
        found: CognitoIdpUser | None = self._get_user(username)
        return found is not None

    def sub(self, username: str) -> str:
        """Return the ``sub`` of a user."""
        return str(self._get_user(username).id)

    def ensure_user(self, email: str, password: str, group: str) -> None:
        """Create a confirmed user, in the group if it exists. Do nothing if the address is taken."""
        if email in self:
            return
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        user = CognitoIdpUser(self.id, None, password, UserStatus.CONFIRMED, attributes)
        self._add(user, {group} & self.groups.keys())

    def saved_users(self) -> list[dict[str, Any]]:
        """Return all users in a form that can be stored. No password stays readable, here or in moto."""
        return [_saved(user) for user in list(self.users.values())]

    def restore_users(self, saved: list[dict[str, Any]]) -> None:
        """Put back what ``saved_users`` returned. Groups that the template no longer has are left out."""
        for each in saved:
            self._add(_restored(self.id, each), set(each["groups"]) & self.groups.keys())

    def _add(self, user: CognitoIdpUser, groups: set[str]) -> None:
        self.users[user.username] = user
        for name in groups:
            self.groups[name].users.add(user)
            user.groups.add(self.groups[name])


def _saved(user: CognitoIdpUser) -> dict[str, Any]:
    password: Any = user.password
    if isinstance(password, str):
        password = PasswordHash.of(password)
        user.password = password
    return {
        "id": user.id,
        "username": user.username,
        "password": password.saved() if password else None,
        "status": UserStatus(user.status).value,
        "attributes": user.attributes,
        "groups": sorted(group.group_name for group in user.groups),
        "created": user.create_date.isoformat(),
        **{name: getattr(user, name) for name in FLAGS},
    }


def _restored(pool_id: str, saved: dict[str, Any]) -> CognitoIdpUser:
    password: Any = PasswordHash.restored(saved["password"]) if saved["password"] else None
    user = CognitoIdpUser(pool_id, saved["username"], password, UserStatus(saved["status"]), saved["attributes"])
    user.id = saved["id"]
    user.update_attributes([{"Name": "sub", "Value": user.id}])
    user.create_date = datetime.fromisoformat(saved["created"])
    for name in FLAGS:
        setattr(user, name, saved[name])
    return user
