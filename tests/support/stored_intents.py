"""Intents on DynamoDB Local, over a client that can fail at each write."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from purser.aws import clients
from purser.aws.tables import Item, Table, from_wire
from purser.orders.intents import HistoryEntry, Intent, OrderLock
from purser.orders.items import history_of, intent_of
from purser.orders.store import LOCKS, DynamoIntentStore, _lock_of
from tests.support.crashes import Killed
from tests.support.template import resources

WRITES = ("transact_write_items", "put_item", "update_item", "delete_item")
WAYS = ("killed before", "killed after", "unsent", "down", "lost", "sent again")
"""The ways to cut a write.

- killed before, killed after: the process ends before or after the write.
- unsent: the write does not arrive.
- down: neither this write nor a later one arrives.
- lost: the write is done, but its answer does not arrive.
- sent again: the same, and the SDK sends the write once more.
"""


class Line:
    """A DynamoDB client that fails at one write, by its number from 0, in one of the ``WAYS``."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.mend()

    def mend(self) -> None:
        """Let all writes succeed from now on, and count from zero."""
        self.cut(-1, "")

    def cut(self, at: int, way: str) -> None:
        """Fail at the write with this number."""
        self.writes, self._at, self._way = 0, at, way

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return partial(self._write, call) if name in WRITES else call

    def _write(self, call: Any, **request: Any) -> Any:
        number, self.writes = self.writes, self.writes + 1
        if self._way == "down" and number >= self._at:
            raise ConnectTimeoutError(endpoint_url="")
        if number != self._at:
            return call(**request)
        match self._way:
            case "killed before":
                raise Killed
            case "unsent":
                raise ConnectTimeoutError(endpoint_url="")
            case "sent again":
                return self._twice(call, request)
        call(**request)
        raise Killed if self._way == "killed after" else ReadTimeoutError(endpoint_url="")

    def _twice(self, call: Any, request: dict[str, Any]) -> Any:
        if "TransactItems" in request:
            # The SDK adds this token to a transaction, so that a repeated request is applied once.
            request["ClientRequestToken"] = str(uuid.uuid4())
        call(**request)
        return call(**request)


@contextmanager
def line() -> Iterator[Line]:
    """Replace the DynamoDB client of this process by one that can fail, and keep all locks in one partition.

    A table of one account has nothing in the others, and reading them would take most of the time.
    """
    new_line = Line(clients.client("dynamodb"))
    one_shard = replace(LOCKS, shards=LOCKS.shards[:1])
    with (
        patch("purser.aws.tables.client", lambda _: new_line),
        patch("purser.orders.store.OPEN_SHARDS", 1),
        patch("purser.orders.store.LOCKS", one_shard),
    ):
        yield new_line


class TableIntents(DynamoIntentStore):
    """An intent store over its own table, whose content can be inspected."""

    def __init__(self) -> None:
        name, properties = f"Orders-{uuid.uuid4()}", resources("AWS::DynamoDB::Table")["OrdersTable"]
        shape = {key: properties[key] for key in ("BillingMode", "AttributeDefinitions", "KeySchema")}
        clients.client("dynamodb").create_table(TableName=name, **shape)
        super().__init__(Table(name))

    def drop(self) -> None:
        """Delete the table."""
        clients.client("dynamodb").delete_table(TableName=self._table.name)

    @property
    def intents(self) -> dict[tuple[str, str], Intent]:
        """Return all intents by trading account and id."""
        found = [intent_of(item) for item in self._items("KEY#")]
        return {(intent.trading_account_id, intent.id): intent for intent in found}

    @property
    def stored_locks(self) -> list[OrderLock]:
        """Return all order locks."""
        return [_lock_of(item) for item in self._items("OPEN#")]

    @property
    def history(self) -> dict[str, HistoryEntry]:
        """Return the trading history by intent."""
        found = [history_of(item) for item in self._items("USER#")]
        assert len(found) == len({entry.id for entry in found}), "an order stands twice in the history"
        return {entry.id: entry for entry in found}

    def _items(self, kind: str) -> list[Item]:
        answer = clients.client("dynamodb").scan(TableName=self._table.name, ConsistentRead=True)
        items = map(from_wire, answer["Items"])
        return [item for item in items if item["PK"].startswith(kind)]
