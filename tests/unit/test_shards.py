"""Shards are part of stored keys, so a name must never change its shard; lists over shards read like one list."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.aws.shards import merged, newest_between, shard_of
from purser.aws.tables import Item, Table


@pytest.mark.parametrize(("name", "shards", "shard"), [("a", 16, 3), ("a", 8, 3), ("b", 32, 25), ("", 4, 0)])
def test_a_name_keeps_its_shard(name: str, shards: int, shard: int) -> None:
    assert shard_of(name, shards) == shard


def test_names_are_spread_evenly() -> None:
    counts = Counter(shard_of(str(uuid.UUID(int=number)), 8) for number in range(8000))
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1.5 * min(counts.values())


class FakeTable:
    """Answers the queries of ``newest_between`` from the sort keys of each partition, and counts the items read."""

    def __init__(self, partitions: Mapping[str, list[str]]) -> None:
        self._partitions = partitions
        self.read = 0

    def query(self, condition: str, values: Mapping[str, Any], *, page_size: int, **options: bool) -> Iterator[Item]:
        assert condition == "PK = :pk AND SK BETWEEN :first AND :last"
        assert options == {"newest_first": True, "consistent": True}
        # DynamoDB refuses a reversed range.
        assert values[":first"] <= values[":last"]
        found = sorted((sk for sk in self._partitions[values[":pk"]] if self._between(sk, values)), reverse=True)
        for start in range(0, len(found), page_size):
            page = found[start : start + page_size]
            self.read += len(page)
            yield from ({"PK": values[":pk"], "SK": sk} for sk in page)

    @staticmethod
    def _between(sk: str, values: Mapping[str, Any]) -> bool:
        return bool(values[":first"] <= sk <= values[":last"])


SORT_KEYS = st.sets(st.text("0123", min_size=1, max_size=4), max_size=30)
BOUNDS = st.text("0123", min_size=1, max_size=4)


@given(SORT_KEYS, BOUNDS, BOUNDS, st.integers(1, 9), st.integers(1, 12))
def test_pages_of_a_spread_list_together_are_the_range_of_the_whole_list(
    sort_keys: set[str], first: str, last: str, shards: int, page_size: int
) -> None:
    partitions: dict[str, list[str]] = {str(shard): [] for shard in range(shards)}
    for sk in sort_keys:
        partitions[str(shard_of(sk, shards))].append(sk)
    table = cast(Table, FakeTable(partitions))
    found: list[str] = []
    before = None
    while page := [*islice(newest_between(table, [*partitions], first, last, before, page_size), page_size)]:
        found += [item["SK"] for item in page]
        before = found[-1]
    assert found == sorted((sk for sk in sort_keys if first <= sk <= last), reverse=True)


def test_one_partition_is_read_by_the_page_and_many_by_their_share() -> None:
    asked: list[tuple[str, int]] = []

    def read(partition: str, page_size: int) -> Iterator[Item]:
        asked.append((partition, page_size))
        return iter(())

    assert [*merged(read, ["a"], 20, key="SK")] == []
    assert [*merged(read, ["a", "b", "c", "d"], 20, key="SK")] == []
    assert asked == [("a", 20), ("a", 9), ("b", 9), ("c", 9), ("d", 9)]


def test_a_page_of_an_evenly_spread_list_costs_at_most_twice_its_items() -> None:
    partitions: dict[str, list[str]] = {str(shard): [] for shard in range(8)}
    for number in range(800):
        partitions[str(number % 8)].append(f"{number:04d}")
    table = FakeTable(partitions)
    page = [*islice(newest_between(cast(Table, table), [*partitions], "0", "9", None, 100), 100)]
    assert [item["SK"] for item in page] == [f"{number:04d}" for number in range(799, 699, -1)]
    assert table.read <= 200
