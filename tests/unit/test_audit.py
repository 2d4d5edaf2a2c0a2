"""The audit trail: which reads leave an entry, what a page costs, and how long entries are kept."""

from __future__ import annotations

from decimal import Decimal

import pytest

from purser.actor import SYSTEM, Actor
from purser.audit.model import Action, AuditFilter, audit_entry
from purser.audit.service import Audit
from purser.audit.store import recording
from purser.aws.tables import Table, from_wire
from purser.ledger.model import PostingRequest, Transaction, TransactionType, moving
from purser.ledger.store.items import recorded_of, transaction_item
from purser.pages import MOST_PASSED_OVER
from tests.support.audit import FakeAudit
from tests.support.fakes import FakeClock

ADMIN = Actor("admin", is_admin=True, request_id="a request")


@pytest.fixture
def store() -> FakeAudit:
    return FakeAudit()


@pytest.fixture
def audit(store: FakeAudit) -> Audit:
    return Audit(store, FakeClock(1000))


def test_reading_another_users_data_leaves_an_entry(store: FakeAudit, audit: Audit) -> None:
    audit.read(ADMIN, Action.WALLET_READ, "wallet/1", "ann")
    (entry,) = store.written
    assert (entry.actor_id, entry.request_id, entry.at) == ("admin", "a request", 1000)
    assert (entry.action, entry.target, entry.user_ids) == (Action.WALLET_READ, "wallet/1", frozenset({"ann"}))


def test_reading_own_data_leaves_no_entry(store: FakeAudit, audit: Audit) -> None:
    audit.read(ADMIN, Action.WALLET_READ, "wallet/1", "admin")
    audit.read(Actor("ann"), Action.WALLET_READ, "wallet/2", "ann")
    assert store.written == []


def test_listing_the_data_of_all_users_leaves_an_entry_without_a_user(store: FakeAudit, audit: Audit) -> None:
    audit.read(ADMIN, Action.USER_LIST, "users")
    assert [(entry.target, entry.user_ids) for entry in store.written] == [("users", frozenset())]


def test_pages_join_without_a_gap(store: FakeAudit, audit: Audit) -> None:
    for number in range(7):
        store.add(audit_entry(ADMIN, Action.WALLET_FREEZE, f"wallet/{number}", number))
    targets, position = [], None
    while True:
        page = audit.page(AuditFilter(), 3, position)
        targets += [entry.target for entry in page.rows]
        if (position := page.position) is None:
            break
    assert targets == [f"wallet/{number}" for number in reversed(range(7))]


def test_a_page_of_one_actor_and_user_has_a_bounded_cost(store: FakeAudit, audit: Audit) -> None:
    store.add(audit_entry(ADMIN, Action.WALLET_FREEZE, "wallet/1", 0, "ann"))
    for at in range(1, MOST_PASSED_OVER + 10):
        store.add(audit_entry(Actor("ann"), Action.TRANSFER, "transaction/1", at, "ann"))
    of_both = AuditFilter(actor_id="admin", user_id="ann")
    first = audit.page(of_both, 10)
    assert first.rows == ()
    assert first.position is not None
    second = audit.page(of_both, 10, first.position)
    assert [entry.target for entry in second.rows] == ["wallet/1"]
    assert second.position is None


def test_entries_expire_after_seven_years() -> None:
    entry = audit_entry(ADMIN, Action.TRANSFER, "transaction/1", 1_700_000_000_000, "ann", "bob")
    items = [from_wire(part["Put"]["Item"]) for part in recording(Table("any"), entry)]
    assert len(items) == 4
    assert {(item["expiresAt"] - 1_700_000_000) // (365 * 86_400) for item in items} == {7}


def test_a_transaction_from_before_the_audit_trail_is_read() -> None:
    postings = moving("a", "b", "USDT", Decimal(1))
    transaction = Transaction("1", TransactionType.DEPOSIT, postings, 1, "0000000000001.000000")
    item = transaction_item(PostingRequest(transaction, SYSTEM, "a request"))
    before = {name: value for name, value in item.items() if name not in ("actorId", "requestId")}
    assert recorded_of(before) == recorded_of(item)
