"""What an exchange tells us, and what a balance is worth. Every amount is a ``Decimal``, exact to the last digit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

USD_DECIMALS = 8
"""A value in USD is rounded to this many decimals, half to even, once, after everything has been added up."""

DAYS_REMEMBERED = 30
"""Of so many past days venues tell what an account held at their ends (Binance: a month)."""

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


class Venue(StrEnum):
    """An exchange that Purser can connect to."""

    BINANCE = "BINANCE"


class TradeType(StrEnum):
    """Which of a venue's markets a key trades. FUTURES are perpetual contracts margined in a stable coin."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"


AccountType = Literal["SPOT", "MARGIN"]

ACCOUNT_TYPES: dict[TradeType, AccountType] = {TradeType.SPOT: "SPOT", TradeType.FUTURES: "MARGIN"}
"""What the desk and events call what an account trades."""

TRADE_TYPES = {name: kind for kind, name in ACCOUNT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class ApiCredential:
    """An API key with its HMAC secret. The secret is in no ``repr``."""

    api_key: str
    secret: str = field(repr=False)

    @property
    def is_well_formed(self) -> bool:
        """Whether it can be sent at all: printable ASCII without spaces, as no venue issues anything else."""
        return all(_HEADER_SAFE.fullmatch(part) for part in (self.api_key, self.secret))


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """What the venue lets an API key do."""

    withdrawals: bool
    futures: bool
    spot: bool
    ip_restricted: bool


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """How much of one asset an account holds, in units of the asset (the venue's own name of it).

    SPOT: ``total`` is ``free`` (available) plus ``used`` (locked in orders). FUTURES: ``total`` is the
    margin balance (wallet plus unrealized PnL, so it may be negative), ``free`` what is available for new
    positions, and ``used`` the initial margin.
    """

    asset: str
    free: Decimal
    used: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """All assets that the venue lists for an account, including those it holds nothing of."""

    trade_type: TradeType
    balances: tuple[AssetBalance, ...]


@dataclass(frozen=True, slots=True)
class PastBalance:
    """What an account held at the end of a UTC day (``YYYY-MM-DD``), as the venue itself noted it.

    ``totals`` are assets and amounts: SPOT what is free and what is locked, FUTURES the margin balance.
    """

    date: str
    totals: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """The venue accepts a key: what it may do, and what its account holds."""

    permissions: KeyPermissions
    balance: AccountBalance


@dataclass(frozen=True, slots=True)
class Ticker:
    """A market's last 24 hours. ``symbol`` is BASE/QUOTE, ``timestamp`` Unix ms, ``percentage`` in percent.

    Prices are in the quote asset. A figure is None where the venue gives none.
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

    @property
    def datetime(self) -> str:
        """``timestamp`` in ISO 8601 with milliseconds and ``Z``."""
        seconds, milliseconds = divmod(self.timestamp, 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def is_symbol(text: str) -> bool:
    """Whether a text looks like BASE/QUOTE."""
    return _SYMBOL.fullmatch(text) is not None


class PriceList(Protocol):
    """Prices of one moment."""

    def last(self, base: str, quote: str) -> Decimal | None:
        """The price of one ``base`` in ``quote``, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The last price of every spot market of a venue, by the venue's market id (``BTCUSDT``)."""

    by_market: Mapping[str, Decimal] = field(repr=False)

    def last(self, base: str, quote: str) -> Decimal | None:
        """The last price of one ``base`` in ``quote``, or None where there is no such market or it never traded."""
        return self.by_market.get(base + quote) or None


@dataclass(frozen=True, slots=True)
class Valuation:
    """What a balance is worth in USD, and the assets (in order of name) left out for want of a price."""

    total_usd: Decimal
    unpriced: tuple[str, ...]


def value_usd(balance: AccountBalance, prices: PriceList, usdc_usd: Decimal = Decimal(1)) -> Valuation:
    """What a balance is worth in USD, by the rule of ``value_totals``."""
    return value_totals(((each.asset, each.total) for each in balance.balances), prices, usdc_usd)


def value_totals(totals: Iterable[tuple[str, Decimal]], prices: PriceList, usdc_usd: Decimal = Decimal(1)) -> Valuation:
    """What amounts of assets are worth in USD.

    A USDC counts as ``usdc_usd``, a USDT as that ÷ last(USDC/USDT); other assets by their USDT, then USDC, then BTC
    market at the last price (contract.md, "Value in USD"). An asset without a price is left out and reported, and
    one of which there is nothing is ignored. Sums and products are exact; only the total is rounded.
    """
    total = Fraction(0)
    unpriced = set()
    for asset, amount in totals:
        price = _price_usd(asset, prices, Fraction(usdc_usd)) if amount else Fraction(0)
        if price is None:
            unpriced.add(asset)
            continue
        total += Fraction(amount) * price
    return Valuation(_rounded(total), tuple(sorted(unpriced)))


def _price_usd(asset: str, prices: PriceList, usdc_usd: Fraction) -> Fraction | None:
    if asset == "USDC":
        return usdc_usd
    if asset == "USDT":
        usdc = prices.last("USDC", "USDT")
        return usdc_usd / Fraction(usdc) if usdc else None
    quotes = ("USDT", "USDC") if asset == "BTC" else ("USDT", "USDC", "BTC")
    for quote in quotes:
        last = prices.last(asset, quote)
        quote_usd = _price_usd(quote, prices, usdc_usd) if last else None
        if last and quote_usd is not None:
            return Fraction(last) * quote_usd
    return None


def _rounded(amount: Fraction) -> Decimal:
    # From text: unlike arithmetic, it is exact whatever the precision of the decimal context.
    return Decimal(f"{round(amount * 10**USD_DECIMALS)}E-{USD_DECIMALS}")
