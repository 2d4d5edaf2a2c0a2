"""Accounts, credentials, claims and the audit trail stay consistent under any changes at the desk.

hypothesis drives the services against DynamoDB Local, one change after the other or four at a time, over an exchange
that may reject a key or be down.
"""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.actor import Actor
from purser.credentials.model import CredentialStatus, CredentialType
from purser.credentials.service import Credentials, Exchanges, NewCredential
from purser.credentials.store.credentials import DynamoCredentialStore
from purser.disconnecting.service import ORDERS_UNDER_WAY_MS, Cancellations
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.errors import ExchangeUnavailable, PurserError
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.operations.model import Operation, OperationFilter, OperationStatus
from purser.operations.store import DynamoOperationStore
from purser.plans.model import CATALOG
from purser.trading_accounts.desk import AccountFilter, Desk
from purser.trading_accounts.key_status import AccountAccess
from purser.trading_accounts.key_validator import KeyValidator
from purser.trading_accounts.model import AccountStatus, StrategyType
from purser.trading_accounts.service import NewConnection, TradingAccounts
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.audit import FakeAudit
from tests.support.budget import FakeBudgetStore
from tests.support.effort import examples
from tests.support.fakes import FakeClock, FakeExchange, FakePlans, FakeQueue, FakeVault
from tests.support.ledger import scan
from tests.support.streams import new_table
from tests.support.work import FakeWorkTelemetry

USER, PLAN = "user", replace(CATALOG[2], max_api_key=8)
KEYS = [f"api-key-{n}" for n in range(3)]
WHICH = st.integers(0, 2)
deeds = st.tuples(
    st.sampled_from(
        ["keep", "connect", "join", "join", "enable", "disable", "end", "rotate", "revoke", "verify", "die", "live"]
    ),
    WHICH,
    WHICH,
    st.sampled_from(TradeType),
)


pytestmark = pytest.mark.usefixtures("dynamodb")


class NoBackfills:
    """No past days are fetched."""

    def begin(self, trading_account_id: str) -> None:
        """Do nothing."""


class World:
    """One user at the desk, over three API keys."""

    def __init__(self) -> None:
        self.table = new_table("KeysTable")
        self.exchange, clock, vault = FakeExchange(), FakeClock(), FakeVault()
        self.clock = clock
        for key in KEYS:
            self.exchange.add(key)
        accounts, plans = DynamoTradingAccountStore(self.table), FakePlans(PLAN)
        self.waiting = DynamoCancellationStore(self.table)
        self.cancellations = cancellations = Cancellations(
            self.waiting, vault, self.exchange, FakeQueue(), FakeWorkTelemetry(), clock
        )
        service = TradingAccounts(
            accounts, vault, self.exchange, plans, cancellations, NoBackfills(), clock, Decimal(1)
        )
        exchanges = Exchanges(
            self.exchange,
            KeyValidator(self.exchange, clock, Decimal(1)),
            AccountAccess(accounts, vault, clock),
            cancellations,
        )
        self.credentials = Credentials(
            DynamoCredentialStore(self.table), accounts, vault, exchanges, plans, FakeBudgetStore(), clock
        )
        self.accounts, self.operations = accounts, DynamoOperationStore(self.table)
        self.desk = Desk(service, self.credentials, accounts, self.operations, lambda *_: True, FakeAudit())

    def do(self, deed: str, one: int, other: int, kind: TradeType) -> None:
        """Make a change, unless the rules refuse it."""
        self.clock.advance(1)
        with suppress(PurserError):
            getattr(self, f"_{deed}")(one, other, kind)

    def _by(self) -> Actor:
        return Actor(USER, request_id=str(uuid.uuid4()))

    def _credential(self, n: int) -> str:
        stored = self.credentials.find(USER)
        return stored[n % len(stored)].id if stored else str(uuid.uuid4())

    def _account(self, n: int) -> str:
        connected = self.accounts.connected(USER).accounts
        return connected[n % len(connected)].id if connected else str(uuid.uuid4())

    def _keep(self, one: int, _other: int, _kind: TradeType) -> None:
        id = str(uuid.uuid4())
        self.credentials.create(NewCredential(id, USER, Venue.BINANCE, CredentialType.HMAC, "x", KEYS[one], "secret"))

    def _connect(self, one: int, _other: int, kind: TradeType) -> None:
        self.desk.connect(self._new(kind, KEYS[one], "secret"), self._by())

    def _join(self, one: int, _other: int, kind: TradeType) -> None:
        self.desk.connect(self._new(kind), self._by(), credential_id=self._credential(one))

    def _new(self, kind: TradeType, api_key: str = "", secret: str = "") -> NewConnection:
        id = str(uuid.uuid4())
        return NewConnection(id, USER, Venue.BINANCE, kind, StrategyType.MANUAL, "x", api_key, secret)

    def _enable(self, one: int, _other: int, _kind: TradeType) -> None:
        self.desk.update(self._by(), self._account(one), active=True)

    def _disable(self, one: int, _other: int, _kind: TradeType) -> None:
        self.desk.update(self._by(), self._account(one), active=False)

    def _end(self, one: int, _other: int, _kind: TradeType) -> None:
        self.desk.disconnect(self._by(), self._account(one))

    def _rotate(self, one: int, other: int, _kind: TradeType) -> None:
        self.credentials.rotate(USER, self._credential(one), ApiCredential(KEYS[other], "secret"), self._by())

    def _revoke(self, one: int, _other: int, _kind: TradeType) -> None:
        self.credentials.revoke(USER, self._credential(one), self._by())

    def _verify(self, one: int, _other: int, _kind: TradeType) -> None:
        self.credentials.verify(USER, [self._credential(one)])

    def _die(self, one: int, _other: int, _kind: TradeType) -> None:
        self.exchange.keys[KEYS[one]].secret = "another"

    def _live(self, one: int, _other: int, _kind: TradeType) -> None:
        self.exchange.keys[KEYS[one]].secret = "secret"

    def finish_cancellations(self) -> None:
        """Work on every cancellation that waits, once no order can be placed any more."""
        self.clock.advance(ORDERS_UNDER_WAY_MS)
        for waiting in self.waiting.due(self.clock()):
            self.cancellations.resume(waiting.trading_account_id)

    def audit_entries(self) -> list[Operation]:
        """Return all audit entries, oldest first."""
        rows, _ = self.operations.page(USER, OperationFilter(), 1000)
        return rows[::-1]


