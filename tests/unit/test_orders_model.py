"""The rules of manual orders, and the exchange orders they become."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser.exchanges.orders import Contract, Fee, Order, OrderStatus, OrderType, Side, Trade
from purser.orders.intents import Intent
from purser.orders.items import intent_item, intent_of
from purser.orders.model import (
    EntryType,
    ManualOrder,
    Role,
    Stop,
    StopType,
    amount_left,
    client_id,
    errors_at_market,
    legs_of,
    random_client_id,
    split,
)

D = Decimal
LAST = D(20000)
CONTRACT = Contract(
    id="BTCUSDT",
    symbol="BTC/USDT",
    tick=D("0.10"),
    min_price=D("0.10"),
    max_price=D(1_000_000),
    step=D("0.001"),
    min_amount=D("0.001"),
    max_amount=D(1000),
    max_market_amount=D(120),
    min_notional=D(100),
    price_ceiling=D("1.05"),
    price_floor=D("0.95"),
)


def order(kind: EntryType = EntryType.MARKET, side: Side = Side.BUY, **given: Any) -> ManualOrder:
    fields: dict[str, Any] = {"symbol": "BTC/USDT", "type": kind, "side": side, "amount": D("0.05")}
    return ManualOrder(**(fields | given))


def stop(trigger: Any, price: Any = None) -> Stop:
    kind = StopType.MARKET if price is None else StopType.LIMIT
    return Stop(D(trigger), kind, None if price is None else D(price))


def broken(asked: ManualOrder, last: Decimal = LAST) -> set[tuple[str, str]]:
    return {(str(field_error.path[0]), field_error.message) for field_error in errors_at_market(asked, CONTRACT, last)}


@pytest.mark.parametrize(
    "asked",
    [
        order(),
        order(amount=D(120)),
        order(EntryType.LIMIT, price=D(19000), amount=D(1000)),
        order(EntryType.LIMIT, price=D(21000)),
        order(EntryType.LIMIT, Side.SELL, price=D(19000)),
        order(EntryType.LIMIT, price=D(100), amount=D(1)),
        order(EntryType.TRAILING_STOP, price=D(19999), callback_rate=D(1)),
        order(EntryType.TRAILING_STOP, Side.SELL, price=D(20001), callback_rate=D(1)),
        order(take_profits=(D("20000.1"),), stop=stop("19999.9")),
        order(take_profits=(D(21000),) * 9, stop=stop(19000)),
        order(side=Side.SELL, take_profits=(D("19999.9"),), stop=stop(20001, 20002)),
        # between the market and a resting entry
        order(EntryType.LIMIT, price=D(18000), take_profits=(D(19000),), stop=stop(17000)),
    ],
)
def test_valid_orders_break_no_rule(asked: ManualOrder) -> None:
    assert broken(asked) == set()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (order(amount=D("120.001")), "amount"),
        (order(amount=D("0.0501")), "amount"),
        (order(amount=D("0.004")), "amount"),
        (order(amount=D("1E-18")), "amount"),
        (order(amount=D("999999999999.999999999999999999")), "amount"),
        (order(EntryType.LIMIT, price=D("19000.05")), "price"),
        (order(EntryType.LIMIT, price=D("21000.1")), "price"),
        (order(EntryType.LIMIT, Side.SELL, price=D("18999.9")), "price"),
        (order(EntryType.LIMIT, Side.SELL, price=D(2_000_000)), "price"),
        (order(EntryType.TRAILING_STOP, price=D(20000), callback_rate=D(1)), "price"),
        (order(EntryType.TRAILING_STOP, Side.SELL, price=D(19000), callback_rate=D(1)), "price"),
        (order(take_profits=(D(20000),)), "takeProfitPrices"),
        (order(take_profits=(D(21000), D(19000))), "takeProfitPrices"),
        (order(amount=D("0.006"), take_profits=(D(21000),) * 7), "takeProfitPrices"),
        (order(take_profits=(D(21000),) * 11), "takeProfitPrices"),
        (order(take_profits=(D(21000),) * 10, stop=stop(19000)), "takeProfitPrices"),
        (order(stop=stop(20000)), "stopTriggerPrice"),
        (order(stop=stop("19000.01")), "stopTriggerPrice"),
        (order(stop=stop(19000, 20001)), "stopPrice"),
        # It would be executed at once at a better price, against which the stop is checked.
        (order(EntryType.LIMIT, price=D(20900), stop=stop(20500)), "stopTriggerPrice"),
    ],
)
def test_a_broken_rule_names_its_field(asked: ManualOrder, field: str) -> None:
    assert {name for name, _ in broken(asked)} == {field}


def test_all_broken_rules_are_reported_at_once() -> None:
    asked = order(amount=D("0.0005"), take_profits=(D("19000.01"),), stop=stop("21000.01", "21000.02"))
    assert {name for name, _ in broken(asked)} == {"amount", "takeProfitPrices", "stopTriggerPrice", "stopPrice"}
    assert len(broken(asked)) == 9


def test_an_order_becomes_an_entry_take_profits_and_a_stop() -> None:
    asked = order(take_profits=(D(20500), D(21000)), stop=stop(19000, 18990))
    entry, first, second, last = legs_of(asked, CONTRACT, "intent", 1)
    assert [leg.role for leg in (entry, first, last)] == [Role.ENTRY, Role.TAKE_PROFIT, Role.STOP]
    assert (entry.order.type, entry.order.amount, entry.order.reduce_only) == (OrderType.MARKET, D("0.05"), False)
    assert (first.order.type, first.order.side, first.order.amount) == (OrderType.TAKE_PROFIT, Side.SELL, D("0.025"))
    assert (second.order.price, second.order.trigger, second.order.reduce_only) == (D(21000), D(21000), True)
    assert (last.order.type, last.order.price, last.order.trigger) == (OrderType.STOP, D(18990), D(19000))
    assert (last.order.amount, last.order.reduce_only, last.order.close_position) == (D("0.05"), True, False)


def test_a_market_stop_closes_the_whole_position() -> None:
    (_, last) = legs_of(order(side=Side.SELL, stop=stop(21000)), CONTRACT, "intent", 1)
    assert (last.order.type, last.order.side, last.order.amount) == (OrderType.STOP_MARKET, Side.BUY, None)
    assert (last.order.close_position, last.order.reduce_only) == (True, False)


@given(st.text(max_size=40), st.integers(1, 10**6), st.integers(0, 24))
def test_client_order_ids_derive_from_intent_and_generation(intent_id: str, generation: int, number: int) -> None:
    name = client_id(intent_id, generation, f"take-profit-{number}")
    assert re.fullmatch(r"x-xcKtGhcu[0-9a-f]{22}", name)
    assert name == client_id(intent_id, generation, f"take-profit-{number}")
    assert name != client_id(intent_id, generation + 1, f"take-profit-{number}")
    assert re.fullmatch(r"x-xcKtGhcu[0-9a-f]{22}", random_client_id())


def test_each_order_of_a_set_has_its_own_client_order_id() -> None:
    asked = order(amount=D(1), take_profits=(D(21000),) * 25, stop=stop(19000))
    names = [leg.order.client_id for leg in legs_of(asked, CONTRACT, "intent", 1)]
    assert len(set(names)) == 27


@given(
    steps=st.integers(1, 10**9),
    parts=st.integers(1, 25),
    step=st.sampled_from([D("0.001"), D("1"), D("0.00000001"), D("0.5"), D("10")]),
)
def test_an_amount_is_split_exactly(steps: int, parts: int, step: Decimal) -> None:
    amount = steps * step
    shares = split(amount, parts, step)
    assert sum(shares) == amount
    assert all(share % step == 0 for share in shares)
    assert len(set(shares[:-1])) <= 1
    assert shares[0] <= shares[-1] < shares[0] + parts * step
    assert split(amount, 0, step) == ()


@given(
    kind=st.sampled_from(EntryType),
    side=st.sampled_from(Side),
    prices=st.lists(st.decimals(D("0.1"), D(100000), places=1), max_size=5),
    trigger=st.none() | st.decimals(D("0.1"), D(100000), places=2),
    amount=st.decimals(D("0.0001"), D(200), places=4),
)
def test_an_intent_survives_being_stored(
    kind: EntryType, side: Side, prices: list[Decimal], trigger: Decimal | None, amount: Decimal
) -> None:
    asked = order(kind, side, amount=amount, price=D(20000), take_profits=tuple(prices), callback_rate=D(1))
    asked = replace(asked, stop=stop(trigger, trigger) if trigger is not None else None)
    legs = legs_of(asked, CONTRACT, "intent", 1)
    intent = Intent("intent", "user", "account", "BTC/USDT", 1, 2, order=asked, legs=legs)
    assert intent_of({key: value for key, value in intent_item(intent).items() if value is not None}) == intent
    clearing = replace(intent, order=None, legs=())
    assert intent_of({key: value for key, value in intent_item(clearing).items() if value is not None}) == clearing


def traded(order_id: str, change: str) -> Trade:
    side, fee = "sell" if change.startswith("-") else "buy", Fee(D(0), "USDT")
    return Trade("1", order_id, "BTC/USDT", 0, side, False, LAST, abs(D(change)), LAST, fee)


@pytest.mark.parametrize(
    ("changes", "position", "left"),
    [
        ([("entry", "0.05")], "0.05", "0.05"),
        ([("entry", "0.02"), ("entry", "0.03")], "0.05", "0.05"),
        ([("entry", "0.05"), ("exit", "-0.02")], "0.03", "0.03"),
        ([("entry", "0.05"), ("hand", "0.03")], "0.08", "0.08"),
        ([("entry", "0.05"), ("hand", "-0.05")], "0", "0"),
        ([("entry", "0.05"), ("hand", "-0.05"), ("hand", "0.03")], "0.03", "0"),
        ([("entry", "0.05"), ("hand", "-0.1"), ("hand", "0.1")], "0.05", "0"),
        ([("entry", "0.02"), ("hand", "-0.02"), ("entry", "0.03")], "0.03", "0.03"),
        ([("entry", "0.05"), ("hand", "-0.08")], "-0.03", "0"),
        # It joined a position of 0.03, turned one of -0.03, and reduced one of -0.08, which the user then turned.
        ([("entry", "0.05"), ("hand", "-0.05")], "0.03", "0.03"),
        ([("entry", "0.05")], "0.02", "0.02"),
        ([("entry", "0.05"), ("hand", "0.05")], "0.02", "0"),
        # Trades or the position are not shown yet.
        ([], "0.05", "0.05"),
        ([("entry", "0.05")], "0", "0"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_left_of_a_position_follows_from_its_trades(
    changes: list[tuple[str, str]], position: str, left: str, sign: int
) -> None:
    """A position that was closed is not the one that is open later."""
    side = Side.BUY if sign > 0 else Side.SELL
    entry = Order(
        "entry", "name", "BTC/USDT", 0, "market", "GTC", False, False, side.lower(), LAST, None, D("0.05"), D(1000),
        LAST, D("0.05"), D(0), OrderStatus.CLOSED,
    )  # fmt: skip
    trades = [traded(order_id, str(sign * D(change))) for order_id, change in changes]
    assert amount_left(entry, trades, sign * D(position)) == D(left)
