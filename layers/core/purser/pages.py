"""Pages of long lists at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_PASSED_OVER = 2000
"""The most rows that a page reads without taking them, before it ends early."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. ``position`` is where the next page continues, or None at the end of the list.

    When a filter matches little, a page may be short or empty and still have a ``position``.
    """

    rows: tuple[T, ...]
    position: str | None


def cut(rows: Iterator[tuple[str, T]], wanted: Callable[[T], bool], limit: int, offset: int = 0) -> Page[T]:
    """Return the first ``limit`` rows that are wanted, after skipping ``offset`` of them.

    ``rows`` come with their positions, newest first, and are read no further than needed.
    """
    taken: list[T] = []
    passed_over, last = 0, ""
    for position, row in rows:
        if len(taken) == limit or passed_over > MOST_PASSED_OVER + offset:
            return Page(tuple(taken), last)
        last = position
        if not wanted(row):
            passed_over += 1
        elif offset:
            offset -= 1
        else:
            taken.append(row)
    return Page(tuple(taken), None)
