"""The contract of the snapshot store, of the balance history and of the rate gate."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.credentials.model import SealedCredential
from purser.exchanges.budget import Cooldown
from purser.exchanges.store import DynamoBudgetStore, address_pk
from purser.snapshots.model import Job, Snapshot, Source
from purser.snapshots.ports import BalanceHistoryStore, RateGate, SnapshotStore
from purser.snapshots.store.backfills import DynamoRateGate
from purser.snapshots.store.snapshots import DynamoBalanceHistoryStore, DynamoSnapshotStore
from purser.trading_accounts.model import AccountRef, TradingAccount
from purser.trading_accounts.service import TradingAccountStore
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.aws import Aws
from tests.support.backfills import PAUSE_MS, FakeRateGate
from tests.support.fakes import FakeTradingAccounts, connected_account
from tests.support.snapshots import FakeSnapshots

NOW = 1_700_000_000_000
TODAY, YESTERDAY, TOMORROW = "2026-11-20", "2026-11-19", "2026-11-21"


@dataclass
class World:
    """The store, and the stores that see the same data."""

    store: SnapshotStore
    history: BalanceHistoryStore
    gate: RateGate
    start_cooldown: Callable[[int], None]
    accounts: TradingAccountStore

    def connect(self) -> tuple[TradingAccount, SealedCredential]:
        user, id = str(uuid4()), str(uuid4())
        account = connected_account(user, id)
        credential = SealedCredential(account.credential_id, user, account.venue, account.api_key, b"sealed", NOW)
        self.accounts.connect(account, credential, 0)
        return account, credential


@pytest.fixture
def world(tables: dict[str, str] | None) -> World:
    if tables:
        snapshots, keys = Table(tables["SNAPSHOTS_TABLE"]), Table(tables["KEYS_TABLE"])
        venues = Table(tables["VENUES_TABLE"])
        # The cooldown and the gate belong to the venue, which all tests share.
        for kind in ("GATE", "COOLDOWN#SPOT"):
            venues.delete(address_pk(), kind)
        store = DynamoBudgetStore(venues)
        return World(
            DynamoSnapshotStore(snapshots, keys),
            DynamoBalanceHistoryStore(snapshots),
            DynamoRateGate(venues, PAUSE_MS),
            lambda until: store.start_cooldown("SPOT", Cooldown(until)),
            DynamoTradingAccountStore(keys),
        )
    accounts = FakeTradingAccounts()
    memory = FakeSnapshots(accounts)
    gate = FakeRateGate()
    return World(memory, memory, gate, partial(setattr, gate, "cooldown_until"), accounts)


@pytest.fixture
def account_id() -> str:
    return str(uuid4())


def snapshot(account_id: str, date: str = TODAY, source: Source = Source.LIVE, usd: int = 7) -> Snapshot:
    return Snapshot(account_id, date, Decimal(usd), source, NOW, "run" if source is Source.LIVE else None)


def job(*accounts: TradingAccount) -> Job:
    return Job("run", "000001", TODAY, tuple(AccountRef(each.user_id, each.id) for each in accounts), due_at=NOW)


def test_a_live_snapshot_replaces_a_backfilled_one_and_nothing_else_is_replaced(world: World, account_id: str) -> None:
    first, second = (snapshot(account_id, source=Source.BACKFILLED, usd=usd) for usd in (1, 2))
    assert world.store.keep(first) == first
    assert world.store.keep(second) == first
    live = snapshot(account_id, usd=3)
    assert world.store.keep(live) == live
    for later in (snapshot(account_id, usd=4), second):
        assert world.store.keep(later) == live
    assert world.history.page(account_id, TODAY, TODAY, 9) == [live]


def test_a_history_has_the_newest_days_of_its_range_first(world: World, account_id: str) -> None:
    days = ["2026-10-31", "2026-11-01", YESTERDAY, TODAY, TOMORROW]
    for day in (days[3], days[0], days[4], days[1], days[2]):
        world.store.keep(snapshot(account_id, day))
    world.store.keep(snapshot(str(uuid4()), TODAY))

    def page(first: str, last: str, limit: int = 9) -> list[str]:
        return [each.date for each in world.history.page(account_id, first, last, limit)]

    assert page("2026-11-01", TODAY) == [TODAY, YESTERDAY, "2026-11-01"]
    assert page("2026-11-01", TODAY, 2) == [TODAY, YESTERDAY]
    assert page("2026-11-02", "2026-11-18") == []
    assert page(TODAY, YESTERDAY) == []
    assert page("0000-00-00", "9999-99-99") == days[::-1]


def test_a_snapshot_is_read_as_it_was_kept(world: World, account_id: str) -> None:
    kept = replace(snapshot(account_id), total_usd=Decimal("12383.525872580000000001"), run_id="a run")
    world.store.keep(kept)
    assert world.history.page(account_id, TODAY, TODAY, 1) == [kept]


def test_accounts_are_known_with_their_credentials_and_days(world: World) -> None:
    (new, sealed), (done, other_sealed) = world.connect(), world.connect()
    gone = connected_account(str(uuid4()), str(uuid4()))
    today = snapshot(done.id)
    world.store.keep(today)
    world.store.keep(snapshot(done.id, YESTERDAY))
    world.store.keep(snapshot(new.id, TOMORROW))
    known = world.store.known(job(new, done, gone))
    assert known.accounts == {new.id: new, done.id: done}
    assert known.credentials == {new.id: sealed, done.id: other_sealed}
    assert known.snapshots == {done.id: today}
    assert known.unbroken == {done.id}


def test_an_account_is_known_to_its_own_user_only(world: World) -> None:
    account, _ = world.connect()
    known = world.store.known(job(replace(account, user_id=str(uuid4()))))
    assert (known.accounts, known.credentials) == ({}, {})


def test_the_gate_grants_one_permit_each_pause(world: World) -> None:
    assert world.gate.take("account", NOW) == 0
    assert world.gate.take("account", NOW) == PAUSE_MS
    assert world.gate.take("account", NOW + PAUSE_MS - 1) == 1
    assert world.gate.take("account", NOW + PAUSE_MS) == 0
    assert world.gate.take("account", NOW + PAUSE_MS) == PAUSE_MS


def test_the_gate_grants_no_permit_during_a_cooldown(world: World) -> None:
    world.start_cooldown(NOW + 3 * PAUSE_MS)
    assert world.gate.take("account", NOW) == 3 * PAUSE_MS
    assert world.gate.take("account", NOW + 3 * PAUSE_MS - 1) == 1
    assert world.gate.take("account", NOW + 3 * PAUSE_MS) == 0


def test_a_permit_that_is_not_granted_costs_nothing(world: World) -> None:
    assert world.gate.take("account", NOW) == 0
    for _ in range(3):
        assert world.gate.take("account", NOW + 1) == PAUSE_MS - 1
    assert world.gate.take("account", NOW + PAUSE_MS) == 0


def test_each_lane_has_permits_of_its_own(aws: Aws) -> None:
    names = {"one": str(uuid4()), "another": str(uuid4())}
    gate = DynamoRateGate(Table(aws.tables["VENUES_TABLE"]), PAUSE_MS, names.__getitem__)
    assert [gate.take(account, NOW) for account in ("one", "another", "one")] == [0, 0, PAUSE_MS]


def test_of_workers_that_ask_at_once_one_gets_the_permit(world: World) -> None:
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda _: world.gate.take("account", NOW), range(6)))
    assert sorted(waits) == [0] + 5 * [PAUSE_MS]
