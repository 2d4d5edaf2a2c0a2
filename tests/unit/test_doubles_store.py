"""The stored state of doubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.doubles.kit.store import Store


@dataclass
class Earlier:
    """What an earlier version stored."""

    amount: Decimal


@dataclass
class Later:
    """The same, with fields that were added since."""

    amount: Decimal
    note: str = "none"
    told: dict[str, Any] = field(default_factory=dict)


def stored(directory: Path, entity: Any) -> Later:
    """Return an entity as a later version reads it."""
    store = Store(directory)
    store.put("thing", "1", entity)
    store.commit()
    ((_, found),) = store.load("thing", Later)
    store.close()
    return found


def test_fields_that_were_added_since_have_their_defaults(tmp_path: Path) -> None:
    assert stored(tmp_path, Earlier(Decimal("1.50"))) == Later(Decimal("1.50"))


def test_values_of_any_kind_are_read_as_they_were_stored(tmp_path: Path) -> None:
    later = Later(Decimal(1), "some", {"status": "NEW_ADL", "price": None, "rows": [1, {"a": True}]})
    assert stored(tmp_path, later) == later
