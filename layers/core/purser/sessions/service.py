"""Signing in, answering challenges, staying signed in, signing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.sessions.model import Challenge, ChallengeName, Profile, Role, Session, SignedInUser, Tokens


class IdentityProvider(Protocol):
    """Who proves who somebody is. Every method may raise ``TooManyRequests`` and ``Unavailable``."""

    def sign_in(self, email: str, password: str) -> Tokens | Challenge:
        """Tokens, or what else is to be proved.

        Raises:
            Unauthorized: no such user, or another password: which of the two is not told.
            Forbidden: a challenge that Purser can't put to the user.
        """

    def answer(self, challenge: Challenge, answer: str) -> Tokens | Challenge:
        """Tokens, or the next challenge.

        Raises:
            Unauthorized: a wrong answer, or a challenge that is over.
            InvalidInput: a new password that breaks the password policy.
            Forbidden: as for ``sign_in``.
        """

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens.

        Raises:
            Unauthorized: the refresh token is unknown, expired or signed out.
        """

    def sign_out(self, access_token: str) -> None:
        """Ends every session of the token's user.

        Raises:
            Unauthorized: the token is signed out already.
        """

    def profile(self, username: str) -> Profile:
        """What is known of a user.

        Raises:
            Unauthorized: there is no such user any more.
        """


class Sessions:
    """The use cases; what they raise is the provider's. ``now`` gives Unix milliseconds."""

    def __init__(self, provider: IdentityProvider, now: Callable[[], int]) -> None:
        self._provider = provider
        self._now = now

    def sign_in(self, email: str, password: str) -> Session | Challenge:
        """A session, or what else is to be proved first."""
        return self._opened(self._provider.sign_in(email, password))

    def answer(self, name: ChallengeName, session: str, answer: str) -> Session | Challenge:
        """A session, or the next challenge."""
        return self._opened(self._provider.answer(Challenge(name, session), answer))

    def refresh(self, refresh_token: str) -> Session:
        """The session with a new access token."""
        return self._session(self._provider.refresh(refresh_token))

    def sign_out(self, access_token: str) -> None:
        """Ends every session of the caller: refreshing fails, access tokens live out their minutes."""
        self._provider.sign_out(access_token)

    def user(self, username: str, *, is_admin: bool) -> SignedInUser:
        """Who is signed in."""
        profile = self._provider.profile(username)
        role = Role.ADMIN if is_admin else Role.USER
        return SignedInUser(profile.id, profile.email, role, profile.created_at, profile.updated_at)

    def _opened(self, outcome: Tokens | Challenge) -> Session | Challenge:
        return outcome if isinstance(outcome, Challenge) else self._session(outcome)

    def _session(self, tokens: Tokens) -> Session:
        expires_at = self._now() + tokens.expires_in * 1000
        return Session(tokens, expires_at, self.user(tokens.username, is_admin=tokens.is_admin))
