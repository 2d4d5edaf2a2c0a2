"""Cancellations: what is left to do for a disconnected trading account."""

from __future__ import annotations

from dataclasses import dataclass

from purser.clock import DAY_MS
from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType
from purser.operations.model import Operation

CANCELLATION_LIFETIME_MS = DAY_MS
"""How long a disconnected credential may still serve to cancel orders, in ms (contract: 24 h)."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The open orders of a disconnected trading account are still to be cancelled, and nothing else.

    It holds the only copy of a disconnected credential, and no longer than ``CANCELLATION_LIFETIME_MS``. ``queued_at``
    (Unix ms) is when a sweep queued it last, at first when it began. ``operation`` records the disconnect, and is
    PENDING until the cancellation is done. Each time it is queued makes a new ``version``.
    """

    trading_account_id: str
    trade_type: TradeType
    credential: SealedCredential
    created_at: int
    queued_at: int
    operation: Operation | None = None
    version: int = 1

    @property
    def message(self) -> dict[str, str]:
        """What the queue carries."""
        return {"tradingAccountId": self.trading_account_id}

    def is_over(self, now: int) -> bool:
        """Whether the credential must be destroyed by now (Unix ms), cancelled or not."""
        return now >= self.created_at + CANCELLATION_LIFETIME_MS


class StillCancelling(Exception):
    """The API key's open orders are still to be cancelled, for the disconnected account ``trading_account_id``."""

    def __init__(self, trading_account_id: str) -> None:
        super().__init__(trading_account_id)
        self.trading_account_id = trading_account_id
