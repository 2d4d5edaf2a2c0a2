"""What Purser asks of an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from purser.exchanges.model import (
        AccountBalance,
        ApiCredential,
        KeyCheck,
        KeyPermissions,
        PastBalance,
        Prices,
        Ticker,
        TradeType,
    )


class ExchangeGateway(Protocol):
    """One venue. Symbols are BASE/QUOTE.

    Every method may raise ``ExchangeRateLimited`` (wait before asking again), ``ExchangeUnavailable`` (an outage,
    whether the venue acted is unknown) and ``ExchangeBadRequest`` (the venue refuses); those that take a credential
    also ``ExchangeAuthorizationFailed`` (the venue does not accept it).
    """

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """A market's last 24 hours, at most a second old.

        Raises:
            ExchangeSymbolInvalid: the venue lists no such market for this trade type.
        """

    def prices(self) -> Prices:
        """The last prices of all spot markets, in one request."""

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        """What the account of a key holds, in one request."""

    def past_balances(self, credential: ApiCredential, trade_type: TradeType) -> Sequence[PastBalance]:
        """What the account of a key held at the ends of past days, as far back as the venue remembers.

        In one request, of great weight. Days of which the venue knows nothing are absent.
        """

    def daily_closes(self, symbol: str, since: int, until: int) -> Mapping[str, Decimal]:
        """A spot market's closing prices by UTC day (``YYYY-MM-DD``), in one request.

        ``since`` and ``until`` (Unix ms) bound the beginnings of the days. Days without a price are absent.

        Raises:
            ExchangeSymbolInvalid: the venue has no such market.
        """

    def key_permissions(self, credential: ApiCredential, trade_type: TradeType) -> KeyPermissions:
        """What a key may do, in one request."""

    def check_key(self, credential: ApiCredential, trade_type: TradeType) -> KeyCheck:
        """Permissions and balance of a key that is to trade ``trade_type``.

        Raises:
            ExchangeAuthorizationFailed: the key, its secret, or its permission for this trade type is missing.
        """

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        """Cancels every open order of a key's account, conditional ones included, and does nothing else.

        Doing it again is harmless. An order that one market refuses to cancel does not keep those of others open.
        ``go_on`` is called right before each request, of which the first only reads; what it raises ends it all there.

        Returns:
            How many orders were open and are cancelled.
        """
