"""Cancellations: what is left to do for a disconnected trading account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from purser.clock import DAY_MS
from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType
from purser.operations.model import Operation
from purser.work.model import WorkItem

CANCELLATION_LIFETIME_MS = DAY_MS
"""How long a disconnected credential may still serve to cancel orders, in ms (contract: 24 h)."""

PATIENCE_MS = 15 * 60 * 1000
"""How long a message is trusted to arrive, in ms; its own first retries fit in between."""


@dataclass(frozen=True, slots=True)
class Cancellation(WorkItem):
    """The open orders of a disconnected trading account are still to be cancelled, and nothing else.

    It holds the only copy of a disconnected credential, and no longer than ``CANCELLATION_LIFETIME_MS``. ``operation``
    records the disconnect, and is PENDING until the cancellation ends.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ("tradingAccountId",)

    trading_account_id: str
    trade_type: TradeType
    credential: SealedCredential
    created_at: int
    operation: Operation | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The id of its trading account."""
        return (self.trading_account_id,)

    @property
    def deadline(self) -> int:
        """When its credential must be destroyed, whether the orders are cancelled or not."""
        return self.created_at + CANCELLATION_LIFETIME_MS


class StillCancelling(Exception):
    """The API key's open orders are still to be cancelled, for the disconnected account ``trading_account_id``."""

    def __init__(self, trading_account_id: str) -> None:
        super().__init__(trading_account_id)
        self.trading_account_id = trading_account_id