def check(world: World) -> None:
    """Assert what must be true between any two changes."""
    accounts = {shown.account.id: shown.account for shown in world.desk.find(Actor(USER), AccountFilter())}
    credentials = {credential.id: credential for credential in world.credentials.find(USER)}
    items = {(item["PK"], item["SK"]): item for item in scan(world.table)}

    users: dict[str, set[str]] = {}
    for account in accounts.values():
        users.setdefault(account.credential_id, set()).add(account.id)
    for credential in credentials.values():
        assert credential.account_ids == users.pop(credential.id, set())
        item = items[f"USER#{USER}", f"CREDENTIAL#{credential.id}"]
        assert ("ciphertext" in item) == (credential.status is not CredentialStatus.REVOKED)
        using = [accounts[id] for id in credential.account_ids]
        assert {account.api_key for account in using} <= {credential.api_key}
        if using:
            refused = all(account.status is AccountStatus.UNAVAILABLE for account in using)
            assert credential.status is (CredentialStatus.EXPIRED if refused else CredentialStatus.ACTIVE)
        else:
            assert credential.status is not CredentialStatus.ACTIVE
    assert not users, "an account has no credential"

    claims = {
        (kind.value, item[kind.value])
        for (pk, sk), item in items.items()
        if pk.startswith("APIKEY#") and sk == "CLAIM"
        for kind in TradeType
        if kind.value in item
    }
    assert claims == {(account.trade_type.value, account.id) for account in accounts.values()}
    assert not [item for (pk, sk), item in items.items() if sk == "CLAIM" and not {"SPOT", "FUTURES"} & item.keys()]


def check_trail(world: World, *, ordered: bool) -> None:
    """Assert that the audit trail alone shows which accounts are connected and active."""
    world.finish_cancellations()
    operations = world.audit_entries()
    connected = {account.id: account for account in world.accounts.connected(USER).accounts}
    balance = Counter({"CONNECT": 0})
    known: dict[str, bool] = {}
    for operation in operations:
        balance[operation.type.value] += 1
        assert operation.status is not OperationStatus.PENDING, "nothing was down"
        rows, _ = world.operations.page(operation.trading_account_id, OperationFilter(operation.type), 1000)
        assert operation in rows
        match operation.type.value:
            case "CONNECT" | "ENABLE":
                known[operation.trading_account_id] = True
            case "DISABLE":
                known[operation.trading_account_id] = False
            case "DISCONNECT":
                known.pop(operation.trading_account_id, None)
    assert balance["CONNECT"] - balance["DISCONNECT"] == len(connected)
    if ordered:
        assert known == {id: account.active for id, account in connected.items()}


@examples(40)
@given(st.lists(deeds, max_size=25))
def test_sequential_changes_keep_accounts_and_credentials_consistent(
    done: list[tuple[str, int, int, TradeType]],
) -> None:
    world = World()
    for deed in done:
        world.do(*deed)
        check(world)
    check_trail(world, ordered=True)


@examples(12)
@given(st.lists(deeds, min_size=8, max_size=24))
def test_concurrent_changes_keep_accounts_and_credentials_consistent(
    done: list[tuple[str, int, int, TradeType]],
) -> None:
    world = World()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda deed: world.do(*deed), done))
    check(world)
    check_trail(world, ordered=False)


@pytest.mark.parametrize("act", ["end", "revoke"])
def test_disconnecting_during_an_outage_is_a_pending_operation(act: str) -> None:
    world = World()
    world.do("connect", 0, 0, TradeType.SPOT)
    world.exchange.failing = ExchangeUnavailable()
    world.do(act, 0, 0, TradeType.SPOT)
    check(world)
    assert [o.status.value for o in world.audit_entries() if o.type.value == "DISCONNECT"] == ["PENDING"]
