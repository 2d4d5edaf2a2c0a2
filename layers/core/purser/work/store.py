"""Work items on DynamoDB, each on its owner's own item, in its owner's table.

An item's work attributes are ``dueAt``, ``leasedUntil``, ``attempts``, ``dead``, ``correlationId`` and ``version``. A
dead item expires (``expiresAt``), unless it is redriven before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypedDict

from purser.aws.tables import ConditionFailed, Item, Table
from purser.clock import now_ms
from purser.correlation import KEY, tagged
from purser.errors import StoredDataRefused
from purser.work.model import WorkItem
from purser.work.ports import T

DEAD_LIFETIME_S = 35 * 24 * 3600


class Work(TypedDict):
    """The fields of every work item."""

    due_at: int
    leased_until: int
    attempts: int
    version: int
    dead: bool
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attribute names of a kind where they differ. The stored due time is ``after_ms`` before the real one."""

    due: str = "dueAt"
    lease: str = "leasedUntil"
    after_ms: int = 0

    def read(self, item: Item) -> Work:
        """Return the work fields of an item, for its dataclass."""
        return {
            "due_at": int(item[self.due]) + self.after_ms,
            "leased_until": int(item.get(self.lease, 0)),
            "attempts": int(item.get("attempts", 0)),
            "version": int(item.get("version", 0)),
            "dead": item.get("dead", False),
            "correlation_id": item.get(KEY),
        }

    def write(self, work: WorkItem) -> Item:
        """Return the work fields as attributes of an item, without its version."""
        attributes: Item = {
            self.due: work.due_at - self.after_ms,
            self.lease: work.leased_until,
            "attempts": work.attempts,
            "dead": work.dead,
        }
        return tagged(attributes, work.correlation_id)


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """The place and format of one kind's items in their table.

    ``key`` gives the PK and SK of an item's key, ``shards`` are the partitions with the items of a work store. With
    ``expire``, an item that is not dead keeps the ``expiresAt`` that its owner gave it.
    """

    key: Callable[..., tuple[str, str]]
    read: Callable[[Item], T]
    shards: tuple[str, ...]
    names: Attributes = Attributes()
    expire: bool = False


class DynamoItemStore(Generic[T]):
    """The items of one kind on DynamoDB."""

    def __init__(self, table: Table, layout: Layout[T]) -> None:
        self._table = table
        self._layout = layout

    def get(self, *key: str) -> T | None:
        item = self._table.get(*self._layout.key(*key))
        return self._layout.read(item) if item else None

    def advance(self, after: T) -> bool:
        changes, remove = self._layout.names.write(after), list[str]()
        if after.dead:
            changes["expiresAt"] = now_ms() // 1000 + DEAD_LIFETIME_S
        elif not self._layout.expire:
            remove.append("expiresAt")
        pk, sk = self._layout.key(*after.key)
        return self._table.claim(pk, sk, changes, remove=remove, at_version=after.version - 1) is not None


class DynamoWorkStore(DynamoItemStore[T]):
    """The store of one kind of work on DynamoDB."""

    def due(self, now: int, *, queue_is_empty: bool = False) -> Iterator[T]:
        items = (
            item for pk in self._layout.shards for item in self._table.query("PK = :pk", {":pk": pk}, consistent=True)
        )
        due = (item for item in self._readable(items) if item.is_due(now, queue_is_empty=queue_is_empty))
        return iter(sorted(due, key=lambda item: item.due_at))

    def _readable(self, items: Iterable[Item]) -> Iterator[T]:
        for item in items:
            # An item that contradicts itself has raised the alarm. It must not delay the others.
            with suppress(StoredDataRefused):
                yield self._layout.read(item)

    def finish(self, item: T) -> bool:
        pk, sk = self._layout.key(*item.key)
        try:
            self._table.delete(pk, sk, condition="attribute_exists(PK)", at_version=item.version)
        except ConditionFailed:
            return False
        return True

    def expire(self, item: T) -> bool:
        """Delete the item, or leave one that has changed since it was read to the next sweep."""
        return self.finish(item)
