"""The use cases of profiles: read and change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from purser.profiles.model import Change, Profile


class ProfileStore(Protocol):
    """The store of profiles. Every method may raise ``purser.errors.Unavailable``."""

    def get(self, user_id: str) -> Profile | None:
        """Return the user's profile, or None."""

    def merge(self, user_id: str, change: Change, now: int) -> Profile:
        """Change the given fields in one write, creating the profile if needed, and return the whole profile."""


class Profiles:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(self, store: ProfileStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def of(self, user_id: str) -> Profile | None:
        """Return the user's profile, or None before the first change."""
        return self._store.get(user_id)

    def change(self, user_id: str, change: Change) -> Profile:
        """Change only the given fields, and return the whole profile."""
        return self._store.merge(user_id, change, self._now())
