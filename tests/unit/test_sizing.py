"""The size of a follower's order, in examples that can be followed by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from purser.executions.model import Skip, SkipReason
from purser.executions.sizing import Cap, Funds, Setup, SizedOrder, SizedTakeProfit, size
from purser.follows.model import Protections
from purser.signals.model import Exits
from purser.strategies.model import Direction
from tests.property.test_sizing import BRACKETS, CONTRACT

D = Decimal
EXACT = Protections(max_slippage_percent=D(0))
LONG = Setup(Direction.LONG, D(20_000), Exits(D(19_000), ()))
SHORT = Setup(Direction.SHORT, D(20_000), Exits(D(21_000), ()))


def stopped(setup: Setup, stop: Decimal) -> Setup:
    return replace(setup, exits=Exits(stop, ()))


RICH = Funds(D(10_000), D(10_000), D("0.5"))


def sized(setup: Setup = LONG, funds: Funds = RICH, protections: Protections = EXACT) -> SizedOrder | Skip:
    return size(setup, CONTRACT, BRACKETS, funds, D(2), protections)


def ordered(setup: Setup = LONG, funds: Funds = RICH, protections: Protections = EXACT) -> SizedOrder:
    order = sized(setup, funds, protections)
    assert isinstance(order, SizedOrder)
    return order


def test_a_long_order_loses_its_risk_at_the_stop() -> None:
    # One unit loses 20,000 - 18,981 = 1,019 and fees of 0.0005 · 38,981 = 19.4905; 200 / 1,038.4905 = 0.1925….
    assert sized() == SizedOrder(D("0.192"), 1, D(20_000), D(19_000), (), D("199.39017600"))


def test_a_short_order_loses_its_risk_at_the_stop() -> None:
    # One unit loses 21,021 - 20,000 = 1,021 and fees of 0.0005 · 41,021 = 20.5105; 200 / 1,041.5105 = 0.1920….
    assert sized(SHORT) == SizedOrder(D("0.192"), 1, D(20_000), D(21_000), (), D("199.97001600"))


def test_the_accepted_slippage_is_part_of_the_risk() -> None:
    order = sized(protections=Protections(max_slippage_percent=D("0.5")))
    # 20,100 - 18,981 + 0.0005 · 39,081 = 1,138.5405
    assert order == SizedOrder(D("0.175"), 1, D(20_100), D(19_000), (), D("199.24458750"))


def test_the_worst_price_is_on_the_tick_that_is_nearer_to_the_signal() -> None:
    protections = Protections(max_slippage_percent=D("0.00123"))
    worst = [ordered(setup, protections=protections).worst_price for setup in (LONG, SHORT)]
    assert worst == [D("20000.2"), D("19999.8")]


def test_the_worst_price_is_within_the_price_band_of_the_venue() -> None:
    protections = Protections(max_slippage_percent=D(10))
    assert ordered(protections=protections).worst_price == D(21_000)


def test_the_least_leverage_is_taken_that_the_margin_carries() -> None:
    # 0.192 · 20,000 = 3,840 of value; a tenth of 10,000 less fees of 1.92 carries it at 3.85.
    order = ordered(funds=Funds(D(10_000), D(1_000), D(1)))
    assert (order.amount, order.leverage) == (D("0.192"), 4)


def test_an_order_is_shrunk_to_what_the_margin_carries_at_the_followers_leverage() -> None:
    order = ordered(funds=Funds(D(10_000), D(1_000), D(1)), protections=replace(EXACT, max_leverage=2))
    # 2,000 of value less twice the fee of 1.
    assert (order.amount, order.leverage, order.capped_by) == (D("0.099"), 2, Cap.MARGIN)


def test_an_order_is_shrunk_so_that_the_stop_comes_before_the_liquidation() -> None:
    far = stopped(LONG, D(14_000))
    order = ordered(far, Funds(D(10_000), D(300), D(1)))
    # The stop may fill at 13,986, and half of 6,014 beyond it is 10,979. At 3, liquidation would be at 13,386.
    assert (order.leverage, order.capped_by) == (2, Cap.LIQUIDATION)


def test_an_order_is_no_larger_than_the_venue_allows() -> None:
    order = ordered(funds=Funds(D(10**9), D(10**9), D(1)))
    assert (order.amount, order.capped_by) == (D(1000), Cap.AMOUNT)


def test_an_order_is_shrunk_to_the_greatest_bracket() -> None:
    contract = replace(CONTRACT, max_amount=D(10**6))
    order = size(LONG, contract, BRACKETS[:1], Funds(D(10**9), D(10**9), D(1)), D(2), EXACT)
    assert isinstance(order, SizedOrder)
    assert (order.amount, order.capped_by) == (D("2.5"), Cap.BRACKET)


@pytest.mark.parametrize(
    ("setup", "funds", "protections", "reason"),
    [
        (LONG, Funds(D(50), D(50), D(1)), EXACT, SkipReason.TOO_SMALL),
        (LONG, Funds(D(10_000), D(0), D(1)), EXACT, SkipReason.MARGIN),
        (LONG, Funds(D(10_000), D(20), D(1)), replace(EXACT, max_leverage=2), SkipReason.MARGIN),
        (stopped(LONG, D(8_000)), Funds(D(10_000), D(30), D(1)), EXACT, SkipReason.LIQUIDATION),
        (stopped(LONG, D("19980.1")), RICH, EXACT, SkipReason.STOP_TOO_TIGHT),
        (stopped(LONG, D(20_001)), RICH, EXACT, SkipReason.STOP_TOO_TIGHT),
        (stopped(SHORT, D(19_999)), RICH, EXACT, SkipReason.STOP_TOO_TIGHT),
        (LONG, RICH, replace(EXACT, min_equity_usd=D("10000.01")), SkipReason.MIN_EQUITY),
    ],
)
def test_a_signal_is_skipped_for_a_reason(
    setup: Setup, funds: Funds, protections: Protections, reason: SkipReason
) -> None:
    assert sized(setup, funds, protections) == Skip(reason)


def test_a_stop_at_the_least_distance_is_traded() -> None:
    assert isinstance(sized(stopped(LONG, D(19_980))), SizedOrder)


def test_equity_and_margin_count_up_to_the_followers_maximum() -> None:
    capped = sized(protections=replace(EXACT, max_equity_usd=D(5_000)))
    assert capped == sized(funds=Funds(D(5_000), D(5_000), D("0.5")))


def test_the_equity_is_compared_with_the_minimum_before_it_is_capped() -> None:
    protections = replace(EXACT, min_equity_usd=D(10_000), max_equity_usd=D(5_000))
    assert isinstance(sized(protections=protections), SizedOrder)


def leaving(*shares: int) -> Setup:
    take_profits = tuple((D(20_000 + 100 * number), D(share)) for number, share in enumerate(shares, 1))
    return replace(LONG, exits=Exits(D(19_000), take_profits))


def test_take_profits_have_their_shares_and_the_last_has_the_rest() -> None:
    order = ordered(leaving(33, 33, 34))
    assert [each.amount for each in order.take_profits] == [D("0.063"), D("0.063"), D("0.066")]


def test_take_profits_may_leave_a_part_to_the_stop() -> None:
    order = ordered(leaving(25, 25))
    assert [each.amount for each in order.take_profits] == [D("0.048"), D("0.048")]


def test_the_first_take_profits_remain_if_the_amount_is_too_small_for_all() -> None:
    small = ordered(leaving(40, 30, 30), Funds(D(160), D(160), D(1)))
    assert small.take_profits == (SizedTakeProfit(D(20_100), D("0.001")), SizedTakeProfit(D(20_200), D("0.002")))
