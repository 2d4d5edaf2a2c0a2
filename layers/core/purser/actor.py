"""Who acts: the user, machine client or part of Purser that makes a change or asks for one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and by which request. ``user_id`` is a user's id, or a machine client's."""

    user_id: str
    is_admin: bool = False
    request_id: str | None = None


SYSTEM = Actor("system")
"""Purser itself, as when an exchange refuses a key."""
