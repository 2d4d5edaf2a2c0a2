"""The markets that the paper exchange lists, with their filters.

Ticks, steps and limits follow Binance's own orders of magnitude; prices are where a fresh exchange starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

DELIVERY_SYMBOL = "BTCUSDT_281229"
DELIVERY_TIME = 1861689600000  # 2028-12-29 08:00 UTC, the last Friday of its quarter
PERPETUAL_DELIVERY_TIME = 4133404800000  # Binance's value for never

# base: start price in USDT, spot tick, spot step, perpetual tick, perpetual step, greatest leverage (0: no perpetual)
ASSETS = """
BTC 65000 0.01 0.00001 0.10 0.001 125
ETH 3200 0.01 0.0001 0.01 0.001 100
BNB 600 0.01 0.001 0.010 0.01 75
SOL 150 0.01 0.001 0.0100 0.01 100
XRP 0.6 0.0001 0.1 0.0001 0.1 75
DOGE 0.15 0.00001 1 0.000010 1 75
ADA 0.45 0.0001 0.1 0.00010 1 75
TRX 0.13 0.0001 0.1 0.00001 1 75
AVAX 30 0.01 0.01 0.0010 1 75
LINK 15 0.01 0.01 0.001 0.01 75
DOT 7 0.001 0.01 0.001 0.1 75
LTC 80 0.01 0.001 0.01 0.001 75
BCH 450 0.1 0.001 0.01 0.001 75
UNI 9 0.001 0.01 0.0010 1 75
ATOM 8 0.001 0.01 0.001 0.01 75
ETC 25 0.01 0.01 0.001 0.01 75
XLM 0.11 0.0001 1 0.00001 1 75
NEAR 6 0.001 0.1 0.0010 1 75
FIL 5 0.001 0.01 0.001 0.1 75
APT 9 0.001 0.01 0.00100 0.1 75
ARB 1 0.0001 0.1 0.000100 0.1 75
OP 2 0.001 0.01 0.0001000 0.1 75
SUI 1.2 0.0001 0.1 0.000100 0.1 75
INJ 25 0.01 0.01 0.001000 0.1 50
AAVE 100 0.01 0.001 0.010 0.1 75
MKR 2500 1 0.0001 0.10 0.001 50
ICP 10 0.001 0.01 0.001 1 50
HBAR 0.08 0.00001 1 0.00001 1 50
VET 0.03 0.00001 0.1 0.000010 1 50
ALGO 0.18 0.0001 1 0.0001 0.1 50
GRT 0.2 0.0001 1 0.00001 1 50
SAND 0.35 0.0001 1 0.00010 1 50
MANA 0.35 0.0001 1 0.0001 1 50
AXS 6 0.001 0.01 0.00100 1 50
EGLD 40 0.01 0.01 0.010 0.1 50
THETA 1.5 0.001 0.1 0.0001 0.1 50
XTZ 0.8 0.001 0.1 0.001 0.1 50
RUNE 4 0.001 0.1 0.0010 1 50
DYDX 1.4 0.001 0.01 0.001 0.1 50
币安人生 0.15 0.0001 0.1 0.00010 0.1 50
SHIB 0.000018 0.00000001 1 0 0 0
PEPE 0.00001 0.00000001 1 0 0 0
PAXG 2400 1 0.0001 0 0 0
USDC 1 0.0001 1 0 0 0
FDUSD 1 0.0001 1 0 0 0
"""
QUOTED_IN_USDC = ["BTC", "ETH", "BNB", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "SUI", "ARB"]
QUOTED_IN_BTC = ["ETH", "BNB", "SOL", "XRP", "ADA", "AVAX", "LINK", "DOT", "LTC", "UNI"]
QUOTED_IN_FDUSD = ["BTC", "ETH", "BNB", "SOL", "XRP", "DOGE"]
PERPETUALS_IN_USDC = ["BTC", "ETH", "SOL", "BNB", "XRP"]
STABLE = {"USDT", "USDC", "FDUSD"}
UNQUOTED = ["BUSD", "EUR", "WAVES"]  # Balances can have these, but they have no market.
IN_EARN = ["LDUSDT", "LDBTC"]  # flexible Earn: in the balances of spot, and of futures as collateral
CREDITS = "BNFCR"  # futures credits of the EEA, worth a dollar; a debt is negative
FIAT = {"TRY": "42.1"}  # only the quote of markets: a USDT in TRY
SUSPENDED = ("WAVES", "USDT", "1.2", "0.001", "0.01")
DELISTED = ("NAV", "USDT", "0.37072", "0.00001", "0.01")  # `ticker/price` still lists its last price


@dataclass(frozen=True)
class Market:
    """One listed market; `pair` is the unified name by which its price is moved."""

    symbol: str
    base: str
    quote: str
    start: Decimal
    tick: Decimal
    step: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    status: str = "TRADING"
    max_leverage: int = 0
    delivery: int = 0

    @property
    def pair(self) -> str:
        return f"{self.base}/{self.quote}"

    @cached_property
    def price_places(self) -> int:
        """Decimals of a futures price on the wire."""
        return max(-int(self.tick.as_tuple().exponent), 0)

    @cached_property
    def quantity_places(self) -> int:
        """Decimals of a futures quantity on the wire."""
        return max(-int(self.step.normalize().as_tuple().exponent), 0)

    @cached_property
    def max_market_quantity(self) -> Decimal:
        return (self.max_quantity / 8).quantize(self.step)

    @cached_property
    def max_price(self) -> Decimal:
        return (self.start * 70).quantize(self.tick)

    def on_tick(self, price: Decimal) -> Decimal:
        """Return the nearest price of this market's grid, never zero."""
        return max((price / self.tick).to_integral_value() * self.tick, self.tick)


