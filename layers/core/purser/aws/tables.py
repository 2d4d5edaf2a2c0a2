"""DynamoDB: items as plain dictionaries, transactions with typed refusals.

Numbers are ``Decimal`` on the way out and ``Decimal`` or ``int`` on the way in (38 digits, never
floats). The SDK's own serializer refuses what would lose a digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from purser.aws.clients import client, translated
from purser.errors import Contended
from purser.retrying import backoff

Item = dict[str, Any]
T = TypeVar("T")

CONFLICT_TRIES = 8
BATCH_GET_LIMIT = 100
BATCH_WRITE_LIMIT = 25

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """A condition of a single write did not hold; nothing was written."""


class TransactionRefused(Exception):
    """A transaction was refused whole. ``failed`` holds the positions whose conditions did not hold.

    ``items`` holds what was found at those of them that were written with ``showing``, unless nothing was there.
    """

    def __init__(self, failed: Sequence[int], items: Mapping[int, Item] | None = None) -> None:
        super().__init__(f"conditions failed at {list(failed)}")
        self.failed = frozenset(failed)
        self.items = items or {}


def to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in DynamoDB's attribute-value form. Attributes that are None are left out."""
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def from_wire(item: Mapping[str, Any]) -> Item:
    """The plain form of an item; binary values are ``bytes``."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Binary):
        return cast(Any, value).value  # its published types forget it
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


class Table:
    """One table with a partition key ``PK`` and a sort key ``SK``.

    Every method raises ``purser.errors.Unavailable`` when DynamoDB is down or throttles.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """The item under a key, or None."""
        with translated():
            answer = client("dynamodb").get_item(
                TableName=self.name, Key=to_wire({"PK": pk, "SK": sk}), ConsistentRead=consistent
            )
        return from_wire(answer["Item"]) if "Item" in answer else None

    def put(
        self,
        item: Item,
        *,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Writes an item.

        Raises:
            ConditionFailed: the condition did not hold.
        """
        request = _with_condition({"TableName": self.name, "Item": to_wire(item)}, condition, values)
        request |= {"ExpressionAttributeNames": dict(names)} if names else {}
        _conditional(lambda: client("dynamodb").put_item(**request))

    def update(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> Item:
        """Updates an item and returns it whole as it is afterwards.

        Raises:
            ConditionFailed: the condition did not hold.
        """
        request = self.updating(pk, sk, expression, values, condition=condition, names=names)["Update"]
        answer = _conditional(lambda: client("dynamodb").update_item(**request, ReturnValues="ALL_NEW"))
        return from_wire(answer["Attributes"])

    def delete(
        self, pk: str, sk: str, *, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        """Deletes an item, if it is there.

        Raises:
            ConditionFailed: the condition did not hold.
        """
        request = self.deleting(pk, sk, condition=condition, values=values)["Delete"]
        _conditional(lambda: client("dynamodb").delete_item(**request))

    def query(
        self,
        key_condition: str,
        values: Mapping[str, Any],
        *,
        index: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        consistent: bool = False,
        projection: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Item]:
        """The items under a key condition, read page by page as they are taken; at most ``limit``.

        ``page_size`` bounds what one request reads, for those who may stop early.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": key_condition,
            "ExpressionAttributeValues": to_wire(values),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": consistent,
        }
        request |= {"IndexName": index} if index else {}
        request |= {"ProjectionExpression": projection} if projection else {}
        request |= {"Limit": page_size} if page_size else {}
        left = limit
        while left is None or left > 0:
            if left is not None:
                request["Limit"] = left
            with translated():
                page = client("dynamodb").query(**request)
            yield from map(from_wire, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            if left is not None:
                left -= len(page["Items"])

    def putting(
        self, item: Item, *, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A put as a part of a transaction."""
        return {"Put": _with_condition({"TableName": self.name, "Item": to_wire(item)}, condition, values)}

    def updating(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """An update as a part of a transaction."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "Key": to_wire({"PK": pk, "SK": sk}),
            "UpdateExpression": expression,
        }
        request |= {"ExpressionAttributeNames": dict(names)} if names else {}
        return {"Update": _with_condition(request, condition, values)}

    def deleting(
        self, pk: str, sk: str, *, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A delete as a part of a transaction."""
        request = {"TableName": self.name, "Key": to_wire({"PK": pk, "SK": sk})}
        return {"Delete": _with_condition(request, condition, values)}

    def checking(self, pk: str, sk: str, *, condition: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A part of a transaction that writes nothing, and refuses it when its condition does not hold."""
        request = {"TableName": self.name, "Key": to_wire({"PK": pk, "SK": sk})}
        return {"ConditionCheck": _with_condition(request, condition, values)}


def _with_condition(request: dict[str, Any], condition: str | None, values: Mapping[str, Any] | None) -> dict[str, Any]:
    if condition:
        request["ConditionExpression"] = condition
    if values:
        request["ExpressionAttributeValues"] = to_wire(values)
    return request


def _conditional(call: Callable[[], T]) -> T:
    """Makes a single write, again after a conflict with a transaction."""
    return _retry_conflicts(lambda: _single(call))


def _single(call: Callable[[], T]) -> T:
    try:
        with translated():
            return call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise ConditionFailed from None
        if code == "TransactionConflictException":
            raise _Conflict from None
        raise


class _Conflict(Exception):
    """Another transaction had one of the items at that moment."""


def _retry_conflicts(call: Callable[[], T]) -> T:
    for attempt in range(CONFLICT_TRIES):
        try:
            return call()
        except _Conflict:
            backoff(attempt)
    raise Contended


def showing(part: dict[str, Any]) -> dict[str, Any]:
    """The part of a transaction, made to show what it found when its condition does not hold."""
    return {kind: {**request, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"} for kind, request in part.items()}


def transact(parts: Sequence[dict[str, Any]]) -> None:
    """Writes all parts (of ``putting``, ``updating``, ``deleting``, ``checking``) or none, at most 100.

    A conflict with another transaction is tried again with jitter; a failed condition never is.

    Raises:
        TransactionRefused: conditions did not hold; says which parts.
        purser.errors.Contended: the conflict did not end.
        purser.errors.Unavailable: DynamoDB is down or throttles.
    """
    _retry_conflicts(lambda: _transact_once(parts))


def _transact_once(parts: Sequence[dict[str, Any]]) -> None:
    try:
        with translated():
            client("dynamodb").transact_write_items(TransactItems=list(parts))
    except ClientError as error:
        if error.response["Error"]["Code"] != "TransactionCanceledException":
            raise
        reasons = error.response.get("CancellationReasons", [])
        codes = [reason.get("Code") for reason in reasons]
        if {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"} & set(codes):
            # Also beside failed conditions: those may stem from the very write that is still under way.
            raise _Conflict from None
        failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
        if failed:
            found = {i: from_wire(reasons[i]["Item"]) for i in failed if reasons[i].get("Item")}
            raise TransactionRefused(failed, found) from None
        raise


def batch_get(keys: Mapping[str, Sequence[tuple[str, str]]]) -> dict[tuple[str, str, str], Item]:
    """Items of several tables in one request (at most 100 keys), consistently read.

    Returns:
        ``{(table name, PK, SK): item}``; what is not there is absent.
    """
    wanted = {
        table: {"Keys": [to_wire({"PK": pk, "SK": sk}) for pk, sk in pairs], "ConsistentRead": True}
        for table, pairs in keys.items()
        if pairs
    }
    found: dict[tuple[str, str, str], Item] = {}
    for attempt in range(CONFLICT_TRIES):
        if not wanted:
            return found
        if attempt:
            backoff(attempt)
        with translated():
            answer = client("dynamodb").batch_get_item(RequestItems=wanted)
        for table, items in answer["Responses"].items():
            for item in map(from_wire, items):
                found[table, item["PK"], item["SK"]] = item
        wanted = answer.get("UnprocessedKeys") or {}
    raise Contended


def batch_put(table: str, items: Iterable[Item]) -> int:
    """Writes items without conditions, 25 a request, streaming. Returns how many requests it took."""
    requests = 0
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append({"PutRequest": {"Item": to_wire(item)}})
        if len(batch) == BATCH_WRITE_LIMIT:
            requests += _write_batch(table, batch)
            batch = []
    return requests + (_write_batch(table, batch) if batch else 0)


def _write_batch(table: str, batch: list[dict[str, Any]]) -> int:
    left = {table: batch}
    for attempt in range(CONFLICT_TRIES):
        with translated():
            left = client("dynamodb").batch_write_item(RequestItems=left).get("UnprocessedItems") or {}
        if not left:
            return attempt + 1
        backoff(attempt)
    raise Contended
