"""Orders, trades and positions at an exchange, and the port of its order desk.

Amounts are exact ``Decimal`` in units of the base asset, prices and costs in the quote asset. Times are Unix
milliseconds, symbols BASE/QUOTE. None is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from purser.clock import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from purser.exchanges.budget import Purpose
    from purser.exchanges.model import ApiCredential, Ticker, TradeType


class Side(StrEnum):
    """The direction of an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Types of orders, in Binance's terms."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_conditional(self) -> bool:
        """True if an order of this type waits for a trigger."""
        return self not in (OrderType.LIMIT, OrderType.MARKET)


class OrderStatus(StrEnum):
    """The status of an order, in ccxt's unified terms. A triggered conditional order is closed."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class MarginType(StrEnum):
    """The margin that a position risks: its own, or the whole account's."""

    ISOLATED = "ISOLATED"
    CROSSED = "CROSSED"


MOST_CONDITIONAL = 10
"""The open conditional orders that an account may have of a contract, unless the venue says otherwise (ccxt#15995)."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A perpetual contract and the venue's rules for its orders.

    Prices are multiples of ``tick``, amounts of ``step``. The price of a limit order to buy is at most the market's
    times ``price_ceiling``, to sell at least the market's times ``price_floor``. An account has at most
    ``most_conditional`` open conditional orders.
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
    is_trading: bool = True
    most_conditional: int = MOST_CONDITIONAL


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """The venue's rules for positions of a contract that are worth at most ``max_notional``.

    The maintenance margin of a position is ``maintenance_rate`` of its value, less ``maintenance_amount``.
    """

    max_notional: Decimal
    max_leverage: int
    maintenance_rate: Decimal
    maintenance_amount: Decimal


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to place.

    ``trigger`` is the price that a conditional order waits for; a trailing stop starts to follow there.
    ``close_position`` closes the whole position and takes no ``amount``. ``callback_rate`` is in percent. An order that
    is ``bound_to_position`` ends with the position, which must be open when the order is placed. An ``immediate`` limit
    order never rests: what is not executed at once is cancelled.
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
    immediate: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order at the venue, in ccxt's unified terms.

    ``amount`` is None if the order closes the whole position. The ``price`` of a market order is its average. ``cost``
    is the executed value in the quote asset. ``became`` is the id of the order that a triggered conditional one became.
    ``triggering_since`` is set while the venue does not say what that is (Unix ms). ``updated_at`` is the time of the
    last change, by the venue's clock: of an order that is filled, the time of its last trade.
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
    status: OrderStatus | None
    became: str | None = None
    triggering_since: int | None = None
    updated_at: int | None = None

    @property
    def is_open(self) -> bool:
        """True if the order may still be executed, as it may when its status is unknown."""
        return self.status in (OrderStatus.OPEN, None)

    @property
    def is_done(self) -> bool:
        """True if the order was executed or triggered."""
        return self.status is OrderStatus.CLOSED

    @property
    def is_void(self) -> bool:
        """True if the order ended without any execution."""
        return not self.is_open and not self.is_done and not self.filled


@dataclass(frozen=True, slots=True)
class Fee:
    """The fee of a trade."""

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
class Funding:
    """One funding of a contract: longs paid shorts ``rate`` of the value of their position at ``mark_price``."""

    time: int
    rate: Decimal
    mark_price: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """An open futures position. Margins and PnL are in the quote asset.

    ``collateral`` is the position's own margin if it is isolated, else the wallet of the quote asset. If all assets of
    the account are margin together, it is their total in USD.
    ``liquidation_price`` is None if no price would liquidate the position.
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
        """The notional value as a multiple of the initial margin."""
        return round(self.notional / self.initial_margin) if self.initial_margin else None


@dataclass(frozen=True, slots=True)
class PositionReading:
    """The amount of a position, negative if short, and the time of its last change, by the venue's clock."""

    amount: Decimal
    changed_at: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """The position that an account can carry in a contract once its present one is closed.

    ``position`` is the amount of that position, negative if short. ``max_notional`` is the greatest value of a position
    at the present leverage. ``available`` is the margin for new positions, in the quote asset, after the closing.
    """

    position: Decimal
    leverage: int
    max_notional: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Margin:
    """The margin of an account in the quote asset of a contract, and its position in that contract, in one reading.

    ``equity`` is the wallet with unrealized results, ``available`` what new positions may bind. ``position`` is the
    amount of the position, negative if short. ``shares_assets`` says that all assets are margin together.
    """

    equity: Decimal
    available: Decimal
    position: Decimal
    shares_assets: bool


