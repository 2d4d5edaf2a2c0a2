"""Shards are part of stored keys, so a name must never change its shard."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from purser.aws.shards import shard_of


@pytest.mark.parametrize(("name", "shards", "shard"), [("a", 16, 3), ("a", 8, 3), ("b", 32, 25), ("", 4, 0)])
def test_a_name_keeps_its_shard(name: str, shards: int, shard: int) -> None:
    assert shard_of(name, shards) == shard


def test_names_are_spread_evenly() -> None:
    counts = Counter(shard_of(str(uuid.UUID(int=number)), 8) for number in range(8000))
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1.5 * min(counts.values())
