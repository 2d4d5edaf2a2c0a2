"""The work store in memory. ``tests/contracts/test_work_store.py`` holds it to the store on DynamoDB."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from purser.work.model import WorkItem

T = TypeVar("T", bound=WorkItem)
Interrupt = Callable[[str], None]


class Interruptible:
    """A store that calls ``interrupt`` before and after each method, with its name."""

    def __init__(self) -> None:
        self.interrupt: Interrupt = lambda _: None
        self.lock = threading.RLock()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.interrupt(f"before {name}")
        with self.lock:
            yield
        self.interrupt(f"after {name}")


class FakeWorkStore(Interruptible, Generic[T]):
    """The store of one kind of work, atomic under a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, T] = {}

    def put(self, item: T) -> None:
        self.records["/".join(item.key)] = item

    def get(self, *key: str) -> T | None:
        with self.step("get"):
            return self.records.get("/".join(key))

    def due(self, now: int, *, queue_is_empty: bool = False) -> Iterator[T]:
        due = [item for item in self.records.values() if item.is_due(now, queue_is_empty=queue_is_empty)]
        return iter(sorted(due, key=lambda item: item.due_at))

    def advance(self, after: T) -> bool:
        with self.step("advance"):
            known = self.records.get("/".join(after.key))
            if known is None or known.version != after.version - 1:
                return False
            self.put(after)
            return True

    def finish(self, item: T) -> bool:
        with self.step("finish"):
            known = self.records.get("/".join(item.key))
            if known is None or known.version != item.version:
                return False
            del self.records["/".join(item.key)]
            return True

    def expire(self, item: T) -> bool:
        return self.finish(item)


class FakeWorkTelemetry:
    """Records the outcomes of attempts, as ``(outcome, key)``."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def done(self, item: WorkItem, now: int) -> None:
        self._add("done", item)

    def retried(self, item: WorkItem, now: int) -> None:
        self._add("retried", item)

    def dead(self, item: WorkItem, now: int) -> None:
        self._add("dead", item)

    def failed(self, item: WorkItem, now: int) -> None:
        self._add("failed", item)

    def keys(self, outcome: str) -> list[str]:
        """Return the keys of the items that had an outcome."""
        return [key for each, key in self.outcomes if each == outcome]

    def _add(self, outcome: str, item: WorkItem) -> None:
        self.outcomes.append((outcome, "/".join(item.key)))


@dataclass(frozen=True, slots=True)
class Errand(WorkItem):
    """A kind of work for tests."""

    MESSAGE: ClassVar[tuple[str, ...]] = ("errandId",)

    id: str
    ends_at: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return (self.id,)

    @property
    def deadline(self) -> int | None:
        return self.ends_at
