"""The contract of the cancellation store. That of every store of work is in ``test_work_store``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from purser.actor import SYSTEM
from purser.aws.tables import Table
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import CANCELLATION_LIFETIME_MS, RESEND_AFTER_MS, Cancellation
from purser.disconnecting.service import CancellationStore
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.disconnecting.store.items import cancellation_item
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import disconnected_sk, user_pk
from purser.operations.model import OperationStatus, OperationType, operation
from tests.support.fakes import FakeCancellations, FakeTradingAccounts

NOW = 1_700_000_000_000


@dataclass
class Kept:
    """A store, one cancellation that waits in it, and how it ended."""

    store: CancellationStore
    waiting: Cancellation
    outcome: Callable[[], str | None]

    def read(self) -> Cancellation:
        stored = self.store.get(*self.waiting.key)
        assert stored is not None
        return stored

    def due(self, now: int) -> bool:
        return self.waiting.key in [item.key for item in self.store.due(now)]


def _waiting() -> Cancellation:
    name = str(uuid4())
    sealed = SealedCredential(name, "user", Venue.BINANCE, name, b"sealed", NOW)
    record = operation(OperationType.DISCONNECT, "user", name, SYSTEM, NOW, OperationStatus.PENDING)
    return Cancellation(name, TradeType.SPOT, sealed, NOW, record, due_at=NOW + RESEND_AFTER_MS)


@pytest.fixture
def kept(tables: dict[str, str] | None) -> Kept:
    waiting = _waiting()
    name = waiting.trading_account_id
    if tables is None:
        memory = FakeTradingAccounts()
        memory.cancellations[name] = waiting
        return Kept(FakeCancellations(memory), waiting, lambda: memory.outcomes.get(name))
    table = Table(tables["KEYS_TABLE"])
    table.put(cancellation_item(waiting))
    table.put({"PK": user_pk("user"), "SK": disconnected_sk(name), "credentialId": waiting.credential.id})

    def outcome() -> str | None:
        item = table.get(user_pk("user"), disconnected_sk(name))
        return item.get("cancellation") if item else None

    return Kept(DynamoCancellationStore(table), waiting, outcome)


def test_it_is_read_as_it_was_put(kept: Kept) -> None:
    assert kept.read() == kept.waiting


def test_it_is_due_when_its_message_should_have_arrived_and_when_its_time_is_over(kept: Kept) -> None:
    assert not kept.due(NOW + RESEND_AFTER_MS - 1)
    assert kept.due(NOW + RESEND_AFTER_MS)
    assert kept.store.advance(kept.waiting.queued(NOW + 2 * CANCELLATION_LIFETIME_MS))
    assert not kept.due(NOW + CANCELLATION_LIFETIME_MS - 1)
    assert kept.due(NOW + CANCELLATION_LIFETIME_MS)


@pytest.mark.parametrize(
    "change",
    [
        lambda waiting: waiting.queued(NOW + 1),
        lambda waiting: waiting.leased(NOW + 5),
        lambda waiting: waiting.leased(NOW + 5).released(NOW + 9),
    ],
)
def test_one_of_two_that_read_the_same_changes_it(kept: Kept, change: Callable[[Cancellation], Cancellation]) -> None:
    after = replace(change(kept.read()), version=2)
    assert kept.store.advance(after)
    assert not kept.store.advance(after), "in the same millisecond"
    assert kept.read() == after


@pytest.mark.parametrize(("end", "outcome"), [("finish", "SUCCESS"), ("fail", "FAILED")])
def test_it_ends_once_and_not_while_another_has_it(kept: Kept, end: str, outcome: str) -> None:
    leased = kept.waiting.leased(NOW + 5)
    assert kept.store.advance(leased)
    assert not getattr(kept.store, end)(kept.waiting)
    assert (kept.read(), kept.outcome()) == (leased, None)
    assert getattr(kept.store, end)(leased)
    for again in (kept.store.finish, kept.store.fail, kept.store.expire):
        assert not again(leased)
    assert kept.outcome() == outcome


def test_one_that_ended_cannot_be_changed(kept: Kept) -> None:
    assert kept.store.finish(kept.waiting)
    assert kept.store.get(*kept.waiting.key) is None
    assert not kept.due(NOW + CANCELLATION_LIFETIME_MS)
    assert not kept.store.advance(kept.waiting.queued(NOW + 1))
    assert not kept.store.advance(kept.waiting.leased(NOW + 5))
    assert kept.store.get(*kept.waiting.key) is None


def test_it_expires_whatever_has_changed_since_it_was_read(kept: Kept) -> None:
    assert kept.store.advance(kept.waiting.queued(NOW + 1))
    assert kept.store.expire(kept.waiting)
    assert kept.store.get(*kept.waiting.key) is None
    assert kept.outcome() == "FAILED"
