"""Items of cancellations in the Keys table."""

from __future__ import annotations

from purser.aws.tables import Item
from purser.credentials.store.items import credential_attributes, sealed_of
from purser.disconnecting.model import Cancellation
from purser.exchanges.model import TradeType
from purser.keys_table import CANCELLATIONS, version_of
from purser.operations.store import operation_attributes, operation_of


def cancellation_item(cancellation: Cancellation) -> Item:
    """Return a cancellation as an item."""
    return {
        "PK": CANCELLATIONS,
        "SK": cancellation.trading_account_id,
        "tradeType": cancellation.trade_type.value,
        "credential": credential_attributes(cancellation.credential),
        "requestedAt": cancellation.created_at,
        "queuedAt": cancellation.queued_at,
        "version": cancellation.version,
        "operation": operation_attributes(cancellation.operation) if cancellation.operation else None,
    }


def cancellation_of(item: Item) -> Cancellation:
    """Return the cancellation in an item."""
    return Cancellation(
        trading_account_id=item["SK"],
        trade_type=TradeType(item["tradeType"]),
        credential=sealed_of(item["credential"]),
        created_at=int(item["requestedAt"]),
        queued_at=int(item["queuedAt"]),
        version=version_of(item),
        operation=operation_of(item["operation"]) if "operation" in item else None,
    )
