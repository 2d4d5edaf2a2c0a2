"""Cancellations: the work that remains after a disconnect."""

from __future__ import annotations

from dataclasses import dataclass

from purser.clock import DAY_MS
from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType
from purser.operations.model import Operation

CANCELLATION_LIFETIME_MS = DAY_MS
"""How long a disconnected credential may be kept to cancel orders, in ms (contract: 24 h)."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The pending cancellation of a disconnected trading account's open orders.

    It holds the only copy of the credential, for at most ``CANCELLATION_LIFETIME_MS``. ``queued_at`` (Unix ms) is when
    a sweep last queued it, at first its creation. ``operation`` records the disconnect, PENDING until the cancellation
    is done. Queueing it advances ``version``.
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
        """The message for the queue."""
        return {"tradingAccountId": self.trading_account_id}

    def is_over(self, now: int) -> bool:
        """Tell whether the credential's lifetime is over, so that it must be destroyed."""
        return now >= self.created_at + CANCELLATION_LIFETIME_MS


class StillCancelling(Exception):
    """Open orders of the API key are still to be cancelled, for the disconnected account ``trading_account_id``."""

    def __init__(self, trading_account_id: str) -> None:
        super().__init__(trading_account_id)
        self.trading_account_id = trading_account_id
