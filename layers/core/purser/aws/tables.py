"""DynamoDB: items as plain dictionaries, transactions whose parts name their refusals.

Numbers are ``Decimal`` on the way out and ``Decimal`` or ``int`` on the way in (38 digits, never
floats). The SDK's own serializer refuses what would lose a digit.

An item's ``version`` counts its changes. Items that were written before they had one are at version 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast
from uuid import uuid4

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from purser.aws.clients import client, translated
from purser.errors import Contended
from purser.retrying import backoff

Item = dict[str, Any]
Part = dict[str, Any]
"""One write or check of a transaction, in DynamoDB's own form."""

Refusal = type[Exception] | Callable[[Item], Exception]
"""The error that a failed condition means: its class, or a function that makes it from the item that was found.

The function gets an empty item where none was found.
"""

T = TypeVar("T")

CONFLICT_TRIES = 8
PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons for which a transaction is cancelled that soon pass."""

SHOWN = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
BATCH_GET_LIMIT = 100
BATCH_WRITE_LIMIT = 25

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """A condition of a single write did not hold; nothing was written."""


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


class Guard(TypedDict, total=False):
    """What a write depends on, and the names in its expressions.

    ``at_version`` is the version at which the item must be. 0 holds for an item that has none, and for no item.
    """

    condition: str | None
    names: Mapping[str, str] | None
    at_version: int | None


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
        values: Mapping[str, Any] | None = None,
        refused: type[Exception] = ConditionFailed,
        **guard: Unpack[Guard],
    ) -> None:
        """Write an item.

        Raises:
            refused: the condition did not hold.
        """
        request = self.putting(item, values=values, **guard)["Put"]
        _conditional(lambda: client("dynamodb").put_item(**request), refused)

    def update(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        *,
        refused: type[Exception] = ConditionFailed,
        **guard: Unpack[Guard],
    ) -> Item:
        """Update an item and return it whole, as it is afterwards.

        Raises:
            refused: the condition did not hold.
        """
        request = self.updating(pk, sk, expression, values, **guard)["Update"]
        answer = _conditional(lambda: client("dynamodb").update_item(**request, ReturnValues="ALL_NEW"), refused)
        return from_wire(answer["Attributes"])

    def delete(
        self,
        pk: str,
        sk: str,
        *,
        values: Mapping[str, Any] | None = None,
        refused: type[Exception] = ConditionFailed,
        **guard: Unpack[Guard],
    ) -> None:
        """Delete an item, if it is there.

        Raises:
            refused: the condition did not hold.
        """
        request = self.deleting(pk, sk, values=values, **guard)["Delete"]
        _conditional(lambda: client("dynamodb").delete_item(**request), refused)

    def claim(
        self,
        pk: str,
        sk: str,
        changes: Mapping[str, Any],
        *,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        at_version: int | None = None,
    ) -> Item | None:
        """Set attributes of an existing item for one caller alone, on a condition or version that then holds no more.

        The SDK sends a write again when it gets no answer. The second one recognizes the first by ``claimedBy``.

        Returns:
            The item as it is afterwards, or None for all other callers.
        """
        given = {**changes, "claimedBy": uuid4().hex}
        bound = dict(values or {})
        if at_version is not None:
            condition, at = _and_at_version(condition, at_version)
            # Set, not added to: a write that is sent twice must not advance it twice.
            given, bound = given | {"version": at_version + 1}, bound | at
        bound |= {f":new_{name}": value for name, value in given.items()}
        try:
            return self.update(
                pk,
                sk,
                "SET " + ", ".join(f"#{name} = :new_{name}" for name in given),
                bound,
                condition=f"attribute_exists(PK) AND ({condition} OR claimedBy = :new_claimedBy)",
                names={f"#{name}": name for name in given},
            )
        except ConditionFailed:
            return None

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

    def putting(self, item: Item, *, values: Mapping[str, Any] | None = None, **guard: Unpack[Guard]) -> Part:
        """Return a put as a part of a transaction."""
        return {"Put": _guarded({"TableName": self.name, "Item": to_wire(item)}, values, **guard)}

    def updating(self, pk: str, sk: str, expression: str, values: Mapping[str, Any], **guard: Unpack[Guard]) -> Part:
        """Return an update as a part of a transaction."""
        return {"Update": _guarded({**self._key(pk, sk), "UpdateExpression": expression}, values, **guard)}

    def deleting(self, pk: str, sk: str, *, values: Mapping[str, Any] | None = None, **guard: Unpack[Guard]) -> Part:
        """Return a delete as a part of a transaction."""
        return {"Delete": _guarded(self._key(pk, sk), values, **guard)}

    def checking(self, pk: str, sk: str, *, values: Mapping[str, Any] | None = None, **guard: Unpack[Guard]) -> Part:
        """Return a part of a transaction that writes nothing: it only checks its condition."""
        return {"ConditionCheck": _guarded(self._key(pk, sk), values, **guard)}

    def _key(self, pk: str, sk: str) -> dict[str, Any]:
        return {"TableName": self.name, "Key": to_wire({"PK": pk, "SK": sk})}


def setting(changes: Mapping[str, Any], *also: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return an update that sets attributes and removes those that are None; ``also`` are further SET actions.

    Returns:
        The expression, its values and its names.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    removed = [f"#{name}" for name in changes if name not in given]
    expression = "SET " + ", ".join([*also, *(f"#{name} = :{name}" for name in given)])
    expression += " REMOVE " + ", ".join(removed) if removed else ""
    return expression, {f":{name}": value for name, value in given.items()}, {f"#{name}": name for name in changes}


def _guarded(request: dict[str, Any], values: Mapping[str, Any] | None, **guard: Unpack[Guard]) -> dict[str, Any]:
    condition, given = guard.get("condition"), dict(values or {})
    if (version := guard.get("at_version")) is not None:
        condition, at = _and_at_version(condition, version)
        given |= at
    if condition:
        request["ConditionExpression"] = condition
    if given:
        request["ExpressionAttributeValues"] = to_wire(given)
    if names := guard.get("names"):
        request["ExpressionAttributeNames"] = dict(names)
    return request


def _and_at_version(condition: str | None, version: int) -> tuple[str, dict[str, int]]:
    at, values = (
        ("version = :at_version", {":at_version": version}) if version else ("attribute_not_exists(version)", {})
    )
    return (f"({condition}) AND {at}" if condition else at), values


def _conditional(call: Callable[[], T], refused: type[Exception]) -> T:
    """Make a single write, again after a conflict with a transaction."""
    return _retry_conflicts(lambda: _single(call, refused))


def _single(call: Callable[[], T], refused: type[Exception]) -> T:
    try:
        with translated():
            return call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise refused from None
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


class Transaction:
    """Writes that are made together or not at all, at most 100: the block adds them, its end makes them.

    Each part with a condition names its refusal, the error that a failed condition means. Add the parts in order of
    precedence: where several conditions fail, the error of the first is raised. Functions among the refusals get to see
    what each failed part found, so that one error can tell of all of them.

    A conflict with another transaction is tried again with jitter, a failed condition never is. The end of the block
    raises ``purser.errors.Contended`` when the conflict does not end, and ``Unavailable`` when DynamoDB is down.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._refusals: list[Refusal | None] = []

    def add(self, *parts: Part, refused: Refusal | None = None) -> None:
        """Add parts (of ``Table.putting``, ``updating``, ``deleting``, ``checking``) that share a refusal."""
        for part in parts:
            ((kind, request),) = part.items()
            if "ConditionExpression" in request and refused is None:
                raise TypeError(f"a {kind} with a condition must name its refusal: {request['ConditionExpression']}")
            shown = {} if refused is None or isinstance(refused, type) else SHOWN
            self._parts.append({kind: {**request, **shown}})
            self._refusals.append(refused)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            _retry_conflicts(self._commit)

    def _commit(self) -> None:
        try:
            with translated():
                client("dynamodb").transact_write_items(TransactItems=self._parts)
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            reasons = error.response.get("CancellationReasons", [])
            if not PASSING.isdisjoint(reason.get("Code") for reason in reasons):
                # Also beside failed conditions: those may stem from the very write that is still under way.
                raise _Conflict from None
            errors = [
                refused() if isinstance(refused, type) else refused(from_wire(reason.get("Item", {})))
                for refused, reason in zip(self._refusals, reasons, strict=True)
                if refused and reason.get("Code") == "ConditionalCheckFailed"
            ]
            raise errors[0] if errors else error from None


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
