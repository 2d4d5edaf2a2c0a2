"""The port to an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from purser.exchanges.model import (
        AccountBalance,
        ApiCredential,
        KeyCheck,
        PastBalance,
        Prices,
        Ticker,
        TradeType,
    )


class ExchangeGateway(Protocol):
    """One venue. Symbols are BASE/QUOTE.

    Every method may raise ``ExchangeRateLimited``, ``ExchangeUnavailable`` (the venue may have acted) and
    ``ExchangeBadRequest``. Methods that take a credential may also raise ``ExchangeAuthorizationFailed``.
    """

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """Return a ticker, at most a second old. Raises ``ExchangeSymbolInvalid`` for an unlisted market."""

    def prices(self) -> Prices:
        """Return the last prices of all spot markets that trade, in one request.

        Raises ``ExchangeUnavailable`` if the price of USDC in USDT, on which all others depend, is missing.
        """

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        """Return the balance of a key's account, in one request."""

    def past_balances(self, credential: ApiCredential, trade_type: TradeType) -> Sequence[PastBalance]:
        """Return the daily balances of a key's account that the venue has kept, in one request of great weight."""

    def daily_closes(self, symbol: str, since: int, until: int) -> Mapping[str, Decimal]:
        """Return a spot market's closing prices by UTC day (``YYYY-MM-DD``), in one request.

        ``since`` and ``until`` (Unix ms) bound the starts of the days. Days without a price are absent.

        Raises:
            ExchangeSymbolInvalid: the venue has no such market.
        """

    def check_key(self, credential: ApiCredential, trade_type: TradeType) -> KeyCheck:
        """Return the check of a key. Raises ``ExchangeAuthorizationFailed`` unless it may trade ``trade_type``."""

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        """Cancel every open order of a key's account, conditional ones included. Return how many were cancelled.

        A repeat is harmless. If one market refuses, the orders of the others are still cancelled. ``go_on`` is called
        before each request, the first of which only reads. An exception of it ends the call.
        """
