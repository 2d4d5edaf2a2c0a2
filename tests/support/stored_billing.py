"""The stored data of billing, on DynamoDB Local."""

from __future__ import annotations

import uuid

from purser.audit.model import AuditEntry
from purser.aws import clients
from purser.aws.tables import Part, Table, from_wire
from purser.billing.store import (
    DynamoDueReadingStore,
    DynamoProgress,
    DynamoStripeCustomerStore,
    DynamoSubscriptionStore,
)
from tests.support.billing_life import Stores
from tests.support.template import resources

SHAPE = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


class StoredBilling:
    """The stores over a table of their own."""

    def __init__(self) -> None:
        name, properties = f"Accounts-{uuid.uuid4()}", resources("AWS::DynamoDB::Table")["AccountsTable"]
        clients.client("dynamodb").create_table(TableName=name, **{key: properties[key] for key in SHAPE})
        self._table = Table(name)

    def stores(self) -> Stores:
        """Return the stores, with nothing in them."""
        answer = clients.client("dynamodb").scan(TableName=self._table.name, ConsistentRead=True)
        for item in map(from_wire, answer["Items"]):
            self._table.delete(item["PK"], item["SK"])
        return Stores(
            DynamoSubscriptionStore(self._table, _recording),
            DynamoDueReadingStore(self._table),
            DynamoStripeCustomerStore(self._table),
            DynamoProgress(self._table),
        )

    def drop(self) -> None:
        """Delete the table."""
        clients.client("dynamodb").delete_table(TableName=self._table.name)


def _recording(_: AuditEntry) -> list[Part]:
    """Record nothing, since no sequence grants a plan."""
    return []
