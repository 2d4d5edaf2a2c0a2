"""The size of a follower's order: as large as its risk allows, and as its margin and the venue can carry.

Amounts are in the base asset, prices and money in the quote asset, which counts as USD. Rates are fractions of a value.

    s     +1 long, -1 short                      E     equity: the margin balance, capped by the follower's maximum
    P     the price of the signal                B     available margin, capped in the same way
    S     trigger price of the stop              r     risk of a trade, in percent of the equity
    f     taker fee                              q     step of amounts
    g     accepted slippage of the entry         h     allowance for slippage of the stop
    L     leverage                               m, c  rate and amount of maintenance margin, by bracket

    W = P · (1 + s · g)                 worst entry, on the tick towards P; the order is sent with this limit
    X = S · (1 - s · h)                 assumed price at which the stop closes the position
    d = s · (W - X) + f · (W + X)       loss of one unit at the stop, with the fees of entry and exit
    A = floor(min(E · r / 100 / d, most) / q) · q

The stop and the take-profits are moved to the tick towards P, since the venue refuses prices between ticks.

All of it is exact, and A is rounded once, down. So the loss A · d is never above E · r / 100, if the stop closes the
position at X or better. No formula bounds the loss by a gap beyond X. The margin of an isolated position does.

With N = A · max(P, W), the position must satisfy, at a whole leverage L:

    margin        N / L + f · N + A · abs(W - P) <= B · share
    bracket       N and L are within one of the venue's brackets, and L is at most the follower's
    liquidation   A · W / L + s · A · (Y - W) >= m · A · Y - c      at Y = X - s · max(|W - X| / 2, W / 100)

A · abs(W - P) is the open loss of an order above the market; m and c are those of the bracket of A · Y. The last rule
keeps liquidation beyond the stop: by half of the stop's distance, and by a percent of the price at least. It needs that
room, because liquidation looks at the mark price and the stop at the last one. The smaller A is, the easier are all
three rules. If no L satisfies them for A, the greatest amount is taken for which one does. Of several, the least L is
taken, since its liquidation is the farthest away. Leverage does not change the loss at the stop.

Sources: https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93 (liquidation price) and
https://www.binance.com/en/support/faq/be2c7d9d95b04a7e8044ed02dd7dbe8a (margin of an order); d as in nautilus_trader's
``FixedRiskSizer``, but with the fee taken of the value instead of the risk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor

from purser.exchanges.orders import Contract, LeverageBracket
from purser.executions.model import Skip, SkipReason
from purser.follows.model import Protections
from purser.signals.model import Exits
from purser.strategies.model import Direction

TAKER_FEE = Decimal("0.0005")
"""The fee of an order that is executed at once, as a fraction of its value. Most accounts pay this, and none more.

Source: https://www.binance.com/en/fee/futureFee (VIP 0).
"""

STOP_SLIPPAGE = Decimal("0.001")
"""The allowance for the slippage of a stop, as a fraction of its price."""

LEAST_TICKS = 2
"""The least distance of a stop, in ticks."""

LEAST_FEES = 2
"""The least distance of a stop, in fees of one order."""

BUFFER_DISTANCES = Fraction(1, 2)
LEAST_BUFFER = Fraction(1, 100)
"""The least distance of liquidation beyond the stop: in distances of the stop, and as a fraction of the price."""

RISK_UNIT = Decimal("1e-8")
"""The unit in which the loss at the stop is reported."""


class Cap(StrEnum):
    """The limits that make an order smaller than its follower's risk allows. All but AMOUNT may also skip it."""

    AMOUNT = "AMOUNT"
    """The venue's greatest amount of an order."""
    MARGIN = "MARGIN"
    BRACKET = "BRACKET"
    LIQUIDATION = "LIQUIDATION"


@dataclass(frozen=True, slots=True)
class Setup:
    """The trade that a signal asks of all followers alike. ``price`` is the one at which the strategy enters."""

    direction: Direction
    price: Decimal
    exits: Exits


