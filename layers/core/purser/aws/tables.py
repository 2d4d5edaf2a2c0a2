"""DynamoDB: items as plain dictionaries, and transactions whose parts name their refusals.

Numbers are read as ``Decimal``, and written as ``Decimal`` or ``int`` of at most 38 digits. The SDK refuses to lose a
digit. An item's ``version`` counts its changes. Items that were written without one are at version 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast
from uuid import uuid4

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from purser.aws.clients import Waiting, client, translated
from purser.errors import Contended
from purser.retrying import backoff

Item = dict[str, Any]
Part = dict[str, Any]
"""One write or check of a transaction, in DynamoDB's own form."""

Refusal = type[Exception] | Callable[[Item], Exception]
"""The error that a failed condition means: a class, or a function of the item that was found (empty if none)."""

T = TypeVar("T")

CONFLICT_TRIES = 8
PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons for a cancelled transaction that are worth a retry."""

SHOWN = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
BATCH_GET_LIMIT = 100

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """A condition did not hold. Nothing was written."""


def to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item in DynamoDB's attribute-value form, without the attributes that are None."""
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def from_wire(item: Mapping[str, Any]) -> Item:
    """Return the plain form of an item. Binary values are ``bytes``."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Binary):
        return cast(Any, value).value  # missing in its published types
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


class Guard(TypedDict, total=False):
    """The condition of a write, and the names in its expressions.

    ``at_version`` is the version that the item must have. 0 also holds for an item without a version, and for no item.
    """

    condition: str | None
    names: Mapping[str, str] | None
    at_version: int | None


class Table:
    """A table with the keys ``PK`` and ``SK``. Methods raise ``purser.errors.Unavailable`` in an outage or throttle.

    ``waiting`` says how long single requests wait for an answer (``purser.aws.clients.client``).
    """

    def __init__(self, name: str, **waiting: Unpack[Waiting]) -> None:
        self.name = name
        self._waiting = waiting

    def get(self, pk: str, sk: str) -> Item | None:
        """Return the item under a key, or None, by a consistent read."""
        with translated():
            answer = self._client.get_item(**self._key(pk, sk), ConsistentRead=True)
        return from_wire(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Return the items that exist under different keys, by consistent reads of 100 items."""
        found: list[Item] = []
        for start in range(0, len(keys), BATCH_GET_LIMIT):
            found += batch_get({self.name: keys[start : start + BATCH_GET_LIMIT]}).values()
        return found

    def put(
        self,
        item: Item,
        *,
        values: Mapping[str, Any] | None = None,
        refused: type[Exception] = ConditionFailed,
        **guard: Unpack[Guard],
    ) -> None:
        """Write an item. Raises ``refused`` if the condition does not hold."""
        request = self.putting(item, values=values, **guard)["Put"]
        _conditional(lambda: self._client.put_item(**request), refused)

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
        """Update an item, and return it as it is afterwards. Raises ``refused`` if the condition does not hold."""
        request = self.updating(pk, sk, expression, values, **guard)["Update"]
        answer = _conditional(lambda: self._client.update_item(**request, ReturnValues="ALL_NEW"), refused)
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
        """Delete an item, if there is one. Raises ``refused`` if the condition does not hold."""
        request = self.deleting(pk, sk, values=values, **guard)["Delete"]
        _conditional(lambda: self._client.delete_item(**request), refused)

    def claim(
        self,
        pk: str,
        sk: str,
        changes: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
        at_version: int | None = None,
    ) -> Item | None:
        """Set attributes of an existing item for one caller alone, on a condition or version that ends thereby.

        It also removes the attributes ``remove``. The SDK repeats a write without an answer. The repeat recognizes the
        first one by ``claimedBy``.

        Returns:
            The item as it is afterwards, or None for all other callers.
        """
        given = {**changes, "claimedBy": uuid4().hex}
        bound = dict(values or {})
        if at_version is not None:
            condition, at = _and_at_version(condition, at_version)
            # Set, not incremented, because the SDK may send the write twice.
            given, bound = given | {"version": at_version + 1}, bound | at
        bound |= {f":new_{name}": value for name, value in given.items()}
        removing = " REMOVE " + ", ".join(f"#{name}" for name in remove) if remove else ""
        try:
            return self.update(
                pk,
                sk,
                "SET " + ", ".join(f"#{name} = :new_{name}" for name in given) + removing,
                bound,
                condition=f"attribute_exists(PK) AND ({condition} OR claimedBy = :new_claimedBy)",
                names={f"#{name}": name for name in (*given, *remove)},
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
        """Return at most ``limit`` items under a key condition, read page by page as they are taken.

        ``page_size`` limits the items of one request, for a caller that may stop early.
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
        left = limit
        while left is None or left > 0:
            if bounds := [bound for bound in (left, page_size) if bound is not None]:
                request["Limit"] = min(bounds)
            with translated():
                page = self._client.query(**request)
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
        """Return a part of a transaction that only checks a condition."""
        return {"ConditionCheck": _guarded(self._key(pk, sk), values, **guard)}

    @property
    def _client(self) -> Any:
        return client("dynamodb", **self._waiting)

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
    """Make a single write, and retry it after a conflict with a transaction."""
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
    """A concurrent transaction had one of the items."""


def _retry_conflicts(call: Callable[[], T]) -> T:
    for attempt in range(CONFLICT_TRIES):
        try:
            return call()
        except _Conflict:
            backoff(attempt)
    raise Contended


class Transaction:
    """At most 100 writes, made together or not at all at the end of the block that adds them.

    Each part with a condition names its refusal. Add the parts in order of precedence: if several conditions fail, the
    error of the first is raised. Every refusal that is a function gets the item that its part found.

    A conflict with another transaction is retried with jitter, a failed condition is not. The end of the block raises
    ``purser.errors.Contended`` if the conflict persists, and ``Unavailable`` if DynamoDB is down.
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
                # Even if conditions failed too: they may result from the conflicting write.
                raise _Conflict from None
            errors = [
                refused() if isinstance(refused, type) else refused(from_wire(reason.get("Item", {})))
                for refused, reason in zip(self._refusals, reasons, strict=True)
                if refused and reason.get("Code") == "ConditionalCheckFailed"
            ]
            raise errors[0] if errors else error from None


def batch_get(keys: Mapping[str, Sequence[tuple[str, str]]]) -> dict[tuple[str, str, str], Item]:
    """Read at most 100 items of several tables consistently in one request.

    Returns:
        The items that exist, as ``{(table name, PK, SK): item}``.
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
