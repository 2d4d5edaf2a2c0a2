"""Store the state of a double in SQLite, so that it survives a restart and a kill.

Every entity is one JSON document. The changes of a request are written in one transaction before it is answered. The
write-ahead log makes that one append. The next start undoes one that is incomplete.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Entity = TypeVar("Entity")
TABLE = "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
encode_json = json.JSONEncoder(
    separators=(",", ":"), default=lambda value: str(value) if isinstance(value, Decimal) else vars(value)
).encode


class StateInUse(RuntimeError):
    """Another process holds this state directory."""


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def revive(kind: Any, value: Any) -> Any:
    """Build a value of the annotated type from its JSON form. Fields that were added since have their defaults."""
    if value is None or kind in (str, int, bool, dict, Any):
        return value
    if kind is Decimal:
        return Decimal(value)
    if isinstance(kind, UnionType):
        return revive(next(option for option in get_args(kind) if option is not type(None)), value)
    if get_origin(kind) is dict:
        return {key: revive(get_args(kind)[1], item) for key, item in value.items()}
    if get_origin(kind) is list:
        return [revive(get_args(kind)[0], item) for item in value]
    hints = _hints(kind)
    stored = (field.name for field in fields(kind) if field.name in value)
    return kind(**{name: revive(hints[name], value[name]) for name in stored})


class Store:
    """Documents by kind and id. `put` is cheap, and `commit` writes what was put."""

    def __init__(self, directory: Path | None):
        """Open the database of a directory, or one in memory. Raises StateInUse if another process has it."""
        self._pending: dict[tuple[str, str], Any] = {}
        path = str(directory / "state.sqlite3") if directory else ":memory:"
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=0.2)
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(TABLE)
        except sqlite3.OperationalError as error:
            raise StateInUse(f"{path} cannot be opened: {error}") from error

    def put(self, kind: str, identity: str, entity: Any) -> None:
        """Mark a document as changed. Its content is read when it is committed."""
        self._pending[kind, identity] = entity

    def commit(self) -> None:
        """Write every marked document in one transaction."""
        if not self._pending:
            return
        rows = [(*key, encode_json(entity)) for key, entity in self._pending.items() if entity is not None]
        gone = [key for key, entity in self._pending.items() if entity is None]
        # As a context manager, the connection commits, or rolls back after an error. The change is then still pending.
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", rows)
            self._connection.executemany("DELETE FROM document WHERE kind = ? AND id = ?", gone)
        self._pending.clear()

    def load(self, kind: str, entity: type[Entity]) -> Iterator[tuple[str, Entity]]:
        """Yield every stored document of a kind with its id, in the order of ids."""
        query = "SELECT id, body FROM document WHERE kind = ? ORDER BY id"
        for identity, body in self._connection.execute(query, (kind,)):
            yield identity, revive(entity, json.loads(body))

    def remove(self, kind: str, identity: str) -> None:
        """Mark a document as deleted."""
        self._pending[kind, identity] = None

    def clear(self, kind: str) -> None:
        """Delete every document of a kind, at once."""
        self._pending = {key: entity for key, entity in self._pending.items() if key[0] != kind}
        self._connection.execute("DELETE FROM document WHERE kind = ?", (kind,))

    def close(self) -> None:
        self._connection.close()
