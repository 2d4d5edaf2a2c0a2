"""A guard against replays, which keeps ids in the Idempotency table until they expire."""

from __future__ import annotations

from botocore.exceptions import ClientError

from purser.aws.clients import client, translated
from purser.aws.tables import to_wire


class Seen:
    """Accepts each id of a ``kind`` once. Raises ``purser.errors.Unavailable`` if DynamoDB is down or throttles."""

    def __init__(self, table: str, kind: str) -> None:
        self._table = table
        self._kind = kind

    def note(self, name: str, until: int) -> bool:
        """Keep an id at least until then (Unix s), and tell whether it was new, also under concurrent calls."""
        item = to_wire({"id": f"{self._kind}#{name}", "expiration": until})
        try:
            with translated():
                client("dynamodb").put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(id)"
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True
