"""Pages of long lists at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_PASSED_OVER = 2000
"""The most rows that a page reads without taking them, before it ends early."""


MOST_BYTES = 2_000_000
"""The size of the rows of a page, in bytes of JSON, from which it ends early.

Lambda answers with 6 MB at most (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). The body is
text in JSON there, which escapes its quotation marks once more, and the last row may be large.
"""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. ``position`` is where the next page continues, or None at the end of the list.

    When a filter matches little, a page may be short or empty and still have a ``position``. When the rows are large,
    it may be short.
    """

    rows: tuple[T, ...]
    position: str | None


def cut(
    rows: Iterator[tuple[str, T]],
    wanted: Callable[[T], bool],
    limit: int,
    offset: int = 0,
    size: Callable[[T], int] | None = None,
) -> Page[T]:
    """Return the first ``limit`` rows that are wanted, after skipping ``offset`` of them.

    ``rows`` come with their positions, newest first, and are read no further than needed. ``size`` is needed for rows
    with text without a small limit: it returns about how many bytes of JSON a row takes.
    """
    taken: list[T] = []
    passed_over, taken_bytes, last = 0, 0, ""
    for position, row in rows:
        is_full = len(taken) == limit or taken_bytes >= MOST_BYTES
        if is_full or passed_over > MOST_PASSED_OVER + offset:
            return Page(tuple(taken), last)
        last = position
        if not wanted(row):
            passed_over += 1
        elif offset:
            offset -= 1
        else:
            taken.append(row)
            taken_bytes += size(row) if size else 0
    return Page(tuple(taken), None)


def fitting(rows: Sequence[T], size: Callable[[T], int]) -> Sequence[T]:
    """Return the first rows until a page of them is full, by their ``size`` as in ``cut``."""
    return cut(((str(i), row) for i, row in enumerate(rows)), lambda _: True, len(rows), size=size).rows