class OrderDesk(Protocol):
    """The order desk of one venue. Methods raise the errors of ``ExchangeGateway``, and ``ExchangeSymbolInvalid``.

    After ``ExchangeUnavailable`` an order may have been placed or cancelled, or may be within ``SENDING_WINDOW_MS``.
    After any other error it was not. Positions of an account in hedge mode are refused with ``ExchangeBadRequest``,
    because a contract may have two of them.
    """

    def spending(self, purpose: Purpose) -> OrderDesk:
        """Return this desk for requests of a purpose. It makes them for READING otherwise."""

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """Return a market's last 24 hours, at most a second old."""

    def contract(self, symbol: str) -> Contract:
        """Return a perpetual contract's rules, at most an hour old."""

    def open_orders(self, credential: ApiCredential, trade_type: TradeType, symbol: str) -> Sequence[Order]:
        """Return a symbol's open orders, conditional ones included, oldest first."""

    def order_history(
        self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int
    ) -> Sequence[Order]:
        """Return a symbol's latest orders, newest first. A triggered order appears as the order that it became."""

    def trade_history(
        self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int
    ) -> Sequence[Trade]:
        """Return a symbol's latest trades, newest first."""

    def trades_since(self, credential: ApiCredential, symbol: str, order: Order) -> Sequence[Trade]:
        """Return the trades of a contract from the first of an order on, oldest first.

        None of them means that they are not known: the venue does not list them yet or any more, one cannot be read, or
        they are too many.
        """

    def position(self, credential: ApiCredential, symbol: str) -> Position | None:
        """Return a contract's open position, or None."""

    def capacity(self, credential: ApiCredential, symbol: str) -> Capacity:
        """Return what the account can carry in a contract, in two requests."""

    def margin(self, credential: ApiCredential, symbol: str) -> Margin:
        """Return the account's margin for a contract, in one request."""

    def brackets(self, credential: ApiCredential, symbol: str) -> Sequence[LeverageBracket]:
        """Return a contract's brackets of leverage, the smallest first, at most an hour old."""

    def position_reading(self, credential: ApiCredential, symbol: str) -> PositionReading:
        """Return the amount of the position in a contract, and when it last changed, in one request."""

    def place(self, credential: ApiCredential, symbol: str, order: NewOrder) -> Order:
        """Place an order of a contract.

        Raises:
            ExchangeBadRequest: refused; a reason that matters is a ``venue_code`` of ``Refusal``.
        """

    def find(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        """Return the latest order with a client order id, or None. A triggered order has its execution."""

    def cancel(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> None:
        """Cancel an order. It is no error if the order is not open."""

    def cancel_plain_orders(self, credential: ApiCredential, symbol: str) -> None:
        """Cancel a contract's open orders except conditional ones."""

    def cancel_conditional_orders(self, credential: ApiCredential, symbol: str) -> None:
        """Cancel a contract's open conditional orders."""

    def set_leverage(self, credential: ApiCredential, symbol: str, leverage: int) -> None:
        """Set a contract's leverage."""

    def set_margin_type(self, credential: ApiCredential, symbol: str, margin_type: MarginType) -> None:
        """Set a contract's margin type. It is no error if it is set already."""


class Refusal(StrEnum):
    """Binance's codes of refusals that Purser treats specially."""

    TIME_IN_FORCE = "-1115"
    ORDER_NOT_FOUND = "-2013"
    WOULD_TRIGGER_AT_ONCE = "-2021"
    MARGIN_INSUFFICIENT = "-2019"
    NOTHING_TO_REDUCE = "-2022"
    LEVERAGE_TOO_HIGH = "-2027"
    MARGIN_TYPE_SET = "-4046"
    OPEN_ORDERS = "-4047"
    OPEN_POSITION = "-4048"
    HEDGE_MODE = "-4061"
    MARGIN_TYPE_SET_TOO = "-4067"
    CLIENT_ID_IN_USE = "-4116"
    CLOSED_BY_ANOTHER = "-4130"
    MULTI_ASSETS = "-4168"
    NO_POSITION = "-4509"


SENDING_WINDOW_MS = 5_000
"""The time after sending in which the venue accepts a change of orders, by its clock (Binance: ``recvWindow``)."""

UNFILLED_FOUND_MS = 3 * DAY_MS
FOUND_MS = 90 * DAY_MS
"""The age until which look-ups and histories find an order that ended without a fill, or any order.

Lists of open orders have all of them.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Algo-Order.
"""
