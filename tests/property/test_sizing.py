"""Sized orders against their promises, computed anew: the loss at the stop, margin, brackets and liquidation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from random import Random

import pytest

from purser.exchanges.orders import Contract, LeverageBracket
from purser.executions.model import Skip, SkipReason
from purser.executions.sizing import STOP_SLIPPAGE, TAKER_FEE, Cap, Funds, Setup, SizedOrder, size
from purser.follows.model import Protections
from purser.signals.model import Exits
from purser.strategies.model import Direction
from tests.support.effort import seed, steps

D = Decimal
CONTRACT = Contract(
    id="BTCUSDT",
    symbol="BTC/USDT",
    tick=D("0.1"),
    min_price=D("0.1"),
    max_price=D(1_000_000),
    step=D("0.001"),
    min_amount=D("0.001"),
    max_amount=D(1000),
    max_market_amount=D(120),
    min_notional=D(50),
    price_ceiling=D("1.05"),
    price_floor=D("0.95"),
)
TIERS = ((50_000, 125), (600_000, 100), (3_000_000, 75), (12_000_000, 50), (70_000_000, 20), (230_000_000, 5))


def brackets() -> tuple[LeverageBracket, ...]:
    """Return brackets whose maintenance margin has no gap between two of them."""
    found: list[LeverageBracket] = []
    for most, leverage in TIERS:
        rate = (D("0.5") / leverage).quantize(D("0.0001"))
        before = found[-1] if found else None
        amount = before.maintenance_amount + before.max_notional * (rate - before.maintenance_rate) if before else D(0)
        found.append(LeverageBracket(D(most), leverage, rate, amount))
    return tuple(found)


BRACKETS = brackets()


@dataclass(frozen=True)
class Case:
    """The arguments of ``size``."""

    setup: Setup
    funds: Funds
    risk_percent: Decimal
    protections: Protections
    contract: Contract = CONTRACT

    def size(self) -> SizedOrder | Skip:
        return size(self.setup, self.contract, BRACKETS, self.funds, self.risk_percent, self.protections)

    @property
    def sign(self) -> int:
        return 1 if self.setup.direction is Direction.LONG else -1

    @property
    def equity(self) -> Decimal:
        return min(self.funds.equity, self.protections.max_equity_usd or self.funds.equity)

    @property
    def at_risk(self) -> Fraction:
        return Fraction(self.equity) * Fraction(self.risk_percent) / 100

    @property
    def stop_fill(self) -> Fraction:
        return Fraction(self.setup.exits.stop) * (1 - self.sign * Fraction(STOP_SLIPPAGE))


def on_tick(price: float) -> Decimal:
    return max(1, round(price * 10)) * D("0.1")


def any_case(random: Random) -> Case:
    price = 10 ** random.uniform(2, 5)
    direction = random.choice(list(Direction))
    distance = 10 ** random.uniform(-3.3, -0.15)
    sign = 1 if direction is Direction.LONG else -1
    equity = D(round(10 ** random.uniform(0.5, 7), 2)).quantize(D("0.01"))
    shares = random.choice([(), (100,), (50, 50), (40, 30, 30), (10, 20, 30, 40)])
    take_profits = tuple((on_tick(price * (1 + sign * 0.01 * n)), D(share)) for n, share in enumerate(shares, 1))
    setup = Setup(direction, on_tick(price), Exits(on_tick(price * (1 - sign * distance)), take_profits))
    protections = Protections(
        max_slippage_percent=D(random.randint(0, 30)) / 10,
        max_leverage=random.choice([None, None, 1, 3, 20, 125]),
        max_equity_usd=random.choice([None, None, None, D(1000)]),
    )
    funds = Funds(equity, equity * D(random.randint(0, 100)) / 100, D(random.randint(5, 100)) / 100)
    return Case(setup, funds, D(random.randint(1, 50)) / 10, protections)


def cases(name: str, share: int = 1) -> Iterator[Case]:
    random = Random(f"{seed()} {name}")
    return (any_case(random) for _ in range(steps() // share))


def maintenance(value: Fraction) -> Fraction:
    bracket = next((each for each in BRACKETS if value <= each.max_notional), BRACKETS[-1])
    return value * Fraction(bracket.maintenance_rate) - Fraction(bracket.maintenance_amount)


def lives_at(price: Fraction, case: Case, amount: Fraction, leverage: int, entry: Fraction) -> bool:
    """Return whether an isolated position is not liquidated at a price."""
    margin = amount * entry / leverage + case.sign * amount * (price - entry)
    return margin >= maintenance(amount * price)


def can_be_carried(case: Case, amount: Fraction, leverage: int, worst: Fraction) -> bool:
    """Return whether margin, brackets and the stop allow an amount at a leverage."""
    price, exit_price = Fraction(case.setup.price), case.stop_fill
    value, fee = amount * max(price, worst), Fraction(TAKER_FEE)
    most = case.protections.max_equity_usd
    available = case.funds.available if most is None else min(case.funds.available, most)
    needed = value / leverage + fee * value + amount * abs(worst - price)
    allowed = next((each.max_leverage for each in BRACKETS if value <= each.max_notional), 0)
    beyond = max(Fraction(0), exit_price - case.sign * max(abs(worst - exit_price) / 2, worst / 100))
    return (
        needed <= Fraction(available) * Fraction(case.funds.share)
        and leverage <= min(allowed, case.protections.max_leverage or allowed)
        and lives_at(beyond, case, amount, leverage, worst)
    )


def test_the_loss_at_the_stop_is_never_above_the_risk() -> None:
    for case in cases("risk"):
        order = case.size()
        if isinstance(order, Skip):
            continue
        amount, stop, fee = Fraction(order.amount), case.stop_fill, Fraction(TAKER_FEE)
        for entry in (Fraction(order.worst_price), Fraction(case.setup.price)):
            loss = case.sign * amount * (entry - stop) + fee * amount * (entry + stop)
            assert loss <= case.at_risk, case
            assert loss <= order.risk, case


def test_an_order_is_carried_at_its_leverage_and_at_no_lower_one() -> None:
    for case in cases("carried", 2):
        order = case.size()
        if isinstance(order, Skip):
            continue
        amount, worst = Fraction(order.amount), Fraction(order.worst_price)
        assert can_be_carried(case, amount, order.leverage, worst), case
        assert order.leverage == 1 or not can_be_carried(case, amount, order.leverage - 1, worst), case
        # A better entry is no worse for the position.
        assert lives_at(case.stop_fill, case, amount, order.leverage, Fraction(case.setup.price)), case


def test_an_order_is_within_the_rules_of_the_venue() -> None:
    for case in cases("rules", 4):
        order, contract = case.size(), case.contract
        if isinstance(order, Skip):
            continue
        assert order.amount % contract.step == 0
        assert contract.min_amount <= order.amount <= contract.max_amount
        assert order.amount * min(order.worst_price, case.setup.price) >= contract.min_notional
        assert order.worst_price % contract.tick == 0
        assert case.sign * (order.worst_price - case.setup.price) >= 0
        assert all(each.amount >= contract.min_amount for each in order.take_profits)
        shared = sum((each.amount for each in order.take_profits), D(0))
        assert shared == (order.amount if case.setup.exits.take_profits and shared else 0)


def test_no_larger_amount_has_the_same_risk_and_can_be_carried() -> None:
    for case in cases("largest", 10):
        order = case.size()
        if isinstance(order, Skip):
            continue
        worst, larger = Fraction(order.worst_price), Fraction(order.amount + case.contract.step)
        loss = case.sign * (worst - case.stop_fill) + Fraction(TAKER_FEE) * (worst + case.stop_fill)
        if order.capped_by is None:
            assert larger * loss > case.at_risk, case
        elif order.capped_by is Cap.AMOUNT:
            assert larger > case.contract.max_amount, case
        else:
            assert not any(can_be_carried(case, larger, leverage, worst) for leverage in range(1, 126)), case


def test_a_skip_for_want_of_margin_or_room_is_true() -> None:
    sign = {SkipReason.MARGIN, SkipReason.BRACKET, SkipReason.LIQUIDATION}
    for case in cases("skipped", 10):
        skip = case.size()
        if not isinstance(skip, Skip) or skip.reason not in sign:
            continue
        contract, slippage = case.contract, Fraction(case.protections.slippage_percent) / 100
        worst = Fraction(case.setup.price) * (1 + case.sign * min(slippage, Fraction(1, 20)))
        tick = Fraction(contract.tick)
        worst = (floor(worst / tick) if case.sign > 0 else ceil(worst / tick)) * tick
        by_value = Fraction(contract.min_notional) / min(worst, Fraction(case.setup.price))
        step = Fraction(contract.step)
        least = ceil(max(by_value, Fraction(contract.min_amount)) / step) * step
        assert not any(can_be_carried(case, least, leverage, worst) for leverage in range(1, 126)), case


@pytest.mark.parametrize("what", ["equity", "risk"])
def test_more_equity_or_risk_never_makes_an_order_smaller(what: str) -> None:
    for case in cases(what, 4):
        more = (
            replace(case, risk_percent=case.risk_percent * D("1.7"))
            if what == "risk"
            else replace(case, funds=replace(case.funds, equity=case.funds.equity * D("1.7")))
        )
        before, after = case.size(), more.size()
        if isinstance(before, SizedOrder):
            assert isinstance(after, SizedOrder), case
            assert after.amount >= before.amount, case


@pytest.mark.parametrize("equity", [D(0), D("-0.01"), D(-1000)])
def test_without_equity_nothing_is_ordered(equity: Decimal) -> None:
    for case in cases("empty", 40):
        for available in (equity, D(1000)):
            skip = replace(case, funds=Funds(equity, available, D(1))).size()
            assert isinstance(skip, Skip)
            assert skip.reason in (SkipReason.TOO_SMALL, SkipReason.STOP_TOO_TIGHT)


def test_without_margin_nothing_is_ordered() -> None:
    for case in cases("no margin", 40):
        skip = replace(case, funds=replace(case.funds, available=D(0))).size()
        assert isinstance(skip, Skip)


def test_many_cases_are_sized_and_capped_in_each_way() -> None:
    orders = [case.size() for case in cases("spread", 4)]
    sized = [order for order in orders if isinstance(order, SizedOrder)]
    assert len(sized) > len(orders) / 3
    assert {order.capped_by for order in sized} >= {None, Cap.MARGIN, Cap.LIQUIDATION}
    reasons = {order.reason for order in orders if isinstance(order, Skip)}
    assert reasons >= {SkipReason.TOO_SMALL, SkipReason.STOP_TOO_TIGHT, SkipReason.MARGIN}
