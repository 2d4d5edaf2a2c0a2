"""Orders, trades and positions as an exchange tells them, and what Purser asks of it about them.

Every amount is a ``Decimal``, exact to the last digit, in units of the base asset; prices and costs are in the quote
asset; times are Unix milliseconds; symbols are BASE/QUOTE. What the venue does not tell is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from purser.exchanges.model import ApiCredential, Ticker, TradeType


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other way."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Binance's names. All but LIMIT and MARKET are conditional: they wait for a trigger, apart from the others."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_conditional(self) -> bool:
        """Whether it waits for a trigger."""
        return self not in (OrderType.LIMIT, OrderType.MARKET)


class OrderStatus(StrEnum):
    """ccxt's unified states of an order. A conditional order is closed once it has triggered."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class MarginType(StrEnum):
    """Whether a position risks all of the account, or its own margin."""

    ISOLATED = "ISOLATED"
    CROSSED = "CROSSED"


@dataclass(frozen=True, slots=True)
class Contract:
    """A perpetual contract and the venue's rules for orders of it.

    Prices are multiples of ``tick``, amounts of ``step``. ``price_ceiling`` and ``price_floor`` bound the price of a
    limit order that buys or sells, as a factor of the market's.
    """

    id: str
    symbol: str
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    step: Decimal
    min_amount: Decimal
    max_amount: Decimal
    max_market_amount: Decimal
    min_notional: Decimal
    price_ceiling: Decimal
    price_floor: Decimal


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to be placed.

    ``trigger`` is the price a conditional order waits for (of a trailing stop: where it starts to follow).
    ``close_position`` closes the whole position, whatever its size then, and takes no ``amount``. ``callback_rate`` is
    in percent. An order that is ``bound_to_position`` ends with the position, which must be open when it is placed.
    """

    client_id: str
    side: Side
    type: OrderType
    amount: Decimal | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None
    callback_rate: Decimal | None = None
    reduce_only: bool = False
    close_position: bool = False
    bound_to_position: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order at the venue, in ccxt's unified terms.

    ``amount`` is None for one that closes the whole position. ``price`` of a market order is its average. ``cost`` is
    what was executed, in the quote asset.
    """

    id: str
    client_id: str
    symbol: str
    timestamp: int
    type: str
    time_in_force: str | None
    post_only: bool
    reduce_only: bool
    side: str
    price: Decimal | None
    stop_price: Decimal | None
    amount: Decimal | None
    cost: Decimal
    average: Decimal | None
    filled: Decimal
    remaining: Decimal | None
    status: OrderStatus

    @property
    def is_open(self) -> bool:
        """Whether it may still be executed."""
        return self.status is OrderStatus.OPEN

    @property
    def is_done(self) -> bool:
        """Whether it has been executed, or has triggered."""
        return self.status is OrderStatus.CLOSED

    @property
    def is_void(self) -> bool:
        """Whether it has ended without any effect."""
        return not self.is_open and not self.is_done and not self.filled


@dataclass(frozen=True, slots=True)
class Fee:
    """What a trade cost."""

    cost: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution of an order."""

    id: str
    order_id: str
    symbol: str
    timestamp: int
    side: str
    is_maker: bool
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Fee


@dataclass(frozen=True, slots=True)
class Position:
    """An open futures position.

    Margins and PnL are in the quote asset. ``collateral`` is what backs the position: its own margin when isolated,
    else the wallet of the asset. ``liquidation_price`` is None where no price would liquidate.
    """

    symbol: str
    side: str
    contracts: Decimal
    entry_price: Decimal
    mark_price: Decimal
    notional: Decimal
    unrealized_pnl: Decimal
    liquidation_price: Decimal | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    collateral: Decimal
    margin_mode: str
    is_hedged: bool
    timestamp: int

    @property
    def leverage(self) -> int | None:
        """How many times its initial margin the position is worth."""
        return round(self.notional / self.initial_margin) if self.initial_margin else None


class OrderDesk(Protocol):
    """The order desk of one venue. See ``purser.exchanges.port.ExchangeGateway`` for what every method may raise.

    Of a method that changes something, ``ExchangeUnavailable`` leaves open whether it was done; every other error
    says that it was not. All may raise ``ExchangeSymbolInvalid``.
    """

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """A market's last 24 hours, at most a second old."""

    def contract(self, symbol: str) -> Contract:
        """A perpetual contract's rules, at most an hour old."""

    def open_orders(self, credential: ApiCredential, trade_type: TradeType, symbol: str) -> Sequence[Order]:
        """A symbol's open orders, conditional ones included, oldest first."""

    def order_history(
        self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int
    ) -> Sequence[Order]:
        """A symbol's latest orders, newest first. A conditional one that has triggered is there as what it became."""

    def trade_history(
        self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int
    ) -> Sequence[Trade]:
        """A symbol's latest trades, newest first."""

    def position(self, credential: ApiCredential, symbol: str) -> Position | None:
        """A contract's open position, or None."""

    def position_amount(self, credential: ApiCredential, symbol: str) -> Decimal:
        """Return how much of a contract the account has, negative when sold short, in one request."""

    def place(self, credential: ApiCredential, symbol: str, order: NewOrder) -> Order:
        """Places an order of a contract. The venue takes it for a few seconds after it was sent, and never later.

        Raises:
            ExchangeBadRequest: refused, with ``venue_code`` one of ``Refusal`` where the reason is known to matter.
        """

    def find(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        """The latest order of a contract with a client order id, or None. A triggered one shows what it did."""

    def cancel(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> None:
        """Cancels an order of a contract; one that is not open is not an error."""

    def cancel_plain_orders(self, credential: ApiCredential, symbol: str) -> None:
        """Cancels a contract's open orders but for conditional ones."""

    def cancel_conditional_orders(self, credential: ApiCredential, symbol: str) -> None:
        """Cancels a contract's open conditional orders."""

    def set_leverage(self, credential: ApiCredential, symbol: str, leverage: int) -> None:
        """Changes a contract's leverage."""

    def set_margin_type(self, credential: ApiCredential, symbol: str, margin_type: MarginType) -> None:
        """Changes a contract's margin type; the same again is not an error."""


class Refusal(StrEnum):
    """Binance's codes of refusals that mean more than no."""

    TIME_IN_FORCE = "-1115"
    UNKNOWN_ORDER = "-2011"
    ORDER_NOT_FOUND = "-2013"
    WOULD_TRIGGER_AT_ONCE = "-2021"
    NOTHING_TO_REDUCE = "-2022"
    MARGIN_TYPE_SET = "-4046"
    CLIENT_ID_IN_USE = "-4116"


SENDING_WINDOW_MS = 5_000
"""How long after an order was sent the venue may still accept it, by its own clock (Binance: ``recvWindow``)."""
