"""Test that disconnecting a customer respects its wallets, also under concurrent changes."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from purser import errors
from purser.actor import SYSTEM, Actor
from purser.aws.tables import Table
from purser.bootstrap.ledger import ledger, wallets
from purser.bootstrap.people import customers
from purser.ledger.wallets import NewWallet
from tests.support.aws import Aws
from tests.support.effort import scaled
from tests.support.events import OTHER_ID, USER_ID, Answered, call, claims
from tests.support.functions import forget_process, load_function, load_routes
from tests.support.ledger import audit_table, check_books, new_table

WALLET = "/api/v3/fermata/wallet"
USER, OTHER, ADMIN = claims(USER_ID), claims(OTHER_ID), claims("admin-id", groups=["admin"])
ANN = {"accountType": "individual", "profile": {"individual": {"name": {"firstName": "Ann", "lastName": "Lee"}}}}
REFUSED = (400, -140008)
STORE = "purser.ledger.store.wallet_store.DynamoWalletStore"


@contextmanager
def once(step: str, deed: Callable[[], Any], *, after: bool = False) -> Iterator[list[Any]]:
    """Do something before, or after, the first time that a step is taken. Yields a list that gets its result."""
    original = pkgutil.resolve_name(step)
    results: list[Any] = []

    def interrupted(*arguments: Any, **named: Any) -> Any:
        if results:
            return original(*arguments, **named)
        results.append(None)  # the deed may take the step too
        if not after:
            results[0] = deed()
        answer = original(*arguments, **named)
        if after:
            results[0] = deed()
        return answer

    with patch(step, interrupted):
        yield results


class Apis:
    """The accounts API and the wallets of the desk API."""

    def __init__(self) -> None:
        self.customer = load_function("customer").handler
        self.wallet = load_routes("wallet", "wallet_transaction")

    def add_customer(self) -> str:
        answer = call(self.customer, "POST", "/accounts", ANN, caller=USER)
        assert answer.status == 200, answer.text
        return str(answer.body["accountID"])

    def disconnect(self, customer: str) -> int:
        return call(self.customer, "DELETE", f"/accounts/{customer}", caller=USER).status

    def post(self, route: str, body: dict[str, Any], caller: Any = ADMIN) -> Answered:
        return call(self.wallet, "POST", f"{WALLET}/{route}", body, caller=caller)

    def add_wallet(self, caller: Any = USER, **given: Any) -> str:
        answer = self.post("create", given, caller)
        assert answer.status == 200, answer.text
        return str(answer.body["data"]["walletId"])

    def deposit(self, wallet: str, amount: str = "1") -> Answered:
        return self.post("deposit", movement(wallet, amount))

    def withdraw(self, wallet: str, amount: str = "1") -> Answered:
        return self.post("withdraw", movement(wallet, amount))

    def transfer(self, source: str, destination: str) -> Answered:
        body = {"sourceWalletId": source, "destWalletId": destination, "asset": "USDT", "amount": "1"}
        return self.post("transfer", body)

    def reverse(self, transaction: Answered) -> Answered:
        made = transaction.body.get("details") or transaction.body["data"]
        return self.post("transaction/reverse", {"transactionId": made["transactionId"], "reason": "mistake"})


def movement(wallet: str, amount: str) -> dict[str, str]:
    return {"walletId": wallet, "asset": "USDT", "amount": amount, "externalRef": str(uuid4())}


def refusal(answer: Answered) -> tuple[int, int]:
    return answer.status, answer.body["errno"]


@pytest.fixture(scope="module")
def apis(aws: Aws) -> Iterator[Apis]:
    forget_process()
    table = new_table()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WALLETS_TABLE", table.name)
        environment.setenv("AUDIT_TABLE", audit_table(table).name)
        with patch("purser.bootstrap.ledger.has_user", {USER_ID, OTHER_ID}.__contains__):
            yield Apis()
        check_books(table)
    forget_process()


@pytest.fixture
def customer(apis: Apis) -> str:
    return apis.add_customer()


DEALER = {"walletType": "DEALER", "allowNegative": True, "userId": USER_ID}


@pytest.mark.parametrize("more", [{}, DEALER])
def test_a_customer_is_in_use_while_one_of_its_wallets_has_a_balance(
    apis: Apis, customer: str, more: dict[str, Any]
) -> None:
    apis.add_wallet(accountID=customer)
    wallet = apis.add_wallet(ADMIN if more else USER, accountID=customer, **more)
    assert apis.deposit(wallet).status == 200
    assert apis.disconnect(customer) == 409
    assert apis.withdraw(wallet).status == 200
    assert apis.disconnect(customer) == 204


def test_only_an_active_customer_of_its_owner_gets_a_wallet(apis: Apis, customer: str) -> None:
    body = {"accountID": customer}
    for unfit in (
        apis.post("create", {"accountID": str(uuid4())}, USER),
        apis.post("create", body, OTHER),
        apis.post("create", body | {"userId": OTHER_ID}, ADMIN),
    ):
        assert refusal(unfit) == (400, -140001)
    created = apis.post("create", body, USER).body["data"]
    assert created["accountID"] == customer
    assert apis.post("create", {}, USER).body["data"]["accountID"] is None
    assert apis.disconnect(customer) == 204
    assert refusal(apis.post("create", body, USER)) == (400, -140001)


@pytest.mark.parametrize("more", [{}, DEALER])
def test_a_wallet_of_a_disconnected_customer_receives_nothing(apis: Apis, customer: str, more: dict[str, Any]) -> None:
    wallet, other = apis.add_wallet(ADMIN, accountID=customer, **({"userId": USER_ID} | more)), apis.add_wallet()
    apis.deposit(other)
    apis.deposit(wallet)
    withdrawal = apis.withdraw(wallet)
    assert apis.disconnect(customer) == 204
    for attempt in (
        partial(apis.deposit, wallet),
        partial(apis.transfer, other, wallet),
        partial(apis.reverse, withdrawal),
    ):
        assert refusal(attempt()) == REFUSED
    # Nor does it owe anything.
    assert apis.withdraw(wallet).status == apis.transfer(wallet, other).status == 400


# Calls that overlap are made to the services, since a handler is held to the role of its function.


def disconnect(customer: str) -> bool:
    """Disconnect a customer and return True, or False if it is in use."""
    try:
        customers().disconnect(USER_ID, customer)
    except errors.AccountInUse:
        return False
    return True


def deposit(wallet: str) -> bool:
    """Make a deposit and return True, or False if the wallet takes none."""
    try:
        ledger().deposit(SYSTEM, wallet, "USDT", Decimal(1), str(uuid4()))
    except errors.WalletClosed:
        return False
    return True


def add_wallet(customer: str) -> str:
    return wallets().create(Actor(USER_ID), NewWallet(str(uuid4()), USER_ID, account_id=customer)).id


def test_a_deposit_between_the_check_and_the_write_keeps_the_customer(apis: Apis, customer: str) -> None:
    wallet = add_wallet(customer)
    with once(f"{STORE}.balances_of", lambda: deposit(wallet), after=True) as landed:
        assert not disconnect(customer)
    assert landed == [True]
    assert apis.withdraw(wallet).status == 200
    assert disconnect(customer)


def test_a_wallet_that_is_created_and_filled_during_the_check_keeps_the_customer(customer: str) -> None:
    # The index of customers' wallets does not show it yet.
    with (
        once(f"{STORE}.balances_of", lambda: deposit(add_wallet(customer)), after=True) as landed,
        patch.object(Table, "query", lambda *_, **__: iter(())),
    ):
        assert not disconnect(customer)
    assert landed == [True]


def test_a_customer_that_is_disconnected_before_a_posting_is_written_gets_none(customer: str) -> None:
    wallet = add_wallet(customer)
    with once("purser.ledger.store.books.DynamoBooks.post", lambda: disconnect(customer)) as disconnected:
        assert not deposit(wallet)
    assert disconnected == [True]


def test_a_customer_that_is_disconnected_before_a_wallet_is_written_gets_none(customer: str) -> None:
    refused = pytest.raises(errors.WalletRequestRefused)
    with once(f"{STORE}.create", lambda: disconnect(customer)) as disconnected, refused:
        add_wallet(customer)
    assert disconnected == [True]


def test_of_a_disconnection_and_concurrent_deposits_one_side_wins(apis: Apis) -> None:
    for _ in range(scaled(6)):
        customer = apis.add_customer()
        wallet = add_wallet(customer)
        calls = [partial(deposit, wallet) for _ in range(7)]
        calls.insert(3, partial(disconnect, customer))
        with ThreadPoolExecutor(len(calls)) as threads:
            landed = [each.result() for each in [threads.submit(each) for each in calls]]
        disconnected = landed.pop(3)
        assert landed == [not disconnected] * 7