@dataclass(frozen=True, slots=True)
class Funds:
    """The funds of an account. ``share`` is the part of the available margin that one trade may bind, from 0 to 1."""

    equity: Decimal
    available: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class SizedTakeProfit:
    """A take-profit and its amount."""

    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class SizedOrder:
    """A follower's order. ``risk`` is the loss at the stop, fees included, and ``capped_by`` why it is not more."""

    amount: Decimal
    leverage: int
    worst_price: Decimal
    stop: Decimal
    take_profits: tuple[SizedTakeProfit, ...]
    risk: Decimal
    capped_by: Cap | None = None


def size(
    setup: Setup,
    contract: Contract,
    brackets: Sequence[LeverageBracket],
    funds: Funds,
    risk_percent: Decimal,
    protections: Protections,
) -> SizedOrder | Skip:
    """Return a follower's order, or why there is none. See the module for the formula."""
    if protections.min_equity_usd is not None and funds.equity < protections.min_equity_usd:
        return Skip(SkipReason.MIN_EQUITY)
    case = _Case(setup, contract, brackets, funds, protections)
    if case.is_too_tight:
        return Skip(SkipReason.STOP_TOO_TIGHT)
    by_risk = case.steps_at(risk_percent)
    wanted = min(by_risk, case.most_steps)
    if wanted < case.least_steps:
        return Skip(SkipReason.TOO_SMALL)
    steps = bisect_left(range(1, wanted + 1), True, key=lambda steps: case.leverage(steps) is None)
    cap = case.cap(wanted) if steps < wanted else Cap.AMOUNT if steps < by_risk else None
    leverage = case.leverage(steps) if steps >= case.least_steps else None
    if leverage is None:
        return Skip(SkipReason(case.cap(case.least_steps).value))
    amount = steps * contract.step
    return SizedOrder(
        amount=amount,
        leverage=leverage,
        worst_price=case.worst_price,
        stop=case.stop,
        take_profits=tuple(_shared(case.take_profits, steps, contract)),
        risk=case.loss(steps),
        capped_by=cap,
    )


