"""Cancellations: the work that remains after a disconnect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from purser.clock import DAY_MS
from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType
from purser.operations.model import Operation
from purser.work.model import WorkItem

CANCELLATION_LIFETIME_MS = DAY_MS - 15 * 60 * 1000
"""The time for which a disconnected credential is kept to cancel orders, in ms.

The contract allows 24 h. A sweep destroys the credential, so this leaves time for three sweeps.
"""

RESEND_AFTER_MS = 15 * 60 * 1000
"""The time from sending a cancellation's message until it is due again. The message's first retries fit in between."""


@dataclass(frozen=True, slots=True)
class Cancellation(WorkItem):
    """The pending cancellation of a disconnected trading account's open orders.

    It holds the only copy of the credential, for at most ``CANCELLATION_LIFETIME_MS``. ``operation`` records the
    disconnect, and is PENDING until the cancellation ends.
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
    def since(self) -> int:
        """The time at which the trading account was disconnected."""
        return self.created_at

    @property
    def deadline(self) -> int:
        """The time at which the credential must be destroyed, even if orders are still open."""
        return self.created_at + CANCELLATION_LIFETIME_MS


class StillCancelling(Exception):
    """Open orders of the API key are still to be cancelled, for the disconnected account ``trading_account_id``."""

    def __init__(self, trading_account_id: str) -> None:
        super().__init__(trading_account_id)
        self.trading_account_id = trading_account_id
