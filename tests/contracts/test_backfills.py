"""The contract of the store of backfills."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.snapshots.model import Backfill
from purser.snapshots.ports import BackfillStore
from purser.snapshots.store.backfills import DynamoBackfillStore
from purser.trading_accounts.model import AccountRef
from tests.support.snapshots import FakeBackfills

NOW = 1_700_000_000_000


@pytest.fixture
def store(tables: dict[str, str] | None) -> BackfillStore:
    return DynamoBackfillStore(Table(tables["KEYS_TABLE"])) if tables else FakeBackfills()


@pytest.fixture
def added(store: BackfillStore) -> Backfill:
    """A backfill that waits, as it is read."""
    asked = Backfill(AccountRef("user", str(uuid4())), requested_at=NOW, due_at=NOW)
    store.add(asked)
    read = store.get(asked.ref.id)
    assert read is not None
    assert replace(read, version=0) == asked
    return read


def is_waiting(store: BackfillStore, backfill: Backfill) -> bool:
    return backfill.ref in [each.ref for each in store.due(NOW, queue_is_empty=True)]


def test_it_waits_until_it_is_finished(store: BackfillStore, added: Backfill) -> None:
    assert is_waiting(store, added)
    store.finish(added)
    assert store.get(added.ref.id) is None
    assert not is_waiting(store, added)
    assert not store.finish(added)
    assert not store.advance(added.exhausted(NOW))
    assert not store.advance(added.queued(NOW + 1))
    assert store.get(added.ref.id) is None


def test_one_of_two_that_read_the_same_claims_it(store: BackfillStore, added: Backfill) -> None:
    assert store.advance(added.queued(NOW + 1))
    assert not store.advance(added.queued(NOW + 1))
    assert store.get(added.ref.id) == replace(added, due_at=NOW + 1, version=added.version + 1)


def test_what_was_asked_for_since_goes_on(store: BackfillStore, added: Backfill) -> None:
    store.add(replace(added, requested_at=NOW + 5, due_at=NOW + 5))
    assert not store.finish(added)
    assert not store.advance(added.exhausted(NOW))
    read = store.get(added.ref.id)
    assert read is not None
    assert (read.requested_at, read.due_at, read.dead) == (NOW + 5, NOW + 5, False)
    assert read.version != added.version
    assert is_waiting(store, added)


def test_it_belongs_to_whoever_asked_for_it_last(store: BackfillStore, added: Backfill) -> None:
    assert added.correlation_id is None
    for cause in ("a run", "another run", None):
        store.add(replace(added, correlation_id=cause))
        read = store.get(added.ref.id)
        assert read is not None
        assert read.correlation_id == cause
        assert read.message.get("correlationId") == cause


def test_a_dead_one_does_not_wait_until_it_is_asked_for_again(store: BackfillStore, added: Backfill) -> None:
    store.advance(added.exhausted(NOW))
    dead = store.get(added.ref.id)
    assert dead == replace(added, dead=True, version=added.version + 1)
    assert not is_waiting(store, added)
    store.add(dead)
    assert is_waiting(store, added)


def test_no_version_comes_twice(store: BackfillStore, added: Backfill) -> None:
    store.advance(added.queued(NOW + 1))
    read = store.get(added.ref.id)
    assert read is not None
    store.finish(read)
    store.add(replace(added, requested_at=NOW + 10))
    again = store.get(added.ref.id)
    assert again is not None
    assert again.version not in (added.version, read.version)
