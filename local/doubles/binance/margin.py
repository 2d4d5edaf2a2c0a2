"""Margin arithmetic of USDⓈ-M futures: leverage brackets, margin in use, liquidation prices.

Formulas are those of Binance's help pages on maintenance margin, open-order margin and liquidation price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from local.doubles.binance.markets import Market
from local.doubles.binance.model import BOTH, DEFAULT_LEVERAGE, Account, Order, Position, position_key
from local.doubles.binance.wire import ZERO

LEVERAGES = (125, 100, 75, 50, 25, 20, 10, 5, 4, 3, 2, 1)
CAPS = (50_000, 600_000, 3_000_000, 12_000_000, 70_000_000, 100_000_000, 230_000_000, 480_000_000, 600_000_000,
        800_000_000, 1_200_000_000, 1_800_000_000)  # fmt: skip
SHALLOW = 5  # the scale of the brackets of all but BTC and ETH


@dataclass(frozen=True)
class Bracket:
    """A tier of notional value, its maximum leverage and its maintenance margin rate."""

    number: int
    floor: Decimal
    cap: Decimal
    leverage: int
    rate: Decimal
    cumulative: Decimal


@cache
def brackets(market: Market) -> tuple[Bracket, ...]:
    """Return a contract's tiers, smallest notional first."""
    depth = 1 if market.base in ("BTC", "ETH") else SHALLOW
    tiers: list[Bracket] = []
    for leverage in (step for step in LEVERAGES if step <= market.max_leverage):
        rate = (Decimal("0.5") / leverage).quantize(Decimal("0.0001"))
        floor = tiers[-1].cap if tiers else ZERO
        cumulative = tiers[-1].cumulative + floor * (rate - tiers[-1].rate) if tiers else ZERO
        cap = Decimal(CAPS[len(tiers)] // depth)
        tiers.append(Bracket(len(tiers) + 1, floor, cap, leverage, rate, cumulative))
    return tuple(tiers)


def bracket_of(market: Market, notional: Decimal) -> Bracket:
    """Return the tier of a notional value, the last one for anything greater."""
    tiers = brackets(market)
    return next((tier for tier in tiers if abs(notional) < tier.cap), tiers[-1])


def greatest_notional(market: Market, leverage: int) -> Decimal:
    """Return the largest position that a leverage allows."""
    return max(tier.cap for tier in brackets(market) if tier.leverage >= leverage)


@dataclass(frozen=True)
class Exposure:
    """The exposure of one account in one contract, at the mark price."""

    market: Market
    position: Position
    leverage: int
    isolated: bool
    mark: Decimal
    bids: Decimal
    asks: Decimal

    @property
    def notional(self) -> Decimal:
        return self.position.quantity * self.mark

    @property
    def profit(self) -> Decimal:
        return self.position.quantity * (self.mark - self.position.entry)

    @property
    def position_margin(self) -> Decimal:
        return abs(self.notional) / self.leverage

    @property
    def initial_margin(self) -> Decimal:
        """The larger of the margins if all bids or all asks were filled."""
        return max(abs(self.notional + self.bids), abs(self.notional - self.asks)) / self.leverage

    @property
    def order_margin(self) -> Decimal:
        return self.initial_margin - self.position_margin

    @property
    def maintenance(self) -> Decimal:
        tier = bracket_of(self.market, self.notional)
        return abs(self.notional) * tier.rate - tier.cumulative if self.position.quantity else ZERO


def exposure(account: Account, market: Market, mark: Decimal, orders: Iterable[Order], side: str = BOTH) -> Exposure:
    """Return an account's exposure in one contract, with its open orders."""
    adding = [
        order
        for order in orders
        if not order.reduce_only and (order.symbol, order.position_side) == (market.symbol, side)
    ]
    return Exposure(
        market=market,
        position=account.positions.get(position_key(market.symbol, side)) or Position(market.symbol, side),
        leverage=account.leverage.get(market.symbol, DEFAULT_LEVERAGE),
        isolated=account.isolated.get(market.symbol, False),
        mark=mark,
        bids=sum((order.price * order.remaining for order in adding if order.buys), ZERO),
        asks=sum((order.price * order.remaining for order in adding if not order.buys), ZERO),
    )


@dataclass(frozen=True)
class Funds:
    """An account's balance of one margin asset, and the margin that its exposures use."""

    wallet: Decimal
    exposures: tuple[Exposure, ...]

    @property
    def _cross(self) -> list[Exposure]:
        return [item for item in self.exposures if not item.isolated]

    @property
    def _isolated(self) -> list[Exposure]:
        return [item for item in self.exposures if item.isolated]

    @property
    def cross_wallet(self) -> Decimal:
        return self.wallet - sum((item.position.isolated_wallet for item in self._isolated), ZERO)

    @property
    def profit(self) -> Decimal:
        return sum((item.profit for item in self.exposures), ZERO)

    @property
    def cross_profit(self) -> Decimal:
        return sum((item.profit for item in self._cross), ZERO)

    @property
    def maintenance(self) -> Decimal:
        return sum((item.maintenance for item in self.exposures), ZERO)

    @property
    def cross_maintenance(self) -> Decimal:
        return sum((item.maintenance for item in self._cross), ZERO)

    @property
    def position_margin(self) -> Decimal:
        return sum((item.position_margin for item in self.exposures), ZERO)

    @property
    def order_margin(self) -> Decimal:
        return sum((item.order_margin for item in self.exposures), ZERO)

    @property
    def free(self) -> Decimal:
        """The margin that is free. Negative if the account is under water."""
        bound = sum((item.initial_margin for item in self._cross), ZERO)
        bound += sum((item.order_margin for item in self._isolated), ZERO)
        return self.cross_wallet + self.cross_profit - bound

    @property
    def available(self) -> Decimal:
        return max(self.free, ZERO)


@dataclass(frozen=True)
class Margin:
    """Funds that cover the same contracts, each with its price in the asset that these are quoted in."""

    funds: tuple[tuple[Decimal, Funds], ...]

    @property
    def free(self) -> Decimal:
        return sum((price * each.free for price, each in self.funds), ZERO)

    @property
    def cross_wallet(self) -> Decimal:
        return sum((price * each.cross_wallet for price, each in self.funds), ZERO)

    @property
    def cross(self) -> list[Exposure]:
        return [item for _, each in self.funds for item in each.exposures if not item.isolated]

    @property
    def is_under_water(self) -> bool:
        left = (price * (each.cross_wallet + each.cross_profit - each.cross_maintenance) for price, each in self.funds)
        return sum(left, ZERO) < 0


def liquidation_price(item: Exposure, funds: Funds) -> Decimal:
    """Return the mark price at which the position is liquidated, or zero if there is none."""
    quantity = item.position.quantity
    if not quantity:
        return ZERO
    tier = bracket_of(item.market, item.notional)
    if item.isolated:
        collateral = item.position.isolated_wallet
    else:
        others = funds.cross_maintenance - item.maintenance, funds.cross_profit - item.profit
        collateral = funds.cross_wallet - others[0] + others[1]
    distance = abs(quantity) * tier.rate - quantity
    return max((collateral + tier.cumulative - quantity * item.position.entry) / distance, ZERO)
