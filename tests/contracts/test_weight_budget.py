"""The contract of the store of the weight budget."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.exchanges.budget import BudgetStore, Cooldown
from purser.exchanges.store import DynamoBudgetStore
from tests.support.budget import FakeBudgetStore

MINUTE = 60_000
END = 1_900_000_020_000


@pytest.fixture
def store(tables: dict[str, str] | None) -> BudgetStore:
    if tables:
        return DynamoBudgetStore(Table(tables["VENUES_TABLE"]), address=str(uuid4()))
    return FakeBudgetStore()


def test_a_counter_adds_up_to_its_limit(store: BudgetStore) -> None:
    assert store.add("SPOT", END, 60, 100) == 60
    assert store.add("SPOT", END, 41, 100) is None
    assert store.add("SPOT", END, 40, 100) == 100
    assert store.add("SPOT", END, 0, 100) == 100
    assert store.add("SPOT", END, 0, 99) is None
    assert store.add("SPOT", END, 1) == 101, "without a limit"
    assert store.add("SPOT", END, 1, 1000) == 102


def test_a_first_amount_beyond_the_limit_is_not_added(store: BudgetStore) -> None:
    assert store.add("SPOT", END, 101, 100) is None
    assert store.add("SPOT", END, 100, 100) == 100


def test_each_counter_and_period_counts_by_itself(store: BudgetStore) -> None:
    assert store.add("SPOT", END, 5, 5) == 5
    assert store.add("SPOT", END + MINUTE, 5, 5) == 5
    assert store.add("FUTURES", END, 5, 5) == 5
    assert store.add("SPOT#a user", END, 5, 5) == 5


def test_a_total_is_raised_and_never_lowered(store: BudgetStore) -> None:
    store.raise_to("SPOT", END, 30)
    assert store.add("SPOT", END, 1, 100) == 31
    store.raise_to("SPOT", END, 20)
    assert store.add("SPOT", END, 1, 100) == 32
    store.raise_to("SPOT", END, 50)
    assert store.add("SPOT", END, 1, 100) == 51


def test_concurrent_processes_together_do_not_exceed_the_limit(store: BudgetStore) -> None:
    with ThreadPoolExecutor(6) as pool:
        totals = list(pool.map(lambda _: store.add("SPOT", END, 10, 45), range(6)))
    assert sorted(total for total in totals if total is not None) == [10, 20, 30, 40]


def test_a_cooldown_is_never_shortened(store: BudgetStore) -> None:
    assert store.cooldown("SPOT") == Cooldown()
    for given, expected in (
        (Cooldown(END + 5), Cooldown(END + 5)),
        (Cooldown(END + 2), Cooldown(END + 5)),
        (Cooldown(END + 3, END + 3), Cooldown(END + 5, END + 3)),
        (Cooldown(END + 9, END + 9), Cooldown(END + 9, END + 9)),
        (Cooldown(END + 10), Cooldown(END + 10, END + 9)),
    ):
        store.start_cooldown("SPOT", given)
        assert store.cooldown("SPOT") == expected
    assert store.cooldown("FUTURES") == Cooldown()
