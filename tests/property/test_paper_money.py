"""The paper exchange neither creates nor loses money, for any orders and prices."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.doubles.binance import PaperExchange
from local.doubles.binance.conditions import touch
from local.doubles.binance.model import Account, Algo, Condition, Order
from local.doubles.binance.spot import crosses
from local.doubles.binance.wire import ZERO, WireError
from tests.support.effort import examples

D = Decimal
Step = dict[str, Any]
START = D(20_000)
DEPOSIT = D(5_000)

prices = st.integers(12_000, 32_000).map(D)
sides = st.sampled_from(["BUY", "SELL"])
sizes = st.integers(1, 300).map(lambda steps: D(steps) / 1000)
limits = st.fixed_dictionaries({"do": st.just("limit"), "side": sides, "size": sizes, "price": prices})
markets = st.fixed_dictionaries({"do": st.just("market"), "side": sides, "size": sizes})
stops = st.fixed_dictionaries(
    {"do": st.just("stop"), "side": sides, "size": sizes, "price": prices, "rises": st.booleans()}
)
trails = st.fixed_dictionaries({"do": st.just("trail"), "side": sides, "size": sizes, "rate": st.integers(1, 10)})
moves = st.fixed_dictionaries({"do": st.just("move"), "price": prices})
cancels = st.fixed_dictionaries({"do": st.just("cancel")})
scripts = st.lists(st.one_of(limits, markets, stops, trails, moves, moves, cancels), min_size=5, max_size=40)
flags = st.fixed_dictionaries(
    {"reduce_only": st.booleans(), "isolated": st.booleans(), "leverage": st.sampled_from([1, 5, 20])}
)


def order_of(exchange: PaperExchange, account: Account, step: Step, **settings: Any) -> Order:
    """Return the order of a step of a script."""
    desk = exchange.futures if settings.pop("futures", False) else exchange.spot
    kind = {"limit": "LIMIT", "market": "MARKET"}.get(step["do"], "STOP_LOSS" if step.get("rises") else "TAKE_PROFIT")
    number = desk.orders.next_id()
    return Order(
        id=number, api_key=account.api_key, symbol="BTCUSDT", client_id=f"order-{number}", side=step["side"], type=kind,
        time_in_force="GTC", quantity=step["size"], price=step["price"] if step["do"] == "limit" else ZERO,
        created=1, updated=1, **settings,
    )  # fmt: skip


def condition_of(step: Step, last: Decimal) -> Condition:
    if step["do"] == "trail":
        return Condition(rises=step["side"] == "BUY", distance=D(step["rate"]) / 100, extreme=last)
    return Condition(rises=step["rises"], price=step["price"])


def spot_step(exchange: PaperExchange, account: Account, step: Step) -> None:
    if step["do"] == "cancel":
        for order in exchange.spot.orders.open_of(account.api_key):
            exchange.spot.cancel(account, order, 1)
        return
    waits = {}
    if step["do"] in ("stop", "trail"):
        last = exchange.prices.price("BTC/USDT")
        stop_price = step.get("price", ZERO)
        waits = {"condition": condition_of(step, last), "working": False, "stop_price": stop_price}
        waits["trailing_delta"] = step.get("rate", 0) * 100
    exchange.spot.place(account, order_of(exchange, account, step, **waits), 1)


def futures_step(exchange: PaperExchange, account: Account, step: Step, reduce_only: bool) -> None:
    desk = exchange.futures
    if step["do"] == "cancel":
        for order in desk.orders.open_of(account.api_key):
            desk.cancel(account, order, 1)
    elif step["do"] in ("stop", "trail"):
        number = desk.algos.shelf.next_id()
        algo = Algo(
            id=number, api_key=account.api_key, symbol="BTCUSDT", client_id=f"algo-{number}", side=step["side"],
            type="STOP_MARKET", time_in_force="GTC", quantity=step["size"], price=ZERO,
            condition=condition_of(step, exchange.prices.price("BTC/USDT")), working_type="CONTRACT_PRICE",
            price_protect=False, reduce_only=reduce_only, close_position=False, callback_rate="", created=1, updated=1,
        )  # fmt: skip
        desk.algos.place(account, algo, 1)
    else:
        order = order_of(exchange, account, step, futures=True, reduce_only=reduce_only)
        desk.place(account, order, 1)


def play(exchange: PaperExchange, account: Account, step: Step, **settings: Any) -> None:
    """Make one step of a script; the exchange may refuse it."""
    try:
        if step["do"] == "move":
            exchange.move_price("BTC/USDT", step["price"], 1)
        elif settings:
            futures_step(exchange, account, step, **settings)
        else:
            spot_step(exchange, account, step)
    except WireError:
        return


def opened(**holdings: Any) -> tuple[PaperExchange, Account]:
    exchange = PaperExchange()
    account = Account(api_key="a" * 64, created=1, **holdings)
    exchange.open_account(account)
    exchange.move_price("BTC/USDT", START, 1)
    return exchange, account


@examples(150)
@given(script=scripts)
def test_spot_totals_change_only_by_trades_and_fees(script: list[Step]) -> None:
    exchange, account = opened(free={"USDT": DEPOSIT, "BTC": D(1)})
    for step in script:
        play(exchange, account, step)
        booked: defaultdict[str, Decimal] = defaultdict(Decimal, USDT=DEPOSIT, BTC=D(1))
        for trade in exchange.spot.trades.of(account.api_key):
            sign = 1 if trade.side == "BUY" else -1
            booked["BTC"] += sign * trade.quantity
            booked["USDT"] -= sign * trade.quote
            booked[trade.fee_asset] -= trade.fee
        assert exchange.spot.totals(account) == booked
        assert min(*account.free.values(), *account.locked.values(), ZERO) == 0
        reserved = sum((order.locked for order in exchange.spot.orders.open_of(account.api_key)), ZERO)
        assert sum(account.locked.values()) == reserved
        last = exchange.prices.price("BTC/USDT")
        resting = [order for order in exchange.spot.orders.open_of(account.api_key) if order.working]
        assert not any(crosses(order, last) for order in resting if order.type == "LIMIT")
    exchange.close()


@examples(200)
@given(script=scripts, flags=flags)
def test_the_futures_wallet_is_deposits_plus_realized_profit_minus_fees(
    script: list[Step], flags: dict[str, Any]
) -> None:
    exchange, account = opened(wallet={"USDT": DEPOSIT})
    account.isolated["BTCUSDT"], account.leverage["BTCUSDT"] = flags["isolated"], flags["leverage"]
    for step in script:
        play(exchange, account, step, reduce_only=flags["reduce_only"] and step.get("side") == "SELL")
        trades = exchange.futures.trades.of(account.api_key)
        assert account.wallet["USDT"] == DEPOSIT + sum((t.realized - t.fee for t in trades), ZERO)
        quantity = sum((t.quantity if t.side == "BUY" else -t.quantity for t in trades), ZERO)
        position = account.positions.get("BTCUSDT")
        assert quantity == (position.quantity if position else ZERO)
        last = exchange.prices.price("BTC/USDT")
        assert not any(crosses(order, last) for order in exchange.futures.orders.open_of(account.api_key))
        assert not any(
            touch(replace(algo.condition), last) for algo in exchange.futures.algos.shelf.open_of(account.api_key)
        )
        if position:
            funds = exchange.futures.funds(account, "USDT")
            paid = sum((t.quote if t.side == "BUY" else -t.quote for t in trades), ZERO)
            # Value of the position minus cost of the trades is realized plus unrealized profit, up to rounding.
            realized = sum((t.realized for t in trades), ZERO)
            assert abs(quantity * exchange.prices.price("BTC/USDT") - paid - realized - funds.profit) < D("1E-6")
            margin = abs(position.quantity) * position.entry / flags["leverage"] if flags["isolated"] else ZERO
            assert abs(position.isolated_wallet - margin) < D("1E-6")
    exchange.close()


@examples(60)
@given(script=scripts)
def test_the_stored_state_equals_the_state_in_memory(
    script: list[Step], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("paper")
    exchange = PaperExchange(directory)
    account = Account(api_key="a" * 64, created=1, wallet={"USDT": DEPOSIT}, free={"USDT": DEPOSIT})
    exchange.open_account(account)
    for step in script:
        with exchange.turn():
            play(exchange, account, step, reduce_only=False)
            play(exchange, account, step)
    exchange.close()
    again = PaperExchange(directory)
    assert again.accounts == {account.api_key: account}
    for desk, other in ((exchange.spot, again.spot), (exchange.futures, again.futures)):
        assert desk.orders.of(account.api_key) == other.orders.of(account.api_key)
        assert desk.orders.open_of(account.api_key) == other.orders.open_of(account.api_key)
        assert desk.trades.of(account.api_key) == other.trades.of(account.api_key)
    assert exchange.futures.algos.shelf.of(account.api_key) == again.futures.algos.shelf.of(account.api_key)
    assert exchange.prices.quotes == again.prices.quotes
    again.close()
