"""The books of the ledger balance, and its answers are true, under concurrency, faults and crashes.

hypothesis drives deposits, withdrawals, transfers, freezes, closes and reversals from many threads at once against
DynamoDB Local. Meanwhile writes are throttled, meet conflicts or lose their answers, and processes are killed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from purser import process
from purser.aws import clients
from purser.errors import PurserError, Unavailable, WalletError
from purser.ledger.model import ACCOUNTING_WALLET_ID, Transaction, Wallet, WalletStatus
from tests.support.effort import examples
from tests.support.ledger import ADMIN, Bed, bed, check_books, faults, new_table, nonzero, scan, transactions

THREADS = 6
OWNERS = ("ann", "bob", "cyd", "dealer", "house")
ASSETS = ("BTC", "USDT")

amounts = st.sampled_from(["1", "2.5", "40", "0.000000000000000001", "12345678901234567.123456789012345678"])
wallet_numbers = st.integers(0, len(OWNERS) - 1)
fault_sequences = st.lists(
    st.sampled_from([None, None, None, "throttle", "conflict", "conflict", "unsent", "lost", "lost"]), max_size=20
)


@dataclass
class Deed:
    """One request, sent once or several times under one key."""

    kind: str
    source: int
    destination: int
    asset: str
    amount: Decimal
    times: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    reversed_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answers: list[Transaction | Wallet | PurserError] = field(default_factory=list)

    def done(self) -> list[Transaction]:
        """Return the transactions among the answers."""
        return [answer for answer in self.answers if isinstance(answer, Transaction)]


deeds = st.builds(
    Deed,
    kind=st.sampled_from(["deposit", "deposit", "withdraw", "transfer", "transfer", "transfer", "reverse"]),
    source=wallet_numbers,
    destination=wallet_numbers,
    asset=st.sampled_from(ASSETS),
    amount=amounts.map(Decimal),
    times=st.integers(1, 3),
)
changes = st.tuples(st.sampled_from(["freeze", "unfreeze", "unfreeze", "close"]), wallet_numbers)


class Books(RuleBasedStateMachine):
    """A ledger under concurrent requests and faults."""

    @initialize()
    def open(self) -> None:
        self.bed: Bed = bed(new_table())
        self.wallets = [
            self.bed.wallet(owner, allow_negative=owner in ("dealer", "house"), BTC="100", USDT="100")
            for owner in OWNERS
        ]
        self.answered: dict[str, Transaction] = {}

    @rule(deeds=st.lists(deeds, min_size=1, max_size=8), changes=st.lists(changes, max_size=2), met=fault_sequences)
    def at_once(self, deeds: list[Deed], changes: list[tuple[str, int]], met: list[str | None]) -> None:
        """Send many requests at once, some of them several times."""
        self._aim(deeds)
        with faults(met), ThreadPoolExecutor(THREADS) as threads:
            running = [threads.submit(self._change, *change) for change in changes]
            running += [threads.submit(self._send, deed) for deed in deeds for _ in range(deed.times)]
            for each in running:
                each.result()
        for deed in deeds:
            self._settle(deed)

    @rule(deed=deeds, end=st.sampled_from(["killed-before", "killed-after"]), before=st.integers(0, 1))
    def killed(self, deed: Deed, end: str, before: int) -> None:
        """Kill a process while it writes, before or after the write reached the table."""
        self._aim([deed])
        child = os.fork()
        if child == 0:
            process.forget(clients.client)
            with faults([None] * before + [end]):
                self._send(deed)
            os._exit(0)
        os.waitpid(child, 0)
        self._settle(deed)

    @rule(number=wallet_numbers)
    def freeze(self, number: int) -> None:
        """Check that a frozen wallet neither sends nor receives."""
        wallet_id = self.wallets[number].id
        self._change("freeze", number)
        if self.bed.wallets.existing(wallet_id).status is WalletStatus.ACTIVE:
            return
        balances = self.bed.wallets.balances(self.bed.wallets.existing(wallet_id))
        deed = Deed("deposit", number, number, "BTC", Decimal(1), 1)
        self._send(deed)
        assert not deed.done()
        assert self.bed.wallets.balances(self.bed.wallets.existing(wallet_id)) == balances

    @rule(number=wallet_numbers)
    def empty_and_close(self, number: int) -> None:
        """Empty and close a wallet, and check that later postings are refused."""
        wallet_id = self.wallets[number].id
        for asset, amount in self.bed.wallets.balances(self.bed.wallets.existing(wallet_id)).items():
            kind = "withdraw" if amount > 0 else "deposit"
            self._settle(Deed(kind, number, number, asset, abs(amount), 1))
        self._change("close", number)
        wallet = self.bed.wallets.existing(wallet_id)
        if wallet.status is WalletStatus.CLOSED:
            deed = Deed("deposit", number, number, "BTC", Decimal(1), 1)
            self._send(deed)
            assert not deed.done()

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "answered"):
            return
        balances = check_books(self.bed.table)
        assert self.bed.wallets.balances_of(self.wallets) == {
            wallet.id: nonzero(balances.get(wallet.id, {})) for wallet in self.wallets
        }

    @invariant()
    def nothing_that_was_answered_is_missing(self) -> None:
        if not hasattr(self, "answered"):
            return
        stored = {transaction.id: transaction for transaction in transactions(scan(self.bed.table))}
        assert all(stored.get(transaction.id) == transaction for transaction in self.answered.values())

    def _aim(self, deeds: list[Deed]) -> None:
        """Make reversals of answered transactions, some of them of the same one."""
        for deed, transaction_id in zip(deeds, sorted(self.answered)[:3] * len(deeds), strict=False):
            deed.reversed_id = transaction_id

    def _send(self, deed: Deed) -> None:
        try:
            deed.answers.append(self._do(deed))
        except (WalletError, Unavailable) as error:
            deed.answers.append(error)

    def _do(self, deed: Deed) -> Transaction:
        # Each request comes from a new process without caches.
        ledger = bed(self.bed.table).ledger
        source, destination = self.wallets[deed.source].id, self.wallets[deed.destination].id
        if deed.kind == "deposit":
            return ledger.deposit(ADMIN, source, deed.asset, deed.amount, deed.key, deed.key)
        if deed.kind == "withdraw":
            return ledger.withdraw(ADMIN, source, deed.asset, deed.amount, deed.key)
        if deed.kind == "transfer" and source != destination:
            return ledger.transfer(ADMIN, source, destination, deed.asset, deed.amount, deed.key)
        return ledger.reverse(ADMIN, deed.reversed_id, "mistake", deed.key)

    def _settle(self, deed: Deed) -> None:
        """Repeat the request without faults: it must be done for all callers, or refused."""
        self._send(deed)
        last = deed.answers[-1]
        assert not isinstance(last, Unavailable)
        done = deed.done()
        if done:
            assert done[-1] is last, "a request that succeeded was refused later"
            assert all(transaction == last for transaction in done), "one request had two outcomes"
            self.answered[done[-1].id] = done[-1]

    def _change(self, change: str, number: int) -> None:
        with suppress(WalletError, Unavailable):
            getattr(bed(self.bed.table).wallets, change)(ADMIN, self.wallets[number].id)


@pytest.fixture(scope="module", autouse=True)
def _short_closings(dynamodb: str) -> Iterator[None]:
    # An interrupted closing must be cancelled within the time of a test.
    with patch("purser.ledger.store.wallet_store.CLOSING_MS", 150):
        yield


def test_the_books_balance_under_concurrency_and_faults() -> None:
    run_state_machine_as_test(
        Books,
        settings=examples(
            12,
            stateful_step_count=8,
            # With threads a shrunk example may not fail again, so the first failure says more.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_accounting_wallet_has_a_canonical_uuid() -> None:
    assert str(uuid.UUID(ACCOUNTING_WALLET_ID)) == ACCOUNTING_WALLET_ID
