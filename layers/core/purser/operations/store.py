"""Operations on DynamoDB, written in the same transaction as their change."""

from __future__ import annotations

from purser.actor import Actor
from purser.aws.integrity import stored_data_refused
from purser.aws.tables import Item, Part, Table
from purser.operations.model import Operation, OperationFilter, OperationStatus, OperationType

LAST_INSTANT = 9_999_999_999_999


def recording(table: Table, *operations: Operation | None) -> list[Part]:
    """Return the parts of a transaction that store operations: four items each, one for every way to list them."""
    return [
        table.putting({"PK": pk, "SK": sk, **operation_attributes(operation)})
        for operation in operations
        if operation
        for pk, sk in operation_keys(operation)
    ]


def recording_outcome(table: Table, operation: Operation | None, status: OperationStatus) -> list[Part]:
    """Return the parts of a transaction that give an operation its final status."""
    values, names = {":status": status.value}, {"#status": "status"}
    return [
        table.updating(pk, sk, "SET #status = :status", values, names=names)
        for pk, sk in (operation_keys(operation) if operation else ())
    ]


class DynamoOperationStore:
    """The operations on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(
        self, of: str, filters: OperationFilter, limit: int, before: str | None = None, *, offset: int = 0
    ) -> tuple[list[Operation], str | None]:
        first = f"{filters.since or 0:013d}"
        last = (
            before or f"{LAST_INSTANT if filters.until is None else filters.until:013d}$"
        )  # sorts after every key of that instant
        if last < first:
            return [], None
        values = {":pk": operations_pk(of, filters.type), ":first": first, ":last": last}
        condition = "PK = :pk AND SK BETWEEN :first AND :last"
        # One more shows whether there are others. The last one of the previous page comes again.
        page_size = offset + limit + 1 + (before is not None)
        items = self._table.query(condition, values, limit=page_size, newest_first=True, consistent=True)
        rows = [item for item in items if item["SK"] != before][offset:]
        position = rows[limit - 1]["SK"] if len(rows) > limit else None
        operations = [operation_of(item) for item in rows[:limit]]
        if any(of not in (each.user_id, each.trading_account_id) for each in operations):
            raise stored_data_refused("an operation is listed under another user or account")
        return operations, position


def operations_pk(of: str, kind: OperationType | None = None) -> str:
    """Return the partition key of the operations of a user or trading account, or of one type of them."""
    return f"OPERATIONS#{of}#{kind.value}" if kind else f"OPERATIONS#{of}"


def operation_keys(operation: Operation) -> list[tuple[str, str]]:
    """Return the keys of an operation's items."""
    sk = f"{operation.created_at:013d}#{operation.id}"
    return [
        (operations_pk(of, kind), sk)
        for of in (operation.user_id, operation.trading_account_id)
        for kind in (None, operation.type)
    ]


def operation_attributes(operation: Operation) -> Item:
    """Return the attributes of an operation. None is ``tradingAccountId``: an index finds accounts by it."""
    attributes = {
        "operationId": operation.id,
        "userId": operation.user_id,
        "accountId": operation.trading_account_id,
        "operationType": operation.type.value,
        "status": operation.status.value,
        "actorId": operation.actor.user_id,
        "requestId": operation.actor.request_id,
        "createdAt": operation.created_at,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def operation_of(item: Item) -> Operation:
    """Return the operation in an item."""
    return Operation(
        id=item["operationId"],
        user_id=item["userId"],
        trading_account_id=item["accountId"],
        type=OperationType(item["operationType"]),
        status=OperationStatus(item["status"]),
        actor=Actor(item["actorId"], request_id=item.get("requestId")),
        created_at=int(item["createdAt"]),
    )
