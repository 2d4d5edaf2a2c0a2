"""Races of the ledger: threads against DynamoDB Local."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest

from purser.aws.tables import Table, from_wire
from purser.errors import InsufficientBalance, PurserError, Unavailable, WalletClosed, WalletFrozen, WalletNotEmpty
from purser.ledger.model import Transaction, Wallet, WalletStatus
from purser.ledger.wallets import NewWallet
from tests.support.effort import scaled
from tests.support.ledger import (
    ADMIN,
    WRITES,
    bed,
    check_books,
    faults,
    new_table,
    recorded,
)

STORE = "purser.ledger.store.wallet_store.DynamoWalletStore"
AT_ONCE = 50
ROUNDS = scaled(4)
DEPOSITS = scaled(40, long=AT_ONCE)
"""The deposits that race a close. All of them change one item, so each of them costs more the more there are."""
CLOSING_MS = 300


@pytest.fixture(scope="module")
def table(dynamodb: str) -> Iterator[Table]:
    with patch("purser.ledger.store.wallet_store.CLOSING_MS", CLOSING_MS):
        wallets_table = new_table()
        yield wallets_table
        check_books(wallets_table)


def outcomes(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make the calls at the same time, and return what each returned or raised."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except PurserError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_concurrent_transfers_of_the_full_balance_move_it_once(table: Table) -> None:
    it = bed(table)
    source, destination = it.wallet(USDT="10"), it.wallet()
    found = outcomes(
        [
            lambda: it.ledger.transfer(ADMIN, source.id, destination.id, "USDT", Decimal(10), str(uuid.uuid4()))
            for _ in range(AT_ONCE)
        ]
    )
    assert sum(isinstance(answer, Transaction) for answer in found) == 1
    assert sum(isinstance(answer, InsufficientBalance) for answer in found) == AT_ONCE - 1
    assert it.balance(destination.id, "USDT") == 10


def test_concurrent_transfers_with_one_idempotency_key_get_the_same_answer(table: Table) -> None:
    it = bed(table)
    source, destination, key = it.wallet(USDT="10"), it.wallet(), str(uuid.uuid4())
    found = outcomes(
        [
            lambda: bed(table).ledger.transfer(ADMIN, source.id, destination.id, "USDT", Decimal(10), key)
            for _ in range(AT_ONCE)
        ]
    )
    assert isinstance(found[0], Transaction)
    assert found == [found[0]] * AT_ONCE
    assert it.balance(destination.id, "USDT") == 10


@pytest.mark.parametrize("dealer", [False, True])
def test_a_close_racing_deposits_refuses_either_the_close_or_all_deposits(table: Table, *, dealer: bool) -> None:
    for round_ in range(ROUNDS * 2):
        it = bed(table)
        wallet = it.wallet(allow_negative=dealer)
        calls: list[Callable[[], Any]] = [_deposit(table, wallet) for _ in range(DEPOSITS)]
        calls.insert((DEPOSITS * round_) // (ROUNDS * 2), partial(it.wallets.close, ADMIN, wallet.id))
        found = outcomes(calls)
        (close,) = [
            a
            for a in found
            if isinstance(a, (Wallet, WalletNotEmpty)) or not isinstance(a, (Transaction, WalletClosed))
        ]
        landed = sum(isinstance(answer, Transaction) for answer in found)
        status = it.wallets.existing(wallet.id).status
        if isinstance(close, Wallet):
            assert (landed, status) == (0, WalletStatus.CLOSED)
            assert sum(isinstance(answer, WalletClosed) for answer in found) == DEPOSITS
        else:
            assert isinstance(close, WalletNotEmpty)
            assert (landed, status) == (DEPOSITS, WalletStatus.ACTIVE)
        assert it.balance(wallet.id, "USDT") == landed


def _deposit(table: Table, wallet: Wallet) -> Callable[[], Transaction]:
    ref = str(uuid.uuid4())
    return lambda: bed(table).ledger.deposit(ADMIN, wallet.id, "USDT", Decimal(1), ref)


@pytest.mark.parametrize("dealer", [False, True])
def test_no_posting_lands_after_a_freeze_has_returned(table: Table, *, dealer: bool) -> None:
    for _ in range(ROUNDS):
        it = bed(table)
        wallet = it.wallet(allow_negative=dealer)
        counterparties = [it.wallet(BTC="1000") for _ in range(6)]
        stop = threading.Event()

        def hammer(counterparty: Wallet, wallet: Wallet = wallet, stop: threading.Event = stop) -> int:
            # A new process each time, so that its first contact with the wallet races the freeze too.
            landed = 0
            while not stop.is_set():
                try:
                    bed(table).ledger.transfer(ADMIN, counterparty.id, wallet.id, "BTC", Decimal(1))
                    landed += 1
                except WalletFrozen:
                    pass
            return landed

        with ThreadPoolExecutor(len(counterparties)) as threads:
            running = [threads.submit(hammer, each) for each in counterparties]
            stop.wait(0.05)
            it.wallets.freeze(ADMIN, wallet.id)
            frozen_at = it.balance(wallet.id, "BTC")
            stop.wait(0.1)
            stop.set()
            landed = sum(each.result() for each in running)
        assert it.balance(wallet.id, "BTC") == frozen_at == landed
        it.wallets.unfreeze(ADMIN, wallet.id)
        it.ledger.transfer(ADMIN, counterparties[0].id, wallet.id, "BTC", Decimal(1))
        assert it.balance(wallet.id, "BTC") == landed + 1


@contextmanager
def interrupted(step: str, call: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Make a call on its own thread, and stop it at a step until the block ends."""
    reached, go_on = threading.Event(), threading.Event()
    *owner, name = step.split(".")
    original = getattr(import_module(".".join(owner[:-1])), owner[-1]).__dict__[name]

    def waiting(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread().name.startswith("interrupted") and not reached.is_set():
            reached.set()
            assert go_on.wait(120)
        return original(*arguments, **named)

    with patch(step, waiting), ThreadPoolExecutor(1, thread_name_prefix="interrupted") as thread:
        running = thread.submit(call)
        assert reached.wait(120)
        try:
            yield running
        finally:
            go_on.set()
            wait([running])


@pytest.mark.parametrize("step", ["purser.aws.tables.Table.put", f"{STORE}.get", f"{STORE}._set_shard"])
def test_a_first_posting_begun_before_a_freeze_does_not_land_after_it(table: Table, step: str) -> None:
    it = bed(table)
    dealer, client = it.wallet(allow_negative=True), it.wallet(USDT="5")
    transfer = partial(it.ledger.transfer, ADMIN, client.id, dealer.id, "USDT", Decimal(1))
    with interrupted(step, transfer) as posting:
        it.wallets.freeze(ADMIN, dealer.id)
    with pytest.raises(WalletFrozen):
        posting.result()
    assert it.balance(dealer.id, "USDT") == 0


@pytest.mark.parametrize(
    ("dealer", "step"),
    [(False, "_with_single_shard"), (True, "_write"), (True, "_stop_shards")],
)
def test_a_deposit_that_lands_before_a_close_keeps_the_wallet_open(table: Table, step: str, *, dealer: bool) -> None:
    it = bed(table)
    wallet = it.wallet(allow_negative=dealer)
    longer = patch("purser.ledger.store.wallet_store.CLOSING_MS", 60_000)
    with longer, interrupted(f"{STORE}.{step}", partial(it.wallets.close, ADMIN, wallet.id)) as closing:
        if step == "_stop_shards":  # the wallet is closing, so the first posting waits
            with pytest.raises(Unavailable), patch("purser.retrying.backoff"):
                it.ledger.deposit(ADMIN, wallet.id, "USDT", Decimal(1), "waits")
        else:
            it.ledger.deposit(ADMIN, wallet.id, "USDT", Decimal(1), "lands")
    if step == "_stop_shards":
        assert closing.result().status is WalletStatus.CLOSED
    else:
        with pytest.raises(WalletNotEmpty):
            closing.result()
        it.ledger.deposit(ADMIN, wallet.id, "USDT", Decimal(1), "lands later")
        assert it.balance(wallet.id, "USDT") == 2


def test_a_timeout_after_the_commit_is_a_success(table: Table) -> None:
    it = bed(table)
    source, destination = it.wallet(USDT="10"), it.wallet()
    with faults(["lost"]):
        transaction = it.ledger.transfer(ADMIN, source.id, destination.id, "USDT", Decimal(1))
    assert it.ledger.transactions(ADMIN, destination.id, limit=10).rows == (transaction,)
    for fault in ("throttle", "unsent"):
        with faults([fault]), pytest.raises(Unavailable):
            it.ledger.transfer(ADMIN, source.id, destination.id, "USDT", Decimal(1))
    with faults(["conflict"] * 3):
        it.ledger.transfer(ADMIN, source.id, destination.id, "USDT", Decimal(1))
    assert it.balance(destination.id, "USDT") == 2


def test_an_interrupted_closing_is_cancelled(table: Table) -> None:
    it = bed(table)
    dealer, client = it.wallet(allow_negative=True), it.wallet(USDT="5")
    it.ledger.transfer(ADMIN, client.id, dealer.id, "USDT", Decimal(1))
    it.ledger.transfer(ADMIN, dealer.id, client.id, "USDT", Decimal(1))
    # The closing is written and the shard is stopped; then the writes fail.
    with faults([None, None, "unsent"]), pytest.raises(Unavailable):
        it.wallets.close(ADMIN, dealer.id)
    assert it.wallets.existing(dealer.id).closing_until is not None
    it.ledger.transfer(ADMIN, client.id, dealer.id, "USDT", Decimal(1))
    assert it.balance(dealer.id, "USDT") == 1
    assert it.wallets.existing(dealer.id).closing_until is None


def test_an_interrupted_freeze_is_completed_by_the_next(table: Table) -> None:
    it = bed(table)
    dealer, client = it.wallet(allow_negative=True), it.wallet(USDT="5")
    it.ledger.transfer(ADMIN, client.id, dealer.id, "USDT", Decimal(1))
    with faults([None, "unsent"]), pytest.raises(Unavailable):
        it.wallets.freeze(ADMIN, dealer.id)
    assert it.wallets.existing(dealer.id).freezing
    assert not it.wallets.freeze(ADMIN, dealer.id).freezing
    with pytest.raises(WalletFrozen):
        it.ledger.transfer(ADMIN, client.id, dealer.id, "USDT", Decimal(1))


def test_postings_of_different_counterparties_share_no_item(table: Table) -> None:
    """Neither the first posting of a pair of wallets nor a later one may write or check a shared item."""
    it = bed(table)
    dealer = it.wallet(allow_negative=True)
    touched: dict[str, set[tuple[str, str]]] = {}
    for client in [it.wallet() for _ in range(scaled(20, long=180))]:
        with recorded() as asked:
            it.ledger.deposit(ADMIN, client.id, "USDT", Decimal(2), "first", str(uuid.uuid4()))
            it.ledger.deposit(ADMIN, client.id, "USDT", Decimal(2), "second", str(uuid.uuid4()))
            it.ledger.withdraw(ADMIN, client.id, "USDT", Decimal(1), "third")
            transaction = it.ledger.transfer(ADMIN, client.id, dealer.id, "USDT", Decimal(1))
            it.ledger.transfer(ADMIN, dealer.id, client.id, "BTC", Decimal(1), str(uuid.uuid4()))
            it.ledger.reverse(ADMIN, transaction.id, "mistake")
        touched[client.id] = _touched(asked)
    owners: dict[tuple[str, str], str] = {}
    for client_id, keys in touched.items():
        assert len(keys) > 20
        for key in keys:
            assert owners.setdefault(key, client_id) == client_id, f"{key} is shared"


def _touched(asked: list[tuple[str, dict[str, Any]]]) -> set[tuple[str, str]]:
    """Return the keys of all items that were written, or checked by a transaction."""
    writes = [request for name, request in asked if name in WRITES]
    parts = [part for request in writes for part in request.get("TransactItems", [{"single": request}])]
    items = [from_wire(written.get("Key") or written["Item"]) for part in parts for written in part.values()]
    return {(item["PK"], item["SK"]) for item in items}


@pytest.mark.parametrize("dealer", [False, True])
def test_creating_a_wallet_again_leaves_it_unchanged(table: Table, *, dealer: bool) -> None:
    it = bed(table)
    made = it.wallet(allow_negative=dealer)
    it.wallets.freeze(ADMIN, made.id)
    again = NewWallet(made.id, made.owner_id, made.type, allow_negative=dealer)
    assert it.wallets.create(ADMIN, again).status is WalletStatus.FROZEN
    assert it.wallets.existing(made.id).status is WalletStatus.FROZEN
