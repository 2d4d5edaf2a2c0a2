"""The value of balances in USD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from purser.exchanges.model import AccountBalance, PriceList

USD_DECIMALS = 8
"""The decimals of a value in USD. Only the total is rounded, half to even."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """A value in USD, and the assets (sorted by name) left out of it because they have no price."""

    total_usd: Decimal
    unpriced: tuple[str, ...]


CREDITS = "BNFCR"
"""Binance's futures credits, of which one is one USD; they have no market, and may be a debt.

Source: https://www.binance.com/en/support/faq/detail/0e857c392a2d47cebde0af762d9255ae.
"""

EARN_PREFIX = "LD"
"""Binance's prefix for an asset that is lent in flexible Earn: LDUSDT is redeemed as USDT, one to one."""


def value_usd(balance: AccountBalance, prices: PriceList, usdc_usd: Decimal = Decimal(1)) -> Valuation:
    """Value a balance in USD: as the venue totals it, if it does, else as ``value_totals``."""
    if balance.total_usd is not None:
        return Valuation(_rounded(Fraction(balance.total_usd)), ())
    return value_totals(((each.asset, each.total) for each in balance.balances), prices, usdc_usd)


def value_totals(totals: Iterable[tuple[str, Decimal]], prices: PriceList, usdc_usd: Decimal = Decimal(1)) -> Valuation:
    """Value amounts of assets in USD (contract.md, "Value in USD").

    A USDC counts as ``usdc_usd``, a USDT as that ÷ last(USDC/USDT). Other assets count at the last price of their USDT,
    else USDC, else BTC market. One that is only the quote of such a market counts at the inverse, one in Earn as its
    underlying. An asset without a price is left out and reported. Only the total is rounded.
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
    if asset == CREDITS:
        return Fraction(1)
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
    for base in quotes:
        last = prices.last(base, asset)
        base_usd = _price_usd(base, prices, usdc_usd) if last else None
        if last and base_usd is not None:
            return base_usd / Fraction(last)
    underlying = asset.removeprefix(EARN_PREFIX)
    return _price_usd(underlying, prices, usdc_usd) if underlying and underlying != asset else None


def _rounded(amount: Fraction) -> Decimal:
    # Unlike arithmetic, text is exact whatever the precision of the decimal context.
    return Decimal(f"{round(amount * 10**USD_DECIMALS)}E-{USD_DECIMALS}")