class _Case:
    """One follower's figures. Amounts are counted in steps."""

    def __init__(
        self,
        setup: Setup,
        contract: Contract,
        brackets: Sequence[LeverageBracket],
        funds: Funds,
        protections: Protections,
    ) -> None:
        most = protections.max_equity_usd
        self._equity, self._available = (
            Fraction(money if most is None else min(money, most)) for money in (funds.equity, funds.available)
        )
        self._brackets = brackets
        self._max_leverage = protections.max_leverage
        self._contract = contract
        self._step = Fraction(contract.step)
        self._budget = self._available * Fraction(funds.share)
        self._sign = 1 if setup.direction is Direction.LONG else -1
        self._price = Fraction(setup.price)
        self.worst_price = self._worst_price(Fraction(protections.slippage_percent) / 100)
        self._worst = Fraction(self.worst_price)
        self.stop = self._towards_entry(setup.exits.stop, gains=False)
        self.take_profits = [
            (self._towards_entry(price, gains=True), share) for price, share in setup.exits.take_profits
        ]
        self._stop = Fraction(self.stop)
        self._exit = self._stop * (1 - self._sign * Fraction(STOP_SLIPPAGE))
        self._unit_loss = self._sign * (self._worst - self._exit) + Fraction(TAKER_FEE) * (self._worst + self._exit)
        buffer = max(abs(self._worst - self._exit) * BUFFER_DISTANCES, self._worst * LEAST_BUFFER)
        self._beyond = max(Fraction(0), self._exit - self._sign * buffer)

    def _worst_price(self, slippage: Fraction) -> Decimal:
        """Return the worst price that is accepted, and that the venue accepts, on the tick towards the signal's."""
        tick = Fraction(self._contract.tick)
        if self._sign > 0:
            worst = self._price * min(1 + slippage, Fraction(self._contract.price_ceiling))
            return floor(worst / tick) * self._contract.tick
        worst = self._price * max(1 - slippage, Fraction(self._contract.price_floor))
        return ceil(worst / tick) * self._contract.tick

    def _towards_entry(self, price: Decimal, *, gains: bool) -> Decimal:
        """Return an exit's price on the tick towards the entry. The venue refuses others."""
        ticks = Fraction(price) / Fraction(self._contract.tick)
        is_above = gains == (self._sign > 0)
        return (floor(ticks) if is_above else ceil(ticks)) * self._contract.tick

    @property
    def is_too_tight(self) -> bool:
        """True if the stop is on the wrong side of the price or too near to it."""
        least = max(LEAST_TICKS * Fraction(self._contract.tick), LEAST_FEES * Fraction(TAKER_FEE) * self._price)
        return self._sign * (self._price - self._stop) < least

    def steps_at(self, risk_percent: Decimal) -> int:
        """Return how much may be lost at the stop, in steps."""
        return floor(self._equity * Fraction(risk_percent) / 100 / self._unit_loss / self._step)

    @property
    def most_steps(self) -> int:
        """The venue's greatest amount of an order."""
        return floor(Fraction(self._contract.max_amount) / self._step)

    @property
    def least_steps(self) -> int:
        """The venue's least amount of an order."""
        by_value = Fraction(self._contract.min_notional) / min(self._price, self._worst)
        return max(1, ceil(max(Fraction(self._contract.min_amount), by_value) / self._step))

    def loss(self, steps: int) -> Decimal:
        """Return the loss at the stop, fees included, rounded up."""
        loss = self._unit_loss * steps * self._step
        return ceil(loss / Fraction(RISK_UNIT)) * RISK_UNIT

    def leverage(self, steps: int) -> int | None:
        """Return the least leverage at which an amount can be carried, or None if there is none."""
        least = self._least_leverage(steps)
        return None if least is None or least > min(self._most_leverage(steps).values()) else least

    def cap(self, steps: int) -> Cap:
        """Return what an amount that cannot be carried is too large for."""
        most = self._most_leverage(steps)
        return Cap.MARGIN if self._least_leverage(steps) is None else min(most, key=lambda cap: most[cap])

    def _least_leverage(self, steps: int) -> int | None:
        """Return the leverage that the margin takes, or None if no leverage is enough."""
        amount = steps * self._step
        value = amount * max(self._price, self._worst)
        left = self._budget - Fraction(TAKER_FEE) * value - amount * abs(self._worst - self._price)
        return max(1, ceil(value / left)) if left > 0 else None

    def _most_leverage(self, steps: int) -> dict[Cap, int]:
        """Return the greatest leverage by each bound, 0 if there is none."""
        amount = steps * self._step
        bracket = self._bracket(amount * max(self._price, self._worst))
        by_bracket = bracket.max_leverage if bracket else 0
        by_follower = by_bracket if self._max_leverage is None else self._max_leverage
        return {
            Cap.BRACKET: by_bracket,
            Cap.MARGIN: by_follower,
            Cap.LIQUIDATION: self._leverage_before_liquidation(amount, by_bracket),
        }

    def _leverage_before_liquidation(self, amount: Fraction, most: int) -> int:
        """Return the greatest leverage, up to ``most``, with which the position outlives the price beyond its stop."""
        value = amount * self._beyond
        # The value of a short position that loses may leave the brackets in which it may be opened.
        bracket = self._bracket(value) or self._brackets[-1]
        maintenance = Fraction(bracket.maintenance_rate) * value - Fraction(bracket.maintenance_amount)
        needed = (maintenance / amount - self._sign * (self._beyond - self._worst)) / self._worst
        return min(most, floor(1 / needed)) if needed > 0 else most

    def _bracket(self, value: Fraction) -> LeverageBracket | None:
        return next((bracket for bracket in self._brackets if value <= bracket.max_notional), None)


def _shared(
    take_profits: Sequence[tuple[Decimal, Decimal]], steps: int, contract: Contract
) -> Iterator[SizedTakeProfit]:
    """Return as many of the take-profits, the first first, as have the venue's least amount each.

    They come with their shares in percent. The last has the shares of those that are left out.
    """
    least = ceil(Fraction(contract.min_amount) / Fraction(contract.step))
    for count in range(len(take_profits), 0, -1):
        parts = _split([share for _, share in take_profits], count, steps)
        if min(parts) >= max(least, 1):
            for (price, _), part in zip(take_profits, parts, strict=False):
                yield SizedTakeProfit(price, part * contract.step)
            return


def _split(percents: Sequence[Decimal], count: int, steps: int) -> list[int]:
    """Split an amount into ``count`` shares, which leave over what the percents do of a hundred."""
    shares = [floor(steps * Fraction(percent) / 100) for percent in percents[: count - 1]]
    return [*shares, floor(steps * Fraction(sum(percents)) / 100) - sum(shares)]
