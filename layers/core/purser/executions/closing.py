"""Close the open trade of a follow that has stopped."""

from __future__ import annotations

from collections.abc import Callable

from purser.errors import ExchangeError, NotFound, RequestInFlight, Unfinished
from purser.executions.ports import ExecutionStore
from purser.follows.model import TradeClosing
from purser.orders.intents import ORDER_TIME_MS
from purser.orders.service import Orders
from purser.ports import Access

FIRST_RETRY_S = 5
RETRY_GROWTH = 8
"""A closing is tried again after 5 s, 40 s, 5 min and 43 min, which outlasts most outages of an exchange."""


class StoppedTrades:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, executions: ExecutionStore, accounts: Access, orders: Orders, now: Callable[[], int]) -> None:
        self._executions = executions
        self._accounts = accounts
        self._orders = orders
        self._now = now

    def close(self, closing: TradeClosing) -> None:
        """Close what a trade holds, unless it has ended. Once it is stored as closing, the reconciler completes it.

        Raises:
            Unfinished: an order of its symbol is being placed or cleared, or it could not be stored.
        """
        trade = self._executions.intent(*closing.key)
        if trade is None or trade.is_closing:
            return
        try:
            account, credential = self._accounts.get(closing.user_id, closing.trading_account_id)
        except NotFound:
            return  # It is disconnected, and its credential is gone.
        try:
            deadline = self._now() + ORDER_TIME_MS
            self._orders.close(account, credential, trade, None, deadline, self._executions.keep)
        except RequestInFlight:
            raise _not_closing(closing) from None
        except ExchangeError:
            pass
        after = self._executions.intent(*closing.key)
        if after is not None and not after.state.is_final and not after.is_closing:
            raise _not_closing(closing)


def _not_closing(closing: TradeClosing) -> Unfinished:
    retry_after = FIRST_RETRY_S * RETRY_GROWTH ** max(0, closing.attempts - 1)
    return Unfinished("the trade is not closing yet", retry_after=retry_after)
