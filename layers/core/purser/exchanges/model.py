"""Balances, prices and keys at an exchange. Every amount is an exact ``Decimal``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS_REMEMBERED = 30
"""The number of past days whose balances venues keep (Binance: a month)."""

# Binance lists assets in other scripts too, such as 币安人生. Letters of ASCII are always capitals.
_ASSET = r"(?:(?![a-z_])\w){1,20}"
_SYMBOL = re.compile(f"{_ASSET}/{_ASSET}")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


class Venue(StrEnum):
    """An exchange that Purser can connect to."""

    BINANCE = "BINANCE"


class TradeType(StrEnum):
    """The market that a key trades. FUTURES are perpetual contracts margined in a stablecoin."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"


AccountType = Literal["SPOT", "MARGIN"]

ACCOUNT_TYPES: dict[TradeType, AccountType] = {TradeType.SPOT: "SPOT", TradeType.FUTURES: "MARGIN"}
"""The names of trade types in the desk API and in events."""

TRADE_TYPES = {name: kind for kind, name in ACCOUNT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class ApiCredential:
    """An API key with its HMAC secret, which ``repr`` leaves out.

    Requests with it are charged to its owner, a user. They take the egress lane of the trading account that they are
    made for, if there is one yet.
    """

    api_key: str
    secret: str = field(repr=False)
    owner: str = field(default="", compare=False)
    trading_account_id: str = field(default="", compare=False)

    @property
    def lane_key(self) -> str:
        """The id that decides the egress lane."""
        return self.trading_account_id or self.api_key

    @property
    def is_well_formed(self) -> bool:
        """Tell whether it can be sent: printable ASCII without spaces."""
        return all(_HEADER_SAFE.fullmatch(part) for part in (self.api_key, self.secret))


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """An account's balance of one asset, in units of the asset, under the venue's name for it.

    SPOT: ``total`` is ``free`` (available) plus ``used`` (locked in orders). FUTURES: ``total`` is the margin balance
    (wallet plus unrealized PnL, possibly negative), ``free`` is left for new positions, ``used`` is initial margin.
    """

    asset: str
    free: Decimal
    used: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """All assets that the venue lists for an account, empty ones included.

    ``total_usd`` is the venue's own total, for a FUTURES account all of whose assets are margin together.
    """

    trade_type: TradeType
    balances: tuple[AssetBalance, ...]
    total_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PastBalance:
    """An account's balance at the end of a UTC day (``YYYY-MM-DD``), as the venue recorded it.

    ``totals`` are assets and amounts. SPOT lists free and locked amounts apart, FUTURES the margin balance.
    """

    date: str
    totals: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A key that the venue accepts: whether it may withdraw, and the balance of its account."""

    may_withdraw: bool
    balance: AccountBalance


@dataclass(frozen=True, slots=True)
class Ticker:
    """A market's last 24 hours. Prices are in the quote asset, ``percentage`` in percent. None is unknown.

    ``symbol`` is BASE/QUOTE, ``timestamp`` Unix ms.
    """

    symbol: str
    timestamp: int
    high: Decimal | None
    low: Decimal | None
    vwap: Decimal | None
    open: Decimal | None
    close: Decimal | None
    last: Decimal | None
    change: Decimal | None
    percentage: Decimal | None
    average: Decimal | None
    base_volume: Decimal | None
    quote_volume: Decimal | None


def is_symbol(text: str) -> bool:
    """Tell whether a text looks like BASE/QUOTE."""
    return _SYMBOL.fullmatch(text) is not None


class PriceList(Protocol):
    """Prices of one instant."""

    def last(self, base: str, quote: str) -> Decimal | None:
        """Return the price of one ``base`` in ``quote``, or None if unknown."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The last prices of the spot markets of a venue that trade, by the venue's market id (``BTCUSDT``)."""

    by_market: Mapping[str, Decimal] = field(repr=False)

    def last(self, base: str, quote: str) -> Decimal | None:
        """Return the last price, or None if there is no such market or it never traded."""
        return self.by_market.get(base + quote) or None
