"""The arithmetic of results, for any fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from purser.books.model import Course, EndReason, TradeResult, other_assets, result_of
from purser.exchanges.orders import Fee, Funding, Order, OrderStatus, Side, Trade
from purser.orders.intents import Intent, State, StrategyTrade
from purser.orders.model import EntryType, ManualOrder
from tests.support.effort import examples

D = Decimal
START, GAP = 1_700_000_000_000, 60_000
ROUNDING = Fraction(1, 10**8)
EXIT, BY_HAND, ENTRY = "exit", "hand", "entry"
PRICES = {"BNB": D("612.37")}

amounts = st.integers(1, 5_000).map(lambda steps: D(steps) / 1000)
prices = st.integers(1, 90_000_000).map(lambda ticks: D(ticks) / 100)
fees = st.builds(Fee, st.integers(0, 10**9).map(lambda units: D(units).scaleb(-8)), st.sampled_from(["USDT", "BNB"]))
rates = st.integers(-75_000, 75_000).map(lambda units: D(units).scaleb(-8))


@st.composite
def fills(draw: st.DrawFn, *, alone: bool) -> list[Trade]:
    """Return the fills of a long trade that is over, and between them those of the user unless it is ``alone``."""
    opening = draw(st.lists(amounts, min_size=1, max_size=3))
    left, moves = sum(opening, D(0)), [(ENTRY, "buy", amount) for amount in opening]
    for amount in draw(st.lists(amounts, max_size=3)):
        if amount < left:
            moves.append((EXIT, "sell", amount))
            left -= amount
    moves.append((EXIT, "sell", left))
    if not alone:
        for _ in range(draw(st.integers(1, 3))):
            moves.insert(draw(st.integers(0, len(moves))), (BY_HAND, "buy", draw(amounts)))
    return [_fill(number, *move, draw(prices), draw(fees)) for number, move in enumerate(moves)]


def _fill(number: int, order_id: str, side: str, amount: Decimal, price: Decimal, fee: Fee) -> Trade:
    time = START + number * GAP
    return Trade(str(number), order_id, "BTC/USDT", time, side, False, price, amount, price * amount, fee)


fundings = st.lists(st.builds(Funding, st.integers(START - GAP, START + 12 * GAP), rates, prices), max_size=4)


def entry_of(trades: Sequence[Trade], side: str = "buy") -> Order:
    filled = sum((each.amount for each in trades if each.order_id == ENTRY), D(0))
    return Order(
        id=ENTRY, client_id="x", symbol="BTC/USDT", timestamp=START, type="limit", time_in_force="IOC",
        post_only=False, reduce_only=False, side=side, price=D(1), stop_price=None, amount=filled, cost=D(0),
        average=None, filled=filled, remaining=D(0), status=OrderStatus.CLOSED,
    )  # fmt: skip


def course(trades: Sequence[Trade], side: str = "buy") -> Course:
    return Course(entry_of(trades, side), trades)


def result(of: Course, happened: Sequence[Funding] = ()) -> TradeResult:
    side = Side.BUY if of.sign > 0 else Side.SELL
    order = ManualOrder("BTC/USDT", EntryType.LIMIT, side, D(20))
    strategy = StrategyTrade(
        "Trend", "BINANCE", "BTC/USDT", side.value, 5, follow_id="f", risk=D(100), signal_price=D(7)
    )
    intent = Intent(
        "id", "user", "account", "BTC/USDT", START, START, State.DONE, order=order, strategy=strategy, signal_id="s"
    )
    priced = {asset: PRICES[asset] for asset in other_assets(intent, of)}
    return result_of(intent, of, EndReason.STOP, happened, priced)


def mirrored(trades: Sequence[Trade]) -> list[Trade]:
    return [replace(each, side="sell" if each.side == "buy" else "buy") for each in trades]


@given(fills(alone=True), fundings)
@examples(100, long=20_000)
def test_a_trade_alone_brings_what_the_account_has_received(trades: list[Trade], happened: list[Funding]) -> None:
    of = course(trades)
    assert of.is_over
    received = sum(Fraction(t.cost) * (1 if t.side == "sell" else -1) for t in trades)
    charged = sum(Fraction(t.fee.cost) * (Fraction(PRICES["BNB"]) if t.fee.currency == "BNB" else 1) for t in trades)
    booked = result(of, happened)
    assert abs(Fraction(booked.profit) - received) <= ROUNDING
    assert abs(Fraction(booked.fees) - charged) <= ROUNDING
    assert booked.net == booked.profit - booked.fees + booked.funding
    stated = sum(fee.amount for fee in booked.other_fees)
    assert abs(stated - sum((t.fee.cost for t in trades if t.fee.currency == "BNB"), D(0))) <= D("1e-8")


@given(fills(alone=True), fundings)
@examples(100, long=20_000)
def test_a_short_trade_is_the_mirror_of_a_long_one(trades: list[Trade], happened: list[Funding]) -> None:
    long, short = result(course(trades), happened), result(course(mirrored(trades), "sell"), happened)
    assert (short.profit, short.funding, short.fees) == (-long.profit, -long.funding, long.fees)
    assert (short.entry_price, short.exit_price) == (long.entry_price, long.exit_price)


@given(fills(alone=True), st.integers(0, 10**9))
@examples(100, long=20_000)
def test_a_fill_in_two_parts_counts_as_one(trades: list[Trade], place: int) -> None:
    whole = trades[place % len(trades)]
    half = replace(whole, amount=whole.amount / 2, cost=whole.cost / 2, fee=Fee(whole.fee.cost / 2, whole.fee.currency))
    halved = [part for each in trades for part in ((half, half) if each is whole else (each,))]
    assert result(course(halved)) == result(course(trades))


@given(fills(alone=True), fundings)
@examples(100, long=20_000)
def test_longs_pay_a_positive_rate_of_what_they_hold(trades: list[Trade], happened: list[Funding]) -> None:
    def held(time: int) -> Fraction:
        before = (each for each in trades if each.timestamp < time)
        return sum((Fraction(each.amount) * (1 if each.side == "buy" else -1) for each in before), Fraction(0))

    paid = sum((held(f.time) * Fraction(f.mark_price) * Fraction(f.rate) for f in happened), Fraction(0))
    assert abs(Fraction(result(course(trades), happened).funding) + paid) <= ROUNDING


@given(fills(alone=False))
@examples(100, long=20_000)
def test_what_the_user_adds_leaves_the_result_as_it_is(trades: list[Trade]) -> None:
    own = [each for each in trades if each.order_id != BY_HAND]
    assert result(course(trades)) == result(course(own))


@given(fills(alone=True), amounts)
@examples(100, long=20_000)
def test_a_fill_that_turns_the_position_round_counts_in_part(trades: list[Trade], more: Decimal) -> None:
    last = trades[-1]
    grown = last.amount + more
    larger = replace(last, amount=grown, cost=last.price * grown, fee=Fee(last.fee.cost * 2, last.fee.currency))
    after, before = result(course([*trades[:-1], larger])), result(course(trades))
    assert (after.profit, after.exit_price, after.amount) == (before.profit, before.exit_price, before.amount)
    share = 2 * Fraction(last.amount) / Fraction(grown)
    price = PRICES.get(last.fee.currency, D(1))
    assert (
        abs(Fraction(after.fees - before.fees) - Fraction(last.fee.cost) * Fraction(price) * (share - 1))
        <= 2 * ROUNDING
    )


@given(fills(alone=True), st.integers(0, 10**9))
@examples(100, long=20_000)
def test_a_trade_with_a_missing_fill_is_not_over(trades: list[Trade], place: int) -> None:
    missing = place % len(trades)
    assert not Course(entry_of(trades), [*trades[:missing], *trades[missing + 1 :]]).is_over
