"""The groups that the tokens of a user name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from purser.sessions.model import ADMIN_GROUP


class SecondFactors(Protocol):
    """The second factors of users. The method may raise ``TooManyRequests`` and ``Unavailable``."""

    def has_second_factor(self, username: str) -> bool:
        """Return whether a user needs a second factor to sign in."""


class TokenGroups:
    """The use case. With ``required``, admins are those with a second factor only."""

    def __init__(self, factors: SecondFactors, *, required: bool) -> None:
        self._factors = factors
        self._required = required

    def of(self, username: str, groups: Sequence[str]) -> list[str]:
        """Return the groups of a user that a token may name."""
        if not self._required or ADMIN_GROUP not in groups or self._factors.has_second_factor(username):
            return list(groups)
        return [group for group in groups if group != ADMIN_GROUP]
