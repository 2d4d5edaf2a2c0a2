"""The contract of a store of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from purser.aws.tables import Item, Table
from purser.correlation import correlated
from purser.work.model import Postponed
from purser.work.ports import WorkStore
from purser.work.store import DEAD_LIFETIME_S, Attributes, DynamoWorkStore, Layout
from tests.support.work import Errand, FakeWorkStore

NOW = 1_700_000_000_000
OTHER_NAMES = Attributes(due="queuedAt", lease="heldUntil", after_ms=60_000)


@dataclass
class Kept:
    """A store, and how an owner puts an item there."""

    store: WorkStore[Errand]
    put: Callable[[Errand], None]
    run: str
    item: Callable[[str], Item | None] = lambda _: None

    def add(self, name: str = "one", due_at: int = NOW, ends_at: int | None = None) -> Errand:
        errand = Errand(f"{name} {self.run}", ends_at, due_at=due_at)
        self.put(errand)
        return errand

    def due(self, now: int, *, queue_is_empty: bool = False) -> list[str]:
        return [item.id.split()[0] for item in self.store.due(now, queue_is_empty=queue_is_empty)]


@pytest.fixture
def kept(tables: dict[str, str] | None) -> Kept:
    run = uuid4().hex
    if tables is None:
        fake = FakeWorkStore[Errand]()
        return Kept(fake, fake.put, run)
    table = Table(tables["KEYS_TABLE"])
    shards = (f"ERRANDS#{run}#0", f"ERRANDS#{run}#1")

    def read(item: Item) -> Errand:
        ends_at = int(item["endsAt"]) if "endsAt" in item else None
        return Errand(item["SK"], ends_at, **OTHER_NAMES.read(item))

    layout = Layout(lambda errand_id: (shards[len(errand_id) % 2], errand_id), read, shards, OTHER_NAMES)

    def put(errand: Errand) -> None:
        pk, sk = layout.key(errand.id)
        item = {"PK": pk, "SK": sk, "version": errand.version, "endsAt": errand.ends_at}
        table.put(item | OTHER_NAMES.write(errand))

    return Kept(DynamoWorkStore(table, layout), put, run, lambda errand_id: table.get(*layout.key(errand_id)))


def test_what_was_put_is_read(kept: Kept) -> None:
    errand = kept.add(ends_at=NOW + 9)
    assert kept.store.get(errand.id) == errand
    assert kept.store.get("none") is None


def test_the_correlation_id_goes_from_its_creation_to_its_messages(kept: Kept) -> None:
    with correlated("a request"):
        errand = kept.add()
    assert errand.message == {"errandId": errand.id, "correlationId": "a request"}
    with correlated("a sweep"):
        assert kept.store.advance(errand.queued(NOW + 1))
        read = kept.store.get(errand.id)
    assert read == errand.queued(NOW + 1)
    assert read.message == errand.message


def test_of_two_that_read_the_same_one_changes_it(kept: Kept) -> None:
    errand = kept.add()
    assert kept.store.advance(errand.leased(NOW + 5))
    assert not kept.store.advance(errand.leased(NOW + 5)), "with the very same change"
    assert not kept.store.advance(errand.queued(NOW + 7))
    assert not kept.store.finish(errand)
    assert kept.store.get(errand.id) == errand.leased(NOW + 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda errand: errand.queued(NOW + 5),
        lambda errand: errand.leased(NOW + 5),
        lambda errand: errand.released(NOW + 5),
        lambda errand: errand.postponed(Postponed(NOW + 5, succeeded=False)),
        lambda errand: errand.postponed(Postponed(NOW + 5, succeeded=True)),
        lambda errand: errand.exhausted(NOW),
    ],
)
def test_each_change_is_kept_whole(kept: Kept, change: Callable[[Errand], Errand]) -> None:
    leased = kept.add(ends_at=NOW + 100).leased(NOW + 3)
    assert kept.store.advance(leased)
    assert kept.store.advance(change(leased))
    assert kept.store.get(leased.id) == change(leased)


def test_the_living_that_are_due_come_longest_first(kept: Kept) -> None:
    kept.add("third", NOW)
    kept.add("first", NOW - 7)
    kept.add("not-yet", NOW + 1)
    kept.add("second", NOW - 5)
    dead = kept.add("dead", NOW - 9)
    assert kept.store.advance(dead.exhausted(NOW))
    assert kept.due(NOW) == ["first", "second", "third"]
    assert kept.due(NOW, queue_is_empty=True) == ["first", "second", "third", "not-yet"]


def test_a_leased_item_is_not_due_even_if_the_queue_is_empty(kept: Kept) -> None:
    item = kept.add("leased", NOW)
    assert kept.store.advance(item.leased(NOW + 50))
    assert kept.due(NOW + 49, queue_is_empty=True) == []
    assert kept.due(NOW + 50, queue_is_empty=True) == ["leased"]


def test_what_is_queued_is_not_due_for_a_while(kept: Kept) -> None:
    errand = kept.add()
    assert kept.store.advance(errand.queued(NOW + 5))
    assert kept.due(NOW + 4) == []
    assert kept.due(NOW + 5) == ["one"]


def test_what_is_over_is_due(kept: Kept) -> None:
    errand = kept.add(ends_at=NOW + 3)
    assert kept.store.advance(errand.queued(NOW + 5))
    assert kept.due(NOW + 2) == []
    assert kept.due(NOW + 3) == ["one"]


def test_a_dead_item_past_its_deadline_is_due(kept: Kept) -> None:
    errand = kept.add(ends_at=NOW + 3)
    assert kept.store.advance(errand.exhausted(NOW))
    assert kept.due(NOW + 2, queue_is_empty=True) == []
    assert kept.due(NOW + 3) == ["one"]


def test_one_that_expires_is_gone_unless_it_has_changed(kept: Kept) -> None:
    errand = kept.add(ends_at=NOW)
    queued = errand.queued(NOW)
    assert kept.store.advance(queued)
    assert not kept.store.expire(errand)
    assert kept.store.get(errand.id) == queued
    assert kept.store.expire(queued)
    assert kept.store.get(errand.id) is None


def test_nothing_can_be_done_with_one_that_is_done(kept: Kept) -> None:
    errand = kept.add()
    assert kept.store.finish(errand)
    assert kept.store.get(errand.id) is None
    assert kept.due(NOW, queue_is_empty=True) == []
    assert not kept.store.finish(errand)
    assert not kept.store.advance(errand.queued(NOW))
    assert kept.store.get(errand.id) is None


def test_a_dead_one_expires_and_keeps_what_its_owner_put_there(kept: Kept) -> None:
    errand = kept.add(ends_at=NOW + 10**10)
    assert kept.store.advance(errand.exhausted(NOW))
    assert kept.store.get(errand.id) == errand.exhausted(NOW)
    if item := kept.item(errand.id):
        assert item["expiresAt"] > DEAD_LIFETIME_S


def test_a_dead_one_that_is_redriven_no_longer_expires(kept: Kept) -> None:
    dead = kept.add().exhausted(NOW)
    assert kept.store.advance(dead)
    redriven = dead.leased(NOW + 5)
    assert kept.store.advance(redriven)
    assert kept.store.get(dead.id) == redriven
    if item := kept.item(dead.id):
        assert "expiresAt" not in item


@pytest.mark.parametrize(
    "change",
    [
        lambda errand: errand.queued(NOW + 20),
        lambda errand: errand.released(NOW + 20),
        lambda errand: errand.postponed(Postponed(NOW + 20, succeeded=True)),
    ],
)
def test_what_waits_is_due_when_it_is_over(kept: Kept, change: Callable[[Errand], Errand]) -> None:
    assert kept.store.advance(change(kept.add(ends_at=NOW + 3)))
    assert kept.due(NOW + 2) == []
    assert kept.due(NOW + 3) == ["one"]


def test_one_without_a_version_is_at_version_0(kept: Kept) -> None:
    errand = replace(kept.add(), version=0)
    if item := kept.item(errand.id):
        del item["version"]
        assert isinstance(kept.store, DynamoWorkStore)
        kept.store._table.put(item)
    else:
        kept.put(errand)
    assert kept.store.get(errand.id) == errand
    assert kept.store.advance(errand.queued(NOW + 1))
    assert kept.store.get(errand.id) == replace(errand, due_at=NOW + 1, version=1)
