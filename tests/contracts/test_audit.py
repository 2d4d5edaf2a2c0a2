"""The contract of the store of audit entries."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from purser.actor import Actor
from purser.audit.model import Action, AuditEntry, AuditFilter, audit_entry
from purser.audit.service import AuditStore
from purser.audit.store import DynamoAuditStore
from purser.aws.tables import Table
from tests.support.audit import FakeAudit

NOW = 1_700_000_000_000
YEAR_9999 = 253_402_300_799_999
PAGE = 5


@pytest.fixture
def store(tables: dict[str, str] | None) -> AuditStore:
    return DynamoAuditStore(Table(tables["AUDIT_TABLE"])) if tables else FakeAudit()


@pytest.fixture
def actor() -> Actor:
    return Actor(str(uuid4()), is_admin=True, request_id=str(uuid4()))


def written(store: AuditStore, actor: Actor, at: int = NOW, *users: str) -> AuditEntry:
    entry = audit_entry(actor, Action.DEPOSIT, f"transaction/{uuid4()}", at, *users)
    store.add(entry)
    return entry


def found(store: AuditStore, filters: AuditFilter, before: str | None = None) -> list[AuditEntry]:
    return [entry for _, entry in store.entries(filters, before, PAGE)]


def test_an_actors_entries_come_newest_first(store: AuditStore, actor: Actor) -> None:
    wrote = [written(store, actor, NOW + i, "a user") for i in range(3 * PAGE)]
    written(store, replace(actor, user_id="another"))
    assert found(store, AuditFilter(actor_id=actor.user_id)) == wrote[::-1]


def test_an_entry_is_listed_for_each_user_whom_it_concerns(store: AuditStore, actor: Actor) -> None:
    ann, bob, cyd = (str(uuid4()) for _ in range(3))
    both, own = written(store, actor, NOW, ann, bob), written(store, Actor(ann), NOW + 1, ann)
    assert [found(store, AuditFilter(user_id=user)) for user in (ann, bob, cyd)] == [[own, both], [both], []]


def test_entries_that_concern_no_user_are_listed_by_actor_and_among_all(store: AuditStore, actor: Actor) -> None:
    entry = written(store, actor)
    assert found(store, AuditFilter(actor_id=actor.user_id)) == [entry]
    assert entry in found(store, AuditFilter(since=NOW, until=NOW))
    assert found(store, AuditFilter(user_id=actor.user_id)) == []


def test_a_span_of_time_includes_both_its_ends(store: AuditStore, actor: Actor) -> None:
    wrote = [written(store, actor, NOW + i) for i in range(5)]

    def within(since: int | None, until: int | None) -> list[AuditEntry]:
        return found(store, AuditFilter(actor_id=actor.user_id, since=since, until=until))

    assert within(NOW + 1, NOW + 3) == wrote[3:0:-1]
    assert within(None, NOW) == wrote[:1]
    assert within(NOW + 4, None) == wrote[4:]
    assert within(NOW + 2, NOW + 2) == [wrote[2]]
    assert within(NOW, YEAR_9999) == wrote[::-1]
    assert within(YEAR_9999, YEAR_9999) == []


def test_a_reversed_span_is_empty(store: AuditStore, actor: Actor) -> None:
    written(store, actor)
    assert found(store, AuditFilter(actor_id=actor.user_id, since=NOW + 1, until=NOW - 1)) == []


def test_a_page_continues_after_the_entry_of_its_position_even_within_an_instant(
    store: AuditStore, actor: Actor
) -> None:
    wrote = [written(store, actor, NOW + i // 4) for i in range(12)]
    filters = AuditFilter(actor_id=actor.user_id)
    everything = list(store.entries(filters, None, PAGE))
    assert {entry.id for _, entry in everything} == {entry.id for entry in wrote}
    for passed, (position, _) in enumerate(everything, start=1):
        assert list(store.entries(filters, position, PAGE)) == everything[passed:]


def test_purser_itself_acts_without_a_request(store: AuditStore) -> None:
    system = Actor(f"system-{uuid4()}")
    entry = written(store, system)
    assert found(store, AuditFilter(actor_id=system.user_id)) == [entry]
    assert entry.request_id is None
