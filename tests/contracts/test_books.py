"""The contract of the store of results."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.books.model import EndReason, OtherFee, TradeResult
from purser.books.ports import ResultStore
from purser.books.store import DynamoResultStore
from tests.support.books import FakeResults

D = Decimal
NOW = 1_700_000_000_000


@pytest.fixture
def store(tables: dict[str, str] | None) -> ResultStore:
    return DynamoResultStore(Table(tables["ORDERS_TABLE"])) if tables else FakeResults()


def a_result(follow_id: str, signal_id: str = "signal-2") -> TradeResult:
    return TradeResult(
        id=str(uuid4()),
        user_id="user",
        trading_account_id="account",
        follow_id=follow_id,
        signal_id=signal_id,
        symbol="BTC/USDT",
        side="BUY",
        reason=EndReason.STOP,
        amount=D("0.17500000"),
        entry_price=D("20000.12345678"),
        exit_price=D("19000.00000001"),
        opened_at=NOW,
        closed_at=NOW + 60_000,
        profit=D("-175.02160490"),
        fees=D("3.41250000"),
        funding=D("-0.00000001"),
        other_fees=(OtherFee("BNB", D("0.00123400"), D("612.37")), OtherFee("OLD", D("1.00000000"), None)),
        risk_multiple=D("-0.8940"),
        slippage_percent=D("0.0012"),
    )


def test_a_result_is_read_as_it_was_stored(store: ResultStore) -> None:
    follow = str(uuid4())
    bare = replace(a_result(follow, "signal-1"), other_fees=(), risk_multiple=None, slippage_percent=None)
    for result in (bare, a_result(follow)):
        assert not store.has(follow, result.signal_id)
        store.add(result)
        assert store.has(follow, result.signal_id)
        assert store.between(follow, result.signal_id, result.signal_id) == {result.signal_id: result}


def test_the_first_result_of_a_trade_stays(store: ResultStore) -> None:
    result = a_result(str(uuid4()))
    store.add(result)
    store.add(replace(result, profit=D(1)))
    assert store.between(result.follow_id, "signal-2", "signal-2") == {"signal-2": result}


def test_results_are_found_by_the_range_of_their_signals(store: ResultStore) -> None:
    follow, other = str(uuid4()), str(uuid4())
    for number in range(1, 5):
        store.add(a_result(follow, f"signal-{number}"))
        store.add(a_result(other, f"signal-{number}"))
    assert sorted(store.between(follow, "signal-2", "signal-3")) == ["signal-2", "signal-3"]
