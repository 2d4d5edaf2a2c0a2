"""The use cases of the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from purser.actor import Actor
from purser.audit.model import Action, AuditEntry, AuditFilter, audit_entry
from purser.pages import Page, cut


class AuditStore(Protocol):
    """The store of audit entries. Every method may raise ``purser.errors.Unavailable``."""

    def add(self, entry: AuditEntry) -> None:
        """Store an entry that belongs to no change."""

    def entries(self, filters: AuditFilter, before: str | None, page_size: int) -> Iterator[tuple[str, AuditEntry]]:
        """Yield entries of a span of time, newest first, with their positions.

        They are of the filter's user, else of its actor, else of all. They need not match the rest of the filter.
        """


class Audit:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(self, store: AuditStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def read(self, actor: Actor, action: Action, target: str, owner_id: str | None = None) -> None:
        """Record that an administrator reads a user's data, or with no owner that of many users.

        A user who reads their own data leaves no entry.
        """
        if owner_id != actor.user_id:
            concerned = () if owner_id is None else (owner_id,)
            self._store.add(audit_entry(actor, action, target, self._now(), *concerned))

    def page(self, filters: AuditFilter, limit: int, before: str | None = None) -> Page[AuditEntry]:
        """Return entries, newest first."""
        return cut(self._store.entries(filters, before, limit + 1), filters.admits, limit)
