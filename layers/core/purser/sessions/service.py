"""The use cases of sessions: sign in, answer challenges, refresh, sign out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.sessions.model import Challenge, ChallengeName, Role, Session, SignedInUser, Tokens


class IdentityProvider(Protocol):
    """Authenticates users. Every method may raise ``TooManyRequests`` and ``Unavailable``."""

    def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        """Return tokens, or the challenge to answer first.

        Raises:
            Unauthorized: unknown user or wrong password, which are not distinguished.
            Forbidden: Purser does not support the challenge.
        """

    def answer(self, challenge: Challenge, answer: str) -> Tokens | Challenge:
        """Return tokens, or the next challenge.

        Raises:
            Unauthorized: the answer is wrong, or the challenge has expired.
            InvalidInput: the new password breaks the password policy.
            Forbidden: as for ``sign_in``.
        """

    def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens, with another refresh token. The one before can be sent again for some seconds.

        Raises:
            Unauthorized: the refresh token is unknown, used before, expired or signed out.
        """

    def sign_out(self, access_token: str) -> None:
        """End every session of the token's user.

        Raises:
            Unauthorized: the token is signed out already.
        """

    def user(self, username: str, role: Role) -> SignedInUser:
        """Return a user, with the given role.

        Raises:
            Unauthorized: there is no such user any more, or the user is disabled.
        """


class Sessions:
    """The use cases, with the errors of the identity provider. ``now`` gives Unix milliseconds."""

    def __init__(self, provider: IdentityProvider, now: Callable[[], int]) -> None:
        self._provider = provider
        self._now = now

    def sign_in(self, email: str, password: str) -> Session | Challenge:
        """Return a session, or the challenge to answer first."""
        return self._opened(self._provider.sign_in(email, password))

    def answer(self, name: ChallengeName, session: str, answer: str) -> Session | Challenge:
        """Return a session, or the next challenge."""
        return self._opened(self._provider.answer(Challenge(name, session), answer))

    def refresh(self, refresh_token: str) -> Session:
        """Return the session with new tokens."""
        return self._session(self._provider.refresh(refresh_token))

    def sign_out(self, access_token: str) -> None:
        """End every session of the caller. Access tokens stay valid for their remaining minutes."""
        self._provider.sign_out(access_token)

    def user(self, username: str, *, is_admin: bool) -> SignedInUser:
        """Return the signed-in user."""
        return self._provider.user(username, Role.ADMIN if is_admin else Role.USER)

    def _opened(self, outcome: Tokens | Challenge) -> Session | Challenge:
        return outcome if isinstance(outcome, Challenge) else self._session(outcome)

    def _session(self, tokens: Tokens) -> Session:
        expires_at = self._now() + tokens.expires_in * 1000
        return Session(tokens, expires_at, self.user(tokens.username, is_admin=tokens.is_admin))
