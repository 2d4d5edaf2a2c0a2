"""What can be done with a profile: read it and change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.profiles.model import Change, Profile


class ProfileStore(Protocol):
    """Where profiles are kept. Every method may raise ``purser.errors.Unavailable``."""

    def get(self, user_id: str) -> Profile | None:
        """The user's profile, or None."""

    def merge(self, user_id: str, change: Change, now: int) -> Profile:
        """Changes the given fields in one write, and answers the whole profile; what is not there is made."""


class Profiles:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(self, store: ProfileStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def of(self, user_id: str) -> Profile | None:
        """The user's profile, or None before the first change."""
        return self._store.get(user_id)

    def change(self, user_id: str, change: Change) -> Profile:
        """Changes the given fields and no other, and answers the whole profile.

        Raises:
            Unavailable: the store is down.
        """
        return self._store.merge(user_id, change, self._now())
