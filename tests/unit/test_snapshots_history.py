"""Reading the balance history."""

from __future__ import annotations

from decimal import Decimal

import pytest

from purser.errors import FieldError, InvalidInput
from purser.snapshots.history import BalanceHistory
from purser.snapshots.model import Snapshot, Source
from tests.support.fakes import FakeTradingAccounts
from tests.support.snapshots import FakeSnapshots

DAYS = ["2026-01-02", "2026-01-01", "2025-12-31", "2025-12-29"]


@pytest.fixture
def history() -> BalanceHistory:
    store = FakeSnapshots(FakeTradingAccounts())
    for number, day in enumerate(DAYS):
        store.keep(Snapshot("key", day, Decimal(number), Source.LIVE, 0))
    store.keep(Snapshot("other", "2026-01-02", Decimal(9), Source.LIVE, 0))
    return BalanceHistory(store)


def test_history_is_newest_first_without_missing_days(history: BalanceHistory) -> None:
    rows, position = history.page("key", None, 10, None)
    assert [(row.date, row.total_usd) for row in rows] == list(zip(DAYS, map(Decimal, range(4)), strict=True))
    assert position is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_follow_each_other_without_gap_or_overlap(history: BalanceHistory, limit: int) -> None:
    seen: list[str] = []
    position: str | None = None
    while True:
        rows, position = history.page("key", None, limit, position)
        assert len(rows) <= limit
        seen += [row.date for row in rows]
        if position is None:
            break
    assert seen == DAYS


def test_history_begins_at_the_given_start(history: BalanceHistory) -> None:
    rows, position = history.page("key", "2025-12-31", 2, None)
    assert ([row.date for row in rows], position) == (DAYS[:2], "2026-01-01")
    rows, position = history.page("key", "2025-12-31", 2, position)
    assert ([row.date for row in rows], position) == (["2025-12-31"], None)


def test_a_page_beyond_the_start_is_empty(history: BalanceHistory) -> None:
    assert history.page("key", "2026-01-01", 2, "2026-01-01") == ([], None)
    assert history.page("key", "2027-01-01", 2, None) == ([], None)


@pytest.mark.parametrize(
    "position",
    ["", "abc", "0001-01-01", "0000-12-31", "9999-99-99", "2026-02-30", "20260101", "2026-W01-1", "2026-01-01T00:00"],
)
def test_an_invalid_position_is_refused(history: BalanceHistory, position: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        history.page("key", None, 2, position)
    assert refused.value.field_errors == (FieldError(("nextToken",), "must be a token of this list", "query"),)


def test_the_first_day_of_the_calendar_is_a_valid_position(history: BalanceHistory) -> None:
    assert history.page("key", None, 2, "0001-01-02") == ([], None)
