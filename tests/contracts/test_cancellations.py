"""The contract of the cancellation store."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import Cancellation
from purser.disconnecting.service import CancellationStore
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.disconnecting.store.items import cancellation_item
from purser.exchanges.model import TradeType, Venue
from tests.support.fakes import FakeCancellations, FakeTradingAccounts

NOW = 1_700_000_000_000


class Kept:
    """A store, and one cancellation that waits in it."""

    def __init__(self, store: CancellationStore, waiting: Cancellation) -> None:
        self.store, self.id = store, waiting.trading_account_id

    def read(self) -> Cancellation:
        stored = self.store.get(self.id)
        assert stored is not None
        return stored


def _waiting() -> Cancellation:
    name = str(uuid4())
    sealed = SealedCredential(name, "user", Venue.BINANCE, name, b"sealed", NOW)
    return Cancellation(name, TradeType.SPOT, sealed, created_at=NOW, queued_at=NOW)


@pytest.fixture
def kept(tables: dict[str, str] | None) -> Kept:
    waiting = _waiting()
    if tables is None:
        memory = FakeTradingAccounts()
        memory.cancellations[waiting.trading_account_id] = waiting
        return Kept(FakeCancellations(memory), waiting)
    table = Table(tables["KEYS_TABLE"])
    table.put(cancellation_item(waiting))
    return Kept(DynamoCancellationStore(table), waiting)


def test_one_of_two_that_read_the_same_claims_it(kept: Kept) -> None:
    first, second = kept.read(), kept.read()
    assert kept.store.claim(first, NOW + 1)
    assert not kept.store.claim(second, NOW + 1), "in the same millisecond"
    assert not kept.store.claim(second, NOW + 2)
    assert kept.read() == replace(first, queued_at=NOW + 1, version=first.version + 1)


def test_it_can_be_claimed_again_once_read_again(kept: Kept) -> None:
    assert kept.store.claim(kept.read(), NOW + 1)
    assert kept.store.claim(kept.read(), NOW + 2)


def test_one_attempt_leases_it_at_a_time(kept: Kept) -> None:
    assert kept.store.take_lease(kept.id, NOW, NOW + 5)
    assert not kept.store.take_lease(kept.id, NOW + 4, NOW + 9)
    assert kept.store.take_lease(kept.id, NOW + 5, NOW + 9)
    kept.store.release_lease(kept.id, NOW + 5)
    assert not kept.store.take_lease(kept.id, NOW + 8, NOW + 12), "only the owner of a lease releases it"
    kept.store.release_lease(kept.id, NOW + 9)
    assert kept.store.take_lease(kept.id, NOW + 8, NOW + 12)


def test_a_finished_cancellation_cannot_be_changed(kept: Kept) -> None:
    stored = kept.read()
    kept.store.remove(kept.id, "SUCCESS")
    assert kept.store.get(kept.id) is None
    assert kept.id not in {waiting.trading_account_id for waiting in kept.store.waiting()}
    assert not kept.store.claim(stored, NOW + 1)
    assert not kept.store.take_lease(kept.id, NOW, NOW + 5)
    kept.store.remove(kept.id, "FAILED")
    assert kept.store.get(kept.id) is None
