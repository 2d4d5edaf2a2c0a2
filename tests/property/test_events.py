"""Replaying the events gives the stored state, after any changes through the stores.

hypothesis drives trading accounts, wallets, postings and customers against DynamoDB Local. The records of its streams
become events, and replaying those must give the state of the tables.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.aws.tables import Item, Table
from purser.credentials.model import SealedCredential
from purser.customers.model import Customer
from purser.customers.store import DynamoCustomerStore
from purser.disconnecting.model import Cancellation
from purser.errors import AccountDisconnected, PurserError
from purser.events.model import Event
from purser.events.streams import changes_in
from purser.ledger.model import EXACT, ZERO
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.effort import examples
from tests.support.event_examples import ACCOUNT, CUSTOMER, NOW, events_of
from tests.support.ledger import ADMIN, Bed, bed, nonzero, scan, with_audit
from tests.support.streams import new_table, records

THINGS = st.integers(0, 2)
amounts = st.sampled_from([Decimal(1), Decimal("0.000000000000000001"), Decimal("12345678901234567.123456789")])
deeds = st.one_of(
    st.tuples(st.sampled_from(["connect", "end", "rename", "disable", "enable", "refuse", "fail", "read"]), THINGS),
    st.tuples(st.sampled_from(["create", "freeze", "unfreeze", "close"]), THINGS),
    st.tuples(st.sampled_from(["deposit", "withdraw", "transfer"]), THINGS, amounts),
    st.tuples(st.sampled_from(["add", "patch", "disconnect"]), THINGS),
)


pytestmark = pytest.mark.usefixtures("dynamodb")


@dataclass
class World:
    """Three accounts, wallets and customers, with the changes that can be made to them."""

    keys: Table = field(default_factory=lambda: new_table("KeysTable"))
    wallets: Table = field(default_factory=lambda: with_audit(new_table("WalletsTable")))
    customers: Table = field(default_factory=lambda: new_table("AccountsTable"))
    now: int = NOW

    def __post_init__(self) -> None:
        self.accounts = DynamoTradingAccountStore(self.keys)
        self.customer_store = DynamoCustomerStore(self.customers)
        self.bed: Bed = bed(self.wallets)
        self.account_ids = [str(uuid.uuid4()) for _ in range(3)]
        self.customer_ids = [str(uuid.uuid4()) for _ in range(3)]
        self.wallet_ids: dict[int, str] = {}

    def do(self, deed: str, thing: int, *amount: Decimal) -> None:
        """Make a change, unless the rules refuse it."""
        self.now += 1
        with suppress(PurserError):
            getattr(self, f"_{deed}")(thing, *amount)

    def _connect(self, i: int) -> None:
        key = f"key {uuid.uuid4()}"
        account = replace(ACCOUNT, id=str(uuid.uuid4()), api_key=key, updated_at=self.now)
        account = replace(account, credential_id=account.id)
        credential = SealedCredential(account.id, account.user_id, account.venue, key, key.encode(), self.now)
        self._end(i)
        self.account_ids[i] = account.id
        self.accounts.connect(account, credential, self.accounts.connected(account.user_id).version)

    def _account(self, i: int) -> TradingAccount | None:
        return self.accounts.get(ACCOUNT.user_id, self.account_ids[i])

    def _end(self, i: int) -> None:
        found = self.accounts.with_credential(ACCOUNT.user_id, self.account_ids[i])
        if found:
            account, credential = found
            self.accounts.disconnect(
                account, Cancellation(account.id, account.trade_type, credential, self.now, due_at=self.now), self.now
            )

    def _rename(self, i: int) -> None:
        self.accounts.rename(ACCOUNT.user_id, self.account_ids[i], f"Name {self.now % 3}", self.now)

    def _disable(self, i: int) -> None:
        self.accounts.disable(ACCOUNT.user_id, self.account_ids[i], self.now)

    def _refuse(self, i: int) -> None:
        if account := self._account(i):
            self.accounts.refuse(account, self.now)

    def _enable(self, i: int) -> None:
        if account := self._account(i):
            version = self.accounts.connected(account.user_id).version
            self.accounts.activate(account, AccountValuation(Decimal(5), self.now), self.now, version)

    def _fail(self, i: int) -> None:
        if account := self._account(i):
            self.accounts.mark(account, ApiKeyStatus.FAILED, self.now)

    def _read(self, i: int) -> None:
        self.accounts.record_valuation(
            ACCOUNT.user_id, self.account_ids[i], AccountValuation(Decimal(self.now), self.now)
        )

    def _create(self, i: int) -> None:
        self.wallet_ids[i] = self.bed.wallet(allow_negative=i == 0).id

    def _freeze(self, i: int) -> None:
        self.bed.wallets.freeze(ADMIN, self.wallet_ids.get(i, "none"))

    def _unfreeze(self, i: int) -> None:
        self.bed.wallets.unfreeze(ADMIN, self.wallet_ids.get(i, "none"))

    def _close(self, i: int) -> None:
        self.bed.wallets.close(ADMIN, self.wallet_ids.get(i, "none"))

    def _deposit(self, i: int, amount: Decimal) -> None:
        self.bed.ledger.deposit(ADMIN, self.wallet_ids.get(i, "none"), "BTC", amount, str(uuid.uuid4()))

    def _withdraw(self, i: int, amount: Decimal) -> None:
        wallet_id = self.wallet_ids.get(i, "none")
        self.bed.ledger.withdraw(ADMIN, wallet_id, "BTC", amount, str(uuid.uuid4()))

    def _transfer(self, i: int, amount: Decimal) -> None:
        source, destination = self.wallet_ids.get(i, "none"), self.wallet_ids.get((i + 1) % 3, "none")
        self.bed.ledger.transfer(ADMIN, source, destination, "BTC", amount)

    def _customer(self, i: int) -> Customer | None:
        return self.customer_store.get(self.customer_ids[i])

    def _add(self, i: int) -> None:
        if self._customer(i) is None:
            self.customer_store.add(replace(CUSTOMER, id=self.customer_ids[i], updated_at=self.now))

    def _patch(self, i: int) -> None:
        customer = self._customer(i)
        if customer:
            with suppress(AccountDisconnected):
                patched = customer.patched({"metadata": {"n": str(self.now)}}, {}, self.now)
                self.customer_store.replace(customer, patched)

    def _disconnect(self, i: int) -> None:
        customer = self._customer(i)
        if customer:
            with suppress(AccountDisconnected):
                self.customer_store.replace(customer, customer.disconnected(self.now))

    def events(self) -> list[Event]:
        """Return the events of all records in the streams."""
        streams = (records(table) for table in (self.keys, self.wallets, self.customers))
        return [event for each in streams for change in changes_in({"Records": each}) for event in events_of(change)]


def state_of(world: World) -> dict[str, dict[str, object]]:
    """Return the state that the tables store."""
    items: list[Item] = [item for table in (world.keys, world.wallets, world.customers) for item in scan(table)]
    by_kind: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_kind[item["SK"].partition("#")[0]].append(item)
    connected = world.accounts.connected(ACCOUNT.user_id).accounts
    by_wallet: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for shard in (item for item in items if item["PK"].startswith("LANES#")):
        _add(by_wallet[shard["PK"].split("#")[1]], shard["balances"])
    return {
        "accounts": {a.id: (a.name, _status(a)) for a in connected},
        "credentials": {item["credentialId"]: item["status"] for item in by_kind["CREDENTIAL"]},
        "wallets": {item["walletId"]: item["status"] for item in by_kind["WALLET"]},
        "balances": {wallet_id: nonzero(balances) for wallet_id, balances in by_wallet.items() if nonzero(balances)},
        "customers": {
            item["customerId"]: (int(item["updatedAt"]), "disconnectedAt" in item)
            for item in by_kind["CUSTOMER"]
            if item["PK"].startswith("CUSTOMER#")
        },
    }


def _status(account: TradingAccount) -> str:
    if account.api_key_status is ApiKeyStatus.UNAUTHORIZED:
        return "UNAVAILABLE"
    return "ACTIVE" if account.active else "INACTIVE"


def _add(balances: dict[str, Decimal], changes: dict[str, Decimal]) -> None:
    for asset, change in changes.items():
        balances[asset] = EXACT.add(balances.get(asset, ZERO), change)


def replayed(events: Iterable[Event]) -> dict[str, dict[str, object]]:
    """Return the state that the events alone describe."""
    known: dict[str, dict[str, object]] = {kind: {} for kind in ("accounts", "credentials", "wallets", "customers")}
    balances: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for event in events:
        kind, _, what = event.type.partition(".")
        data = event.data
        match kind, what:
            case "trading_account", "disconnected":
                del known["accounts"][data["tradingAccountId"]]
            case "trading_account", _:
                known["accounts"][data["tradingAccountId"]] = (data["name"], data["status"])
            case "credential", "removed":
                del known["credentials"][data["credentialId"]]
            case "credential", _:
                known["credentials"][data["credentialId"]] = data["status"]
            case "wallet", _:
                known["wallets"][data["walletId"]] = data["status"]
            case "account", _:
                known["customers"][data["accountID"]] = (data["updatedOn"], what == "disconnected")
            case "transaction", _:
                for posting in data["postings"]:
                    _add(balances[posting["walletId"]], {posting["asset"]: Decimal(posting["amount"])})
    left: dict[str, object] = {id: nonzero(each) for id, each in balances.items() if nonzero(each)}
    return {**known, "balances": left}


@examples(25)
@given(st.lists(deeds, max_size=30))
def test_replaying_the_events_gives_the_stored_state(done: list[tuple[str, int] | tuple[str, int, Decimal]]) -> None:
    world = World()
    for deed in done:
        world.do(*deed)
    events = world.events()
    assert replayed(events) == state_of(world)
    assert len({event.id for event in events}) == len(events)
    # No event leaves the state unchanged.
    for i in range(len(events)):
        assert replayed(events[: i + 1]) != replayed(events[:i]) or events[i].type == "credential.rotated"
