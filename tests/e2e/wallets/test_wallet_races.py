"""Test concurrent wallet requests over HTTP: transfers, idempotency keys, and closing against deposits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.support.samples import WALLETS
from tests.support.wallet_client import WalletClient, movement, transfer

AT_ONCE = 50
Call = Callable[[], tuple[int, Any]]


@pytest.fixture(scope="module")
def at_once() -> Iterator[Callable[[Sequence[Call]], list[tuple[int, Any]]]]:
    """Return a function that makes calls at the same instant and returns their answers in order."""
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:

        def make(calls: Sequence[Call]) -> list[tuple[int, Any]]:
            start = threading.Barrier(len(calls))

            def begin(call: Call) -> tuple[int, Any]:
                start.wait(60)
                return call()

            return list(pool.map(begin, calls))

        yield make


def test_one_of_many_concurrent_transfers_of_a_full_balance_succeeds(
    user: WalletClient, other: WalletClient, admin: WalletClient, at_once: Any
) -> None:
    own_wallet, other_wallet = user.create(), other.create()
    admin.done("deposit", movement(own_wallet, "7"))
    body = transfer(own_wallet, other_wallet, "7")
    answers = at_once([lambda: user.post_wallet("transfer", body, str(uuid4()))] * AT_ONCE)
    assert Counter((status, answer.errno) for status, answer in answers) == {(200, 0): 1, (400, -140004): AT_ONCE - 1}
    refused = {answer.error for status, answer in answers if status == 400}
    assert refused == {"Insufficient available balance: 0 USDT < 7 USDT"}
    assert (user.balances(own_wallet), other.balances(other_wallet)) == ({}, {"USDT": "7"})


def test_concurrent_requests_with_one_idempotency_key_transfer_once_and_answer_alike(
    user: WalletClient, other: WalletClient, admin: WalletClient, at_once: Any
) -> None:
    own_wallet, other_wallet, key = user.create(), other.create(), str(uuid4())
    admin.done("deposit", movement(own_wallet, "7"))
    answers = at_once([lambda: user.post_wallet("transfer", transfer(own_wallet, other_wallet, "7"), key)] * AT_ONCE)
    assert answers == [(200, answers[0][1])] * AT_ONCE
    assert [row.transactionId for row in other.list(f"{WALLETS}/entry/list", walletId=other_wallet.walletId)] == [
        answers[0][1].details.transactionId
    ]
    assert (user.balances(own_wallet), other.balances(other_wallet)) == ({}, {"USDT": "7"})


@pytest.mark.parametrize("place", [0, AT_ONCE // 2])
def test_a_wallet_closes_or_takes_concurrent_deposits_but_not_both(
    user: WalletClient, admin: WalletClient, at_once: Any, place: int
) -> None:
    own_wallet = user.create()
    calls: list[Call] = [lambda: admin.post_wallet("deposit", movement(own_wallet, "1"))] * AT_ONCE
    calls.insert(place, lambda: admin.post_wallet("close", {"walletId": own_wallet.walletId}))
    answers = at_once(calls)
    closing, closed = answers.pop(place)
    outcomes = Counter((status, answer.errno) for status, answer in answers)
    if closing == 200:
        assert (user.get(own_wallet).status, outcomes) == ("CLOSED", {(400, -140008): AT_ONCE})
        assert user.balances(own_wallet) == {}
    else:
        assert (closing, closed.errno) == (400, -140007)
        assert (user.get(own_wallet).status, outcomes) == ("ACTIVE", {(200, 0): AT_ONCE})
        assert user.balances(own_wallet) == {"USDT": str(AT_ONCE)}
