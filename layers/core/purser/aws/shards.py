"""Lists that are spread over partitions, each of which takes 1,000 write units a second."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from purser.aws.tables import Item, Table


def shard_of(name: str, shards: int) -> int:
    """Return the shard of a name: a fixed number below ``shards``."""
    return zlib.crc32(name.encode()) % shards


def merged(
    read: Callable[[str, int], Iterator[Item]], partitions: Sequence[str], page_size: int, *, key: str
) -> Iterator[Item]:
    """Return the items of all partitions in descending order of ``key``, for a caller that takes about a page.

    ``read`` is called with each partition and a page size, and returns its items in that order. Items spread evenly,
    so each partition is read for its share and half as much again.
    """
    share = page_size if len(partitions) == 1 else 2 + page_size * 3 // (2 * len(partitions))
    return heapq.merge(*(read(partition, share) for partition in partitions), key=itemgetter(key), reverse=True)


def newest_between(
    table: Table, partitions: Sequence[str], first: str, last: str, before: str | None, page_size: int
) -> Iterator[Item]:
    """Return the items with sort keys from ``first`` to ``last``, the last first.

    With ``before``, the sort key of an item already returned, only those that come after it in this order.
    """
    last = last if before is None else min(before, last)
    # DynamoDB refuses a reversed range.
    if first > last:
        return iter(())

    def read(pk: str, share: int) -> Iterator[Item]:
        return table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": pk, ":first": first, ":last": last},
            newest_first=True,
            consistent=True,
            page_size=share,
        )

    return (item for item in merged(read, partitions, page_size, key="SK") if item["SK"] != before)
