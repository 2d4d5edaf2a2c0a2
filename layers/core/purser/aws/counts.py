"""Counts of what belongs to an owner, kept by the transactions that add to it and take from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from purser.aws.tables import ConditionFailed, Item, Part, Table

T = TypeVar("T")


class NotCounted(Exception):
    """There is no count yet."""


class Count:
    """A count in the item ``COUNT`` of an owner's partition. ``attribute`` names it, ``exceeded`` is the refusal.

    While an owner has no count, every transaction that would change it is refused. So items
    from before can be counted first, and nothing is counted twice or missed.
    """

    def __init__(self, table: Table, attribute: str, exceeded: type[Exception]) -> None:
        self._table = table
        self._attribute = attribute
        self._exceeded = exceeded

    def changing(self, pk: str, change: int, most: int | None = None) -> Part:
        """Return the transaction part that changes a count, to ``most`` at most. Its refusal is ``refusal``."""
        room = "" if most is None else f" AND {self._attribute} < :most"
        return self._table.updating(
            pk,
            "COUNT",
            f"ADD {self._attribute} :change",
            {":change": change} | ({} if most is None else {":most": most}),
            condition=f"attribute_exists({self._attribute}){room}",
        )

    def refusal(self, found: Item) -> Exception:
        """Return the error of a count that did not change: it is missing, or it has reached its limit."""
        return self._exceeded() if self._attribute in found else NotCounted()

    def kept(self, pk: str, count: Callable[[], int], write: Callable[[], T]) -> T:
        """Make a write that changes a count, and first ``count`` the present items if there is no count yet."""
        try:
            return write()
        except NotCounted:
            self._begin(pk, count())
            return write()

    def _begin(self, pk: str, count: int) -> None:
        with suppress(ConditionFailed):  # Another request has begun it, with the same number.
            condition = f"attribute_not_exists({self._attribute})"
            self._table.update(pk, "COUNT", f"SET {self._attribute} = :count", {":count": count}, condition=condition)