def _table() -> dict[str, list[str]]:
    rows = (line.split() for line in ASSETS.strip().splitlines())
    return {row[0]: row[1:] for row in rows}


def _max_quantity(price: Decimal, step: Decimal) -> Decimal:
    """Return a round number of steps worth about forty million USDT."""
    return max(Decimal(10) ** (Decimal(40_000_000) / price).adjusted(), step * 1000)


def _spot(
    base: str, quote: str, price: str | Decimal, tick: str | Decimal, step: str, status: str = "TRADING"
) -> Market:
    start = Decimal(price)
    usd_price = start if quote in STABLE else Decimal(_table()[base][0] if base != "USDT" else 1)
    return Market(
        symbol=base + quote, base=base, quote=quote, start=start, tick=Decimal(tick), step=Decimal(step),
        max_quantity=_max_quantity(usd_price, Decimal(step)),
        min_notional=Decimal("0.0001") if quote == "BTC" else Decimal(5), status=status,
    )  # fmt: skip


def spot_markets() -> dict[str, Market]:
    """Return every spot market by its wire symbol."""
    table = _table()
    markets = [_spot(base, "USDT", *row[:3]) for base, row in table.items()]
    markets += [_spot(base, "USDC", *table[base][:3]) for base in QUOTED_IN_USDC]
    markets += [_spot(base, "FDUSD", *table[base][:3]) for base in QUOTED_IN_FDUSD]
    markets += [_in_btc(base, table) for base in QUOTED_IN_BTC]
    markets += [_spot("USDT", fiat, price, "0.01", "1") for fiat, price in FIAT.items()]
    markets += [_spot(*gone, status="BREAK") for gone in (SUSPENDED, DELISTED)]
    return {market.symbol: market for market in markets}


def _in_btc(base: str, table: dict[str, list[str]]) -> Market:
    price = Decimal(table[base][0]) / Decimal(table["BTC"][0])
    tick = max(Decimal(10) ** (price.adjusted() - 4), Decimal("0.00000001"))
    return _spot(base, "BTC", price.quantize(tick), tick, table[base][2])


def _contract(base: str, quote: str, row: list[str], symbol: str, delivery: int) -> Market:
    price, _, _, tick, step, leverage = row
    return Market(
        symbol=symbol, base=base, quote=quote, start=Decimal(price), tick=Decimal(tick), step=Decimal(step),
        max_quantity=_max_quantity(Decimal(price), Decimal(step)),
        min_notional=Decimal({"BTC": 100, "ETH": 20}.get(base, 5)), max_leverage=int(leverage), delivery=delivery,
    )  # fmt: skip


def futures_markets() -> dict[str, Market]:
    """Return every USDⓈ-M contract by its wire symbol: perpetuals, and one delivery contract."""
    table = {base: row for base, row in _table().items() if row[5] != "0"}
    never = PERPETUAL_DELIVERY_TIME
    markets = [_contract(base, "USDT", row, base + "USDT", never) for base, row in table.items()]
    markets += [_contract(base, "USDC", table[base], base + "USDC", never) for base in PERPETUALS_IN_USDC]
    markets.append(_contract("BTC", "USDT", table["BTC"], DELIVERY_SYMBOL, DELIVERY_TIME))
    return {market.symbol: market for market in markets}


def all_assets() -> list[str]:
    """Return every asset that a spot account lists, zero balances included."""
    return sorted({*_table(), "USDT", *UNQUOTED, *IN_EARN, *FIAT, DELISTED[0]})
