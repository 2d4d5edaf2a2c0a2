"""The actor of a change: a user, a machine client, or Purser itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A user or machine client, by its id, and the request that it made."""

    user_id: str
    is_admin: bool = False
    request_id: str | None = None


SYSTEM = Actor("system")
"""Purser itself, for example when an exchange refuses a key."""
