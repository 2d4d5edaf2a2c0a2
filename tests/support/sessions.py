"""An identity provider in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from purser.errors import Unauthorized
from purser.sessions.model import Challenge, Role, SignedInUser, Tokens

EMAIL, PASSWORD, CODE = "me@example.com", "right", "123456"


@dataclass
class FakeIdentityProvider:
    """One user, ``me``, who may have to answer a challenge by ``CODE``. ``live`` are the sessions, by refresh token."""

    challenge: Challenge | None = None
    is_admin: bool = False
    live: dict[str, Tokens] = field(default_factory=dict)
    begun: int = 0
    is_disabled: bool = False

    def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        if (email, password) != (EMAIL, PASSWORD):
            raise Unauthorized
        return self.challenge or self._begin()

    def answer(self, challenge: Challenge, answer: str) -> Tokens | Challenge:
        if (challenge, answer) != (self.challenge, CODE):
            raise Unauthorized
        return self._begin()

    def _begin(self) -> Tokens:
        self.begun += 1
        tokens = Tokens(f"access-{self.begun}", f"refresh-{self.begun}", "Bearer", 900, "me", self.is_admin)
        self.live[tokens.refresh_token] = tokens
        return tokens

    def refresh(self, refresh_token: str) -> Tokens:
        if refresh_token not in self.live:
            raise Unauthorized
        return self._begin()

    def sign_out(self, access_token: str) -> None:
        if access_token not in {tokens.access_token for tokens in self.live.values()}:
            raise Unauthorized
        self.live.clear()

    def user(self, username: str, role: Role) -> SignedInUser:
        if username != "me" or self.is_disabled:
            raise Unauthorized
        return SignedInUser("sub", EMAIL, role, 1, 2)
