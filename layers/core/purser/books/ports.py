"""The ports of books. Stores may raise ``purser.errors.Unavailable`` anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from purser.books.model import TradeResult
from purser.exchanges.budget import Purpose
from purser.exchanges.model import ApiCredential, Ticker, TradeType
from purser.exchanges.orders import Funding, Order, Trade
from purser.orders.intents import Intent


class Intents(Protocol):
    """The store of intents."""

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        """Return an intent as it is now."""


class ResultStore(Protocol):
    """The results of trades. None of them ever changes."""

    def has(self, follow_id: str, signal_id: str) -> bool:
        """Return whether the trade of a signal has its result."""

    def add(self, result: TradeResult) -> None:
        """Store a result, unless the trade has one."""

    def between(self, follow_id: str, first_signal_id: str, last_signal_id: str) -> Mapping[str, TradeResult]:
        """Return the results of a follow by signal, from the first to the last one."""


class BookDesk(Protocol):
    """What books read at a venue. Every method raises the errors of ``OrderDesk``."""

    def spending(self, purpose: Purpose) -> BookDesk:
        """Return this desk for requests of a purpose."""

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """Return a market's last 24 hours, at most a second old."""

    def trades_between(self, credential: ApiCredential, symbol: str, since: int, until: int) -> Sequence[Trade]:
        """Return a contract's trades in a range of time, oldest first. One that cannot be read is an error."""

    def order(self, credential: ApiCredential, symbol: str, order_id: str) -> Order | None:
        """Return a contract's plain order by the venue's id, or None."""

    def fundings(self, symbol: str, since: int, until: int) -> Sequence[Funding]:
        """Return the fundings of a contract in a past range of time, oldest first."""
