"""Audit entries for tests, and the audit trail in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from purser.actor import SYSTEM, Actor
from purser.audit import store
from purser.audit.model import Action, AuditEntry, AuditFilter, audit_entry
from purser.audit.store import Recording
from purser.aws.tables import Item, Table


def entry(action: Action = Action.PLAN_GRANT, target: str = "user/any") -> AuditEntry:
    """Return a new entry for a store that asks for one."""
    return audit_entry(SYSTEM, action, target, 1)


def recording(tables: Mapping[str, str]) -> Recording:
    """Return the function that records acts in the Audit table of the environment."""
    return partial(store.recording, Table(tables["AUDIT_TABLE"]))


@dataclass
class FakeAudit:
    """The audit trail in memory: its store, and the port for reads of other users' data."""

    written: list[AuditEntry] = field(default_factory=list)

    def add(self, entry: AuditEntry) -> None:
        self.written.append(entry)

    def entries(self, filters: AuditFilter, before: str | None, page_size: int) -> Iterator[tuple[str, AuditEntry]]:
        for each in sorted(self.written, key=_position, reverse=True):
            listed = filters.user_id in each.user_ids if filters.user_id else filters.actor_id in (None, each.actor_id)
            in_span = (filters.since or 0) <= each.at <= (each.at if filters.until is None else filters.until)
            if listed and in_span and (before is None or _position(each) < before):
                yield _position(each), each

    def read(self, actor: Actor, action: Action, target: str, owner_id: str | None = None) -> None:
        if owner_id != actor.user_id:
            self.add(audit_entry(actor, action, target, 1, *([owner_id] if owner_id else [])))

    @property
    def acts(self) -> list[tuple[str, Action, str]]:
        """Actor, action and target of the entries, in the order in which they were written."""
        return [(each.actor_id, each.action, each.target) for each in self.written]


def _position(entry: AuditEntry) -> str:
    return f"{entry.at:013d}#{entry.id}"


def counted(items: Iterable[Item]) -> Counter[tuple[Action, str]]:
    """Count the entries in an audit table by action and target, and assert that each is in all of its lists."""
    lists: dict[str, set[str]] = {}
    acts: Counter[tuple[Action, str]] = Counter()
    expected: dict[str, set[str]] = {}
    for item in items:
        listed, _, _ = item["PK"].rpartition("#")
        lists.setdefault(item["entryId"], set()).add(listed)
        if listed == "ENTRIES":
            acts[Action(item["action"]), item["target"]] += 1
            users = {f"USER#{user_id}" for user_id in item.get("userIds", ())}
            expected[item["entryId"]] = {"ENTRIES", f"ACTOR#{item['actorId']}"} | users
    assert lists == expected
    return acts
