"""The audit trail on DynamoDB.

PK                  SK            what
ENTRIES#<n>         <ms>#<id>     an entry, in the list of all
ACTOR#<actor>#<n>   <ms>#<id>     the same entry, in the list of its actor
USER#<user>#<n>     <ms>#<id>     the same entry, in the list of each user whom it concerns

``n`` spreads every list over ``SHARDS`` partitions, because a partition takes 1,000 write units a second. An entry is
written with all its items at once, and never changes. It expires after seven years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from purser.audit.model import Action, AuditEntry, AuditFilter
from purser.aws.integrity import stored_data_refused
from purser.aws.shards import newest_between, shard_of
from purser.aws.tables import Item, Part, Table, Transaction

# Entries are found by this number, which therefore never changes.
SHARDS = 8
KEPT_S = 7 * 366 * 86_400
LAST_INSTANT = 9_999_999_999_999

Recording = Callable[[AuditEntry], Sequence[Part]]
"""Returns the parts of a transaction that record an act."""


def recording(table: Table, entry: AuditEntry) -> list[Part]:
    """Return the parts of a transaction that store an entry: an item for each of its lists."""
    lists = ["ENTRIES", f"ACTOR#{entry.actor_id}", *(f"USER#{user_id}" for user_id in sorted(entry.user_ids))]
    attributes = _attributes(entry)
    shard = shard_of(entry.id, SHARDS)
    return [
        table.putting({"PK": f"{each}#{shard}", "SK": f"{entry.at:013d}#{entry.id}", **attributes}) for each in lists
    ]


class DynamoAuditStore:
    """The audit trail on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, entry: AuditEntry) -> None:
        with Transaction() as write:
            write.add(*recording(self._table, entry))

    def entries(self, filters: AuditFilter, before: str | None, page_size: int) -> Iterator[tuple[str, AuditEntry]]:
        first = f"{min(filters.since or 0, LAST_INSTANT):013d}"
        until = LAST_INSTANT if filters.until is None else min(filters.until, LAST_INSTANT)
        partitions = [f"{_listed(filters)}#{n}" for n in range(SHARDS)]
        # "$" sorts after the "#" of every key of that instant.
        for item in newest_between(self._table, partitions, first, f"{until:013d}$", before, page_size):
            yield item["SK"], _entry_of(item)


def _listed(filters: AuditFilter) -> str:
    if filters.user_id is not None:
        return f"USER#{filters.user_id}"
    return "ENTRIES" if filters.actor_id is None else f"ACTOR#{filters.actor_id}"


def _attributes(entry: AuditEntry) -> Item:
    return {
        "entryId": entry.id,
        "at": entry.at,
        "actorId": entry.actor_id,
        "action": entry.action.value,
        "target": entry.target,
        "requestId": entry.request_id,
        "userIds": set(entry.user_ids) or None,
        "expiresAt": entry.at // 1000 + KEPT_S,
    }


def _entry_of(item: Item) -> AuditEntry:
    entry = AuditEntry(
        id=item["entryId"],
        at=int(item["at"]),
        actor_id=item["actorId"],
        action=Action(item["action"]),
        target=item["target"],
        request_id=item.get("requestId"),
        user_ids=frozenset(item.get("userIds", ())),
    )
    kind, _, listed = item["PK"].rpartition("#")[0].partition("#")
    if (kind == "ACTOR" and listed != entry.actor_id) or (kind == "USER" and listed not in entry.user_ids):
        raise stored_data_refused("an audit entry is listed under another actor or user")
    return entry
