"""The stored state: accounts, positions, orders, trades and prices. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
DEFAULT_LEVERAGE = 20


BOTH = "BOTH"
"""The position side of an account in one-way mode. In hedge mode there are LONG and SHORT."""


def position_key(symbol: str, side: str) -> str:
    """Return the key of a position: a contract has one in one-way mode, and two in hedge mode."""
    return symbol if side == BOTH else f"{symbol} {side}"


@dataclass
class Position:
    """A position in a contract. A negative quantity is short."""

    symbol: str
    side: str = BOTH
    quantity: Decimal = ZERO
    entry: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    costs: Decimal = ZERO  # Fees less realized profit since the position was flat, which break-even must earn back.
    updated: int = 0


@dataclass
class Snapshot:
    """The balances of an account at the end of one UTC day."""

    spot: dict[str, Decimal]
    futures: dict[str, Decimal]


@dataclass
class Account:
    """An API key, its permissions and its accounts."""

    api_key: str
    created: int
    withdrawals: bool = False
    futures_enabled: bool = True
    revoked: bool = False
    hedged: bool = False
    multi_assets: bool = False
    read_only: bool = False
    ips: list[str] = field(default_factory=list)
    free: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, Decimal] = field(default_factory=dict)
    wallet: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    isolated: dict[str, bool] = field(default_factory=dict)
    spot_updated: int = 0
    futures_updated: int = 0


@dataclass
class Condition:
    """The trigger of a conditional order: a price, or a distance from the best price since activation."""

    rises: bool  # triggers when the price rises to the trigger, else when it falls to it
    price: Decimal = ZERO
    distance: Decimal = ZERO  # a fraction of the extreme, for trailing orders
    activation: Decimal = ZERO
    active: bool = True
    extreme: Decimal = ZERO


@dataclass
class Order:
    """A spot or futures order in the matching engine."""

    id: int
    api_key: str
    symbol: str
    client_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    created: int
    updated: int
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing_delta: int = 0
    condition: Condition | None = None
    working: bool = True
    locked: Decimal = ZERO
    reduce_only: bool = False
    close_position: bool = False
    original_type: str = ""
    algo_id: int = 0
    position_side: str = BOTH
    told: dict[str, Any] = field(default_factory=dict)
    """The fields of its row that are not true, by wire name. Without a value, the field is missing."""

    @property
    def position_key(self) -> str:
        return position_key(self.symbol, self.position_side)

    @property
    def open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def buys(self) -> bool:
        return self.side == "BUY"

    @property
    def average(self) -> Decimal:
        """The average price of the executed quantity, zero if there is none."""
        return self.quote / self.executed if self.executed else ZERO


@dataclass
class Algo:
    """A conditional futures order, waiting in the algo service for its trigger."""

    id: int
    api_key: str
    symbol: str
    client_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    condition: Condition
    working_type: str
    price_protect: bool
    reduce_only: bool
    close_position: bool
    callback_rate: str
    created: int
    updated: int
    status: str = "NEW"
    triggered: int = 0
    order_id: int = 0
    order_price: Decimal = ZERO
    position_side: str = BOTH
    told: dict[str, Any] = field(default_factory=dict)
    listed_when_stuck: bool = False

    @property
    def position_key(self) -> str:
        return position_key(self.symbol, self.position_side)

    @property
    def waits(self) -> bool:
        """True until it is triggered or ends."""
        return self.status == "NEW"

    @property
    def open(self) -> bool:
        """True if it is listed, and keeps others from its client id and its place."""
        return self.waits or (self.status == "TRIGGERING" and self.listed_when_stuck)

    @property
    def buys(self) -> bool:
        return self.side == "BUY"


@dataclass
class Trade:
    """One execution. `fee` is paid in `fee_asset`. `realized` is futures profit before fees."""

    id: int
    order_id: int
    api_key: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    quote: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time: int
    realized: Decimal = ZERO


@dataclass
class Quote:
    """The price of one pair, and its range of today."""

    pair: str
    price: Decimal
    high: Decimal
    low: Decimal


@dataclass
class Minute:
    """The prices of one pair in a minute in which it moved, from the price before the first move on."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass
class Range:
    """The highest and lowest price of one pair on a past day."""

    high: Decimal
    low: Decimal


@dataclass
class Funding:
    """The rate of one funding of a contract."""

    symbol: str
    rate: Decimal
    time: int
    mark: Decimal


@dataclass
class FundingFee:
    """The amount that one funding paid to an account, or took from it (negative)."""

    id: int
    api_key: str
    symbol: str
    asset: str
    amount: Decimal
    time: int
