"""The rules of the ledger."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, Inexact
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.actor import Actor
from purser.errors import (
    BalanceOutOfRange,
    Contended,
    InsufficientBalance,
    WalletAlreadyFrozen,
    WalletClosed,
    WalletForbidden,
    WalletNotFrozen,
    WalletRequestRefused,
)
from purser.http.wire import dump
from purser.ledger.model import (
    ACCOUNTING_WALLET_ID,
    EXACT,
    LIMIT,
    SINGLE,
    BalanceShard,
    Posting,
    Transaction,
    TransactionType,
    Wallet,
    WalletChange,
    WalletStatus,
    WalletType,
    may_follow_closing,
    moving,
    must_be_closable,
    must_be_freezable,
    must_be_frozen,
    parse_amount,
    refusal,
    reversed_postings,
    summed,
    wallet_changes,
)
from purser.ledger.schemas.wallets import WalletAnswer
from purser.ledger.service import Timeline
from purser.pages import MOST_BYTES, MOST_PASSED_OVER, cut

NOW = 1_700_000_000_000

amounts = st.decimals(
    min_value=Decimal("0.000000000000000001"), max_value=LIMIT - 1, places=18, allow_nan=False, allow_infinity=False
)


def wallet(wallet_id: str = "a", *, allow_negative: bool = False, **changes: Any) -> Wallet:
    built = Wallet(wallet_id, "owner", WalletType.CLIENT, WalletStatus.ACTIVE, allow_negative, {}, NOW, NOW)
    return replace(built, **changes)


def transaction(kind: TransactionType = TransactionType.TRANSFER, **moved: str) -> Transaction:
    postings = tuple(Posting(wallet_id, "USDT", Decimal(amount)) for wallet_id, amount in moved.items())
    return Transaction("id", kind, postings, NOW, "s")


@given(amounts)
def test_an_amount_is_parsed_exactly_from_its_notation(amount: Decimal) -> None:
    assert parse_amount(f"{amount:f}") == amount
    assert parse_amount(amount) == amount


@pytest.mark.parametrize("text", ["1", "1.0", "1.00", "01", 1, Decimal("1.000"), Decimal("0.1E1")])
def test_notations_of_one_amount_parse_to_the_same_decimal(text: object) -> None:
    assert parse_amount(text).as_tuple() == Decimal(1).as_tuple()


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "+1", "1e3", ".5", "1.", "", " 1", "٣", "1" * 65, "0." + "0" * 18 + "1", 0, -1, True, None, 1.5, []],
)
def test_invalid_amounts_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_amount(value)


@pytest.mark.parametrize("value", ["1" + "0" * 20, "9" * 60, Decimal("1E+999999"), 10**60])
def test_amounts_larger_than_any_balance_are_out_of_range(value: object) -> None:
    with pytest.raises(BalanceOutOfRange):
        moving("a", "b", "USDT", parse_amount(value))


@given(amounts, amounts)
def test_sums_are_exact(one: Decimal, other: Decimal) -> None:
    total = summed([("X", one), ("X", other)])["X"]
    assert EXACT.subtract(total, other) == one


def test_a_sum_that_would_round_is_an_error() -> None:
    with pytest.raises(Inexact):
        summed([("X", Decimal(1).scaleb(70)), ("X", Decimal(1))])


@given(amounts)
def test_a_reversal_restores_every_digit(amount: Decimal) -> None:
    built = Transaction("id", TransactionType.TRANSFER, moving("a", "b", "USDT", amount), NOW, "s")
    undone = reversed_postings(built)
    both = summed((f"{p.wallet_id} {p.asset}", p.amount) for p in (*built.postings, *undone))
    assert not any(both.values())


@pytest.mark.parametrize("moved", [{"a": "1"}, {"a": "1", "b": "-2"}, {"a": "0.1", "b": "0.1"}, {}])
def test_a_transaction_that_does_not_sum_to_zero_is_refused(moved: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="sum to zero"):
        transaction(TransactionType.TRANSFER, **moved)


def test_a_transaction_has_one_posting_for_each_wallet_and_asset() -> None:
    postings = tuple(Posting("a", "X", Decimal(n)) for n in (1, -1))
    with pytest.raises(ValueError, match="one posting"):
        Transaction("id", TransactionType.TRANSFER, postings, NOW, "s")


def test_the_digest_depends_on_the_request_alone() -> None:
    built = transaction(a="-1", b="1")
    assert built.digest == replace(transaction(a="-1.00", b="1.0"), id="other", created_at=1, sequence="t").digest
    for other in (
        transaction(a="-2", b="2"),
        transaction(a="-1", c="1"),
        transaction(TransactionType.DEPOSIT, a="-1", b="1"),
        replace(built, external_ref="r"),
        replace(built, reason="r"),
    ):
        assert other.digest != built.digest


def test_entries_have_stable_unique_ids() -> None:
    built = transaction(a="-1", b="1")
    ids = [entry.id for entry in built.entries]
    assert len(set(ids)) == 2
    assert ids == [entry.id for entry in built.entries]


def test_a_wallet_that_may_go_negative_has_a_shard_for_each_counterparty() -> None:
    wallets = {"a": wallet("a"), "hot": wallet("hot", allow_negative=True)}
    own_change, hot = wallet_changes(transaction(a="-1", hot="1"), wallets, frozenset())
    assert (own_change.shard, hot.shard) == (SINGLE, "a")
    _, closed = wallet_changes(transaction(TransactionType.REVERSAL, a="-1", hot="1"), wallets, frozenset({"hot"}))
    assert (closed.shard, closed.after_closing, closed.to_zero) == (SINGLE, True, False)


@pytest.mark.parametrize(
    ("change", "balance", "negative", "to_zero", "expected"),
    [
        ("-5", "3", False, False, InsufficientBalance),
        ("-5", "6", False, True, WalletClosed),
        ("-5", "4", False, True, WalletClosed),
        ("1", "99999999999999999999", False, False, BalanceOutOfRange),
        ("-1", "-99999999999999999999", True, False, BalanceOutOfRange),
    ],
)
def test_a_refused_posting_names_the_rule_it_broke(
    change: str, balance: str, expected: type[Exception], *, negative: bool, to_zero: bool
) -> None:
    wallet_change = WalletChange("a", SINGLE, {"USDT": Decimal(change)}, negative, to_zero, to_zero)
    error = refusal(wallet_change, BalanceShard("ACTIVE", 1, {"USDT": Decimal(balance)}))
    assert type(error) is expected


def test_a_refusal_names_balance_and_amount() -> None:
    wallet_change = WalletChange("a", SINGLE, {"USDT": Decimal("-5E+3")}, may_go_negative=False)
    shard = BalanceShard("ACTIVE", 1, {"USDT": Decimal("3E+3")})
    assert str(refusal(wallet_change, shard)) == "Insufficient available balance: 3000 USDT < 5000 USDT"
    # DynamoDB may return 6.0 as the sum of 12.5 and -6.5.
    wallet_change, shard = (
        replace(wallet_change, changes={"USDT": Decimal("-7.50")}),
        BalanceShard("ACTIVE", 1, {"USDT": Decimal("6.0")}),
    )
    assert str(refusal(wallet_change, shard)) == "Insufficient available balance: 6 USDT < 7.5 USDT"


def test_a_closed_wallet_accepts_only_reversals_and_withdrawals_from_it() -> None:
    assert may_follow_closing(transaction(TransactionType.REVERSAL, a="-1", b="1"), "b")
    assert may_follow_closing(transaction(TransactionType.WITHDRAWAL, a="-1", b="1"), "a")
    assert not may_follow_closing(transaction(TransactionType.WITHDRAWAL, a="-1", b="1"), "b")
    assert not may_follow_closing(transaction(TransactionType.DEPOSIT, a="-1", b="1"), "b")
    assert not may_follow_closing(transaction(TransactionType.TRANSFER, a="-1", b="1"), "a")


def test_wallets_freeze_and_close_only_from_the_right_states() -> None:
    active, frozen, closed = (wallet(status=status) for status in WalletStatus)
    must_be_freezable(active, NOW)
    must_be_freezable(replace(frozen, freezing=True), NOW)
    must_be_freezable(replace(active, closing_until=NOW), NOW)
    must_be_frozen(frozen, NOW)
    must_be_closable(active, NOW)
    must_be_closable(frozen, NOW)
    for rule, refused, error in [
        (must_be_freezable, frozen, WalletAlreadyFrozen),
        (must_be_freezable, closed, WalletClosed),
        (must_be_freezable, replace(active, closing_until=NOW + 1), Contended),
        (must_be_freezable, replace(active, id=ACCOUNTING_WALLET_ID), WalletRequestRefused),
        (must_be_frozen, active, WalletNotFrozen),
        (must_be_frozen, closed, WalletClosed),
        (must_be_closable, closed, WalletClosed),
        (must_be_closable, replace(active, closing_until=NOW + 1), Contended),
        (must_be_closable, replace(active, id=ACCOUNTING_WALLET_ID), WalletRequestRefused),
    ]:
        with pytest.raises(error):
            rule(refused, NOW)


def test_wallets_are_open_to_their_owner_and_admins() -> None:
    wallet().must_be_open_to(Actor("owner"))
    wallet().must_be_open_to(Actor("somebody", is_admin=True))
    with pytest.raises(WalletForbidden):
        wallet().must_be_open_to(Actor("somebody"))


def test_times_of_transactions_never_go_back() -> None:
    times = iter([5, 5, 4, 6])
    timeline = Timeline(lambda: next(times))
    sequences = [timeline.next() for _ in range(4)]
    assert [milliseconds for milliseconds, _ in sequences] == [5, 5, 5, 6]
    assert [text for _, text in sequences] == sorted({text for _, text in sequences})


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 7), st.integers(0, 9))
def test_pages_make_up_the_whole_list(wanted: list[bool], limit: int, offset: int) -> None:
    rows = [(f"{i:03d}", (i, want)) for i, want in enumerate(wanted)]
    found: list[tuple[int, bool]] = []
    position, skip = "", offset
    while True:
        page = cut((row for row in rows if row[0] > position), lambda row: row[1], limit, skip)
        found += page.rows
        if page.position is None:
            break
        assert len(page.rows) == limit
        position, skip = page.position, 0
    assert found == [row for _, row in rows if row[1]][offset:]


@pytest.mark.parametrize("bytes_each", [1, 7, MOST_BYTES // 10, MOST_BYTES - 1, MOST_BYTES, 3 * MOST_BYTES])
def test_a_page_of_large_rows_ends_early_and_the_next_one_continues(bytes_each: int) -> None:
    rows = [(f"{i:02d}", i) for i in range(30)]
    found: list[int] = []
    position: str | None = ""
    while position is not None:
        page = cut((row for row in rows if row[0] > str(position)), lambda _: True, 20, size=lambda _: bytes_each)
        assert 1 <= len(page.rows) <= 20
        assert (len(page.rows) - 1) * bytes_each < MOST_BYTES
        found += page.rows
        position = page.position
    assert found == list(range(30))


@pytest.mark.parametrize("text", ["a", "\u00e9", "\U0001f600", '"', "\\"])
def test_the_size_of_a_wallet_is_no_less_than_on_the_wire(text: str) -> None:
    large = wallet(str(uuid4()), metadata={f"{i} {text * 60}": text * 512 for i in range(50)}, account_id=str(uuid4()))
    on_the_wire = len(dump(WalletAnswer.model_validate(large).model_dump()))
    assert on_the_wire <= large.size <= 7 * on_the_wire


def test_a_page_ends_after_a_bounded_number_of_rows() -> None:
    rows = [(f"{i:05d}", i) for i in range(3 * MOST_PASSED_OVER)]
    page = cut(iter(rows), lambda i: i == 2 * MOST_PASSED_OVER, 10)
    assert (page.rows, page.position) == ((), rows[MOST_PASSED_OVER][0])
    page = cut((row for row in rows if row[0] > (page.position or "")), lambda i: i == 2 * MOST_PASSED_OVER, 10)
    assert page.rows == (2 * MOST_PASSED_OVER,)
