"""Items of cancellations in the Keys table."""

from __future__ import annotations

from purser.aws.tables import Item
from purser.credentials.store.items import credential_attributes, sealed_attributes
from purser.disconnecting.model import RESEND_AFTER_MS, Cancellation
from purser.exchanges.model import TradeType
from purser.keys_table import CANCELLATIONS
from purser.operations.store import operation_attributes, operation_of
from purser.work.store import Attributes

NAMES = Attributes(due="queuedAt", lease="heldUntil", after_ms=RESEND_AFTER_MS)
"""``queuedAt`` is when the message was sent, ``RESEND_AFTER_MS`` before the cancellation is due."""


def cancellation_item(cancellation: Cancellation) -> Item:
    """Return a waiting cancellation as an item."""
    return {
        "PK": CANCELLATIONS,
        "SK": cancellation.trading_account_id,
        "tradeType": cancellation.trade_type.value,
        "credential": credential_attributes(cancellation.credential),
        "requestedAt": cancellation.created_at,
        "operation": operation_attributes(cancellation.operation) if cancellation.operation else None,
        **NAMES.write(cancellation),
        "version": cancellation.version,
    }


def cancellation_of(item: Item) -> Cancellation:
    """Return the cancellation in an item."""
    return Cancellation(
        trading_account_id=item["SK"],
        trade_type=TradeType(item["tradeType"]),
        credential=sealed_attributes(item["credential"]),
        created_at=int(item["requestedAt"]),
        operation=operation_of(item["operation"]) if "operation" in item else None,
        **NAMES.read(item),
    )
