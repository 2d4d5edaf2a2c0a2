"""Test futures on the paper exchange through ccxt: positions, margin, plain and conditional orders."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base import errors

from local.doubles.binance import PaperExchange, Served
from local.doubles.binance.testing import ccxt_client
from tests.support.local_system import eventually

SYMBOL = "BTC/USDT:USDT"
D = Decimal


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with PaperExchange() as exchange, exchange.serve() as served:
        served.control.limits(futures=1_000_000)
        yield served


@pytest.fixture
def key(served: Served) -> dict[str, str]:
    served.control.prices(BTC_USDT="20000", ETH_USDT="2000")
    return served.control.key(futures={"USDT": "1000"})


@pytest.fixture
def client(served: Served, key: dict[str, str]) -> Any:
    return ccxt_client(served.url, key, "swap")


def wallet(client: Any) -> Decimal:
    return Decimal(client.fapiPrivateV3GetAccount()["totalWalletBalance"])


def position_of(client: Any, params: dict[str, Any] | None = None) -> Any:
    """Return the only open position."""
    [position] = client.fetch_positions([SYMBOL], params or {})
    return position


def trigger(client: Any, kind: str, side: str, price: Any, **params: Any) -> Any:
    """Place a conditional market order that closes the position, unless a quantity is given."""
    name = {"stop": "stopLossPrice", "take": "takeProfitPrice"}[kind]
    amount = params.pop("quantity", None)
    closing = {} if amount else {"closePosition": True}
    return client.create_order(SYMBOL, "market", side, amount or D(1), None, {name: str(price)} | closing | params)


def status(client: Any, algo: Any) -> str:
    return str(client.fetch_order(algo["id"], SYMBOL, {"trigger": True})["info"]["algoStatus"])


def test_opening_and_closing_a_long_position_books_profit_and_fees(
    client: Any, served: Served, key: dict[str, str]
) -> None:
    order = client.create_order(SYMBOL, "market", "buy", D("0.05"))
    assert (order["status"], order["average"], order["cost"]) == ("closed", 20000, 1000)
    served.control.prices(BTC_USDT="21000")
    position = position_of(client)
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", D("0.05"), 20000)
    assert (position["unrealizedPnl"], position["notional"]) == (50, 1050)
    assert (position["initialMargin"], position["marginMode"]) == (D("52.5"), "cross")
    balance = client.fetch_balance()["USDT"]
    assert (balance["total"], balance["free"]) == (D("1049.5"), D("997"))
    client.create_order(SYMBOL, "market", "sell", D("0.05"), None, {"reduceOnly": True})
    assert client.fetch_positions() == []
    assert served.control.positions(key["apiKey"]) == []
    assert wallet(client) == 1000 + 50 - D("0.5") - D("0.525")
    trades = client.fetch_my_trades(SYMBOL)
    assert [trade["info"]["realizedPnl"] for trade in trades] == ["0.00000000", "50.00000000"]
    assert [trade["info"]["commission"] for trade in trades] == ["0.50000000", "0.52500000"]


def test_a_position_averages_its_entry_price_and_can_flip(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.02"))
    served.control.prices(BTC_USDT="22000")
    client.create_order(SYMBOL, "market", "buy", D("0.02"))
    assert position_of(client)["entryPrice"] == 21000
    client.create_order(SYMBOL, "market", "sell", D("0.07"))
    flipped = position_of(client)
    assert (flipped["side"], flipped["contracts"], flipped["entryPrice"]) == ("short", D("0.03"), 22000)
    assert client.fetch_my_trades(SYMBOL)[-1]["info"]["realizedPnl"] == "40.00000000"


def test_position_v2_has_leverage_and_liquidation_price(client: Any, served: Served) -> None:
    client.set_leverage(4, SYMBOL)
    client.create_order(SYMBOL, "market", "buy", D("0.1"))
    served.control.prices(BTC_USDT="19945.58508151")
    position = position_of(client, {"useV2": True})
    assert (position["leverage"], position["markPrice"]) == (4, D("19945.58508151"))
    # The published formula in the first bracket: (wallet - quantity * entry) / (quantity * (rate - 1)).
    assert position["liquidationPrice"] == pytest.approx(D(999 - 2000) / (D("0.1") * (D("0.004") - 1)), abs=D("1E-6"))
    assert position["maintenanceMarginPercentage"] == D("0.004")


def test_a_limit_order_rests_fills_at_its_price_or_is_cancelled(client: Any, served: Served) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(19000), {"clientOrderId": "entry"})
    assert (order["status"], order["price"]) == ("open", 19000)
    assert client.fetch_balance()["USDT"]["used"] == D("47.5")
    with pytest.raises(errors.InvalidOrder, match="-4116"):
        client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(18000), {"clientOrderId": "entry"})
    served.control.prices(BTC_USDT="18000")
    filled = client.fetch_order("", SYMBOL, {"clientOrderId": "entry"})
    assert (filled["status"], filled["average"]) == ("closed", 19000)
    trade = client.fetch_my_trades(SYMBOL)[-1]
    assert (trade["takerOrMaker"], trade["info"]["commission"]) == ("maker", "0.19000000")
    other = client.create_order(SYMBOL, "limit", "sell", D("0.05"), D(23000))
    assert client.cancel_order(other["id"], SYMBOL)["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound):
        client.cancel_order(other["id"], SYMBOL)
    with pytest.raises(errors.OrderNotFound):
        client.fetch_order("12345", SYMBOL)


def test_time_in_force_is_respected(client: Any) -> None:
    assert (
        client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(19000), {"timeInForce": "IOC"})["status"] == "expired"
    )
    with pytest.raises(errors.OrderNotFillable):
        client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(19000), {"timeInForce": "FOK"})
    with pytest.raises(errors.OrderNotFillable):
        client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(20500), {"postOnly": True})


def test_a_batch_has_a_result_for_each_order(client: Any) -> None:
    orders = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": D("0.01"), "price": D(19000)},
        {"symbol": SYMBOL, "type": "market", "side": "buy", "amount": D("900")},
        {"symbol": SYMBOL, "type": "market", "side": "buy", "amount": D("0.01")},
    ]
    # ccxt sorts by time, and a refused order has none.
    assert [order["status"] for order in client.create_orders(orders)] == ["rejected", "open", "closed"]
    resting = client.fetch_open_orders(SYMBOL)[0]
    canceled = client.fapiPrivateDeleteBatchOrders({"symbol": "BTCUSDT", "orderidlist": [resting["id"], "99"]})
    assert [order.get("status", order.get("code")) for order in canceled] == ["CANCELED", -2011]


def test_conditional_orders_are_refused_by_the_plain_order_endpoints(client: Any) -> None:
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "stopPrice": "19000", "closePosition": "true"}
    with pytest.raises(errors.InvalidOrder, match="-4120"):
        client.fapiPrivatePostOrder(order)
    answer = client.fapiPrivatePostBatchOrders({"batchOrders": [order, order]})
    assert [row["code"] for row in answer] == [-4120, -4120]


def test_a_triggered_stop_closes_the_position_and_other_closing_orders_stay(
    client: Any, served: Served, key: dict[str, str]
) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    stop = trigger(client, "stop", "sell", 19000, timeInForce="GTE_GTC", clientAlgoId="x-xcKtGhcu-stop")
    profit = trigger(client, "take", "sell", 21000)
    reducing = trigger(client, "take", "sell", 22000, quantity=D("0.02"), reduceOnly=True)
    assert {order["id"] for order in client.fetch_open_orders(SYMBOL, params={"trigger": True})} == {
        stop["id"], profit["id"], reducing["id"],
    }  # fmt: skip
    assert client.fetch_open_orders(SYMBOL) == []
    served.control.prices(BTC_USDT="19000.1")
    assert status(client, stop) == "NEW"
    served.control.prices(BTC_USDT="18990")
    assert [status(client, algo) for algo in (stop, profit, reducing)] == ["FINISHED", "NEW", "NEW"]
    assert client.fetch_positions() == []
    done = client.fetch_order("", SYMBOL, {"trigger": True, "clientAlgoId": "x-xcKtGhcu-stop"})["info"]
    child = client.fetch_order(done["actualOrderId"], SYMBOL)
    assert (child["status"], child["average"], child["filled"]) == ("closed", 18990, D("0.05"))
    assert child["info"]["origType"] == "STOP_MARKET"
    assert D(done["actualPrice"]) == 18990
    served.control.prices(BTC_USDT="22500")
    assert [status(client, algo) for algo in (profit, reducing)] == ["EXPIRED", "REJECTED"]
    listed = served.control.orders(key["apiKey"])
    assert len([order for order in listed if "algoId" in order]) == 3


def test_several_take_profits_close_a_position_in_parts(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    first = client.create_order(
        SYMBOL, "limit", "sell", D("0.02"), D(21000), {"takeProfitPrice": "21000", "reduceOnly": True}
    )
    second = client.create_order(
        SYMBOL, "limit", "sell", D("0.03"), D(22000), {"takeProfitPrice": "22000", "reduceOnly": True}
    )
    stop = trigger(client, "stop", "sell", 19000)
    served.control.prices(BTC_USDT="21500")
    assert position_of(client)["contracts"] == D("0.03")
    served.control.prices(BTC_USDT="22000")
    assert [status(client, algo) for algo in (first, second, stop)] == ["FINISHED", "FINISHED", "NEW"]
    assert wallet(client) == 1000 + 30 + 60 - D("0.5") - D("0.215") - D("0.33")


def test_a_triggered_limit_order_rests_until_its_price_is_reached(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    stop = client.create_order(
        SYMBOL, "limit", "sell", D("0.05"), D(19000), {"stopLossPrice": "19000", "reduceOnly": True}
    )
    served.control.prices(BTC_USDT="18500")
    assert status(client, stop) == "TRIGGERED"
    resting = client.fetch_open_orders(SYMBOL)
    assert [(order["price"], order["type"]) for order in resting] == [(19000, "limit")]
    served.control.prices(BTC_USDT="19000")
    assert status(client, stop) == "FINISHED"
    assert client.fetch_positions() == []


def test_a_trailing_stop_follows_the_price(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    trailing = client.create_order(
        SYMBOL, "market", "sell", D("0.05"), None, {"trailingPercent": 1, "reduceOnly": True}
    )
    assert trailing["info"]["orderType"] == "TRAILING_STOP_MARKET"
    for price in ("20500", "21000", "20791"):
        served.control.prices(BTC_USDT=price)
        assert status(client, trailing) == "NEW"
    served.control.prices(BTC_USDT="20790")
    assert status(client, trailing) == "FINISHED"
    assert client.fetch_my_trades(SYMBOL)[-1]["price"] == 20790


def test_a_trailing_entry_waits_for_its_activation_price(client: Any, served: Served) -> None:
    params = {"trailingPercent": 1, "trailingTriggerPrice": "19000"}
    entry = client.create_order(SYMBOL, "market", "buy", D("0.05"), None, params)
    served.control.walk("BTC/USDT", ["19500", "19800"])
    assert status(client, entry) == "NEW"
    served.control.walk("BTC/USDT", ["19000", "18000", "18179"])
    assert status(client, entry) == "NEW"
    served.control.prices(BTC_USDT="18180")
    assert position_of(client)["entryPrice"] == 18180
    with pytest.raises(errors.BadRequest, match="-4135"):
        client.create_order(SYMBOL, "market", "buy", D("0.05"), None, params)


@pytest.mark.parametrize("rate", ["0.05", "11"])
def test_a_callback_rate_out_of_range_is_refused(client: Any, rate: str) -> None:
    with pytest.raises(errors.BaseError, match="-2007"):
        client.create_order(SYMBOL, "market", "buy", D("0.05"), None, {"trailingPercent": rate})


def test_a_reduce_only_order_never_opens_a_position(client: Any) -> None:
    with pytest.raises(errors.InvalidOrder, match="-2022"):
        client.create_order(SYMBOL, "market", "sell", D("0.05"), None, {"reduceOnly": True})
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    with pytest.raises(errors.InvalidOrder, match="-2022"):
        client.create_order(SYMBOL, "market", "buy", D("0.05"), None, {"reduceOnly": True})
    order = client.create_order(SYMBOL, "market", "sell", D("0.2"), None, {"reduceOnly": True})
    assert (order["filled"], order["status"]) == (D("0.05"), "expired")
    assert client.fetch_positions() == []


def test_resting_reduce_only_orders_expire_with_the_position(client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    resting = client.create_order(SYMBOL, "limit", "sell", D("0.05"), D(21000), {"reduceOnly": True})
    client.create_order(SYMBOL, "market", "sell", D("0.05"))
    assert client.fetch_order(resting["id"], SYMBOL)["status"] == "expired"


def test_a_position_that_reduce_only_orders_cover_takes_no_other(client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", "0.02")
    reducing = {"reduceOnly": True}
    client.create_order(SYMBOL, "limit", "sell", "0.01", "21000", reducing)
    client.create_order(SYMBOL, "limit", "sell", "0.01", "21500", reducing)
    with pytest.raises(errors.ExchangeError, match="-2022"):
        client.create_order(SYMBOL, "market", "sell", "0.02", None, reducing)
    client.fapiPrivateDeleteAllOpenOrders({"symbol": "BTCUSDT"})
    client.create_order(SYMBOL, "market", "sell", "0.02", None, reducing)


def test_opening_a_position_keeps_its_conditional_orders(client: Any, served: Served) -> None:
    stop = trigger(client, "stop", "sell", 19000)
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    assert status(client, stop) == "NEW"
    served.control.prices(BTC_USDT="19000")
    assert client.fetch_positions() == []


def test_an_order_without_enough_margin_is_refused(client: Any) -> None:
    with pytest.raises(errors.InsufficientFunds, match="-2019"):
        client.create_order(SYMBOL, "market", "buy", D("1.1"))
    client.set_leverage(1, SYMBOL)
    with pytest.raises(errors.InsufficientFunds, match="-2019"):
        client.create_order(SYMBOL, "limit", "buy", D("0.06"), D(19000))
    client.set_leverage(125, SYMBOL)
    with pytest.raises(errors.OperationRejected, match="-2027"):
        client.create_order(SYMBOL, "market", "buy", D("4"))


def test_with_multi_assets_margin_a_position_may_use_all_assets_and_ends_when_all_are_lost(served: Served) -> None:
    served.control.prices(BTC_USDT="20000", USDC_USDT="1")
    key = served.control.key(futures={"USDC": "1000"}, multiAssets=True)
    client = ccxt_client(served.url, key, "swap")
    client.create_order(SYMBOL, "market", "buy", D("0.5"))
    account = client.fapiPrivateV3GetAccount()
    wallets = {row["asset"]: D(row["walletBalance"]) for row in account["assets"]}
    assert (wallets["USDT"], wallets["USDC"]) == (D(-5), D(1000))
    available = {row["asset"]: D(row["availableBalance"]) for row in account["assets"]}
    assert available["USDT"] == available["USDC"] == D(account["availableBalance"]) == 495
    with pytest.raises(errors.InsufficientFunds, match="-2019"):
        client.create_order(SYMBOL, "market", "buy", D("0.5"))
    served.control.prices(BTC_USDT="18100")
    assert position_of(client)["contracts"] == D("0.5")
    served.control.prices(BTC_USDT="18050")
    assert client.fetch_positions() == []
    assert wallet(client) == 1000 - 5 - D("0.5") * 1950


def test_closing_needs_no_margin(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.9"))
    served.control.prices(BTC_USDT="19200")
    assert client.fetch_balance()["USDT"]["free"] == 0
    client.create_order(SYMBOL, "market", "sell", D("0.9"))
    assert client.fetch_positions() == []


def test_leverage_has_limits_and_cannot_fall_below_the_margin_of_a_position(client: Any) -> None:
    assert client.set_leverage(7, SYMBOL)["leverage"] == 7
    assert client.fetch_leverage(SYMBOL)["longLeverage"] == 7
    with pytest.raises(errors.BaseError, match="-4028"):
        client.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 126})
    client.set_leverage(100, SYMBOL)
    client.create_order(SYMBOL, "market", "buy", D("2"))
    with pytest.raises(errors.OperationRejected, match="-2028"):
        client.set_leverage(10, SYMBOL)
    assert client.fetch_leverage(SYMBOL)["longLeverage"] == 100


def test_the_margin_type_cannot_change_with_open_orders_or_positions(client: Any) -> None:
    assert client.fetch_margin_mode(SYMBOL)["marginMode"] == "cross"
    client.set_margin_mode("isolated", SYMBOL)
    assert client.fetch_margin_mode(SYMBOL)["marginMode"] == "isolated"
    with pytest.raises(errors.MarginModeAlreadySet, match="-4046"):
        client.set_margin_mode("isolated", SYMBOL)
    order = client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(19000))
    with pytest.raises(errors.OperationRejected, match="-4047"):
        client.set_margin_mode("cross", SYMBOL)
    client.cancel_order(order["id"], SYMBOL)
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    with pytest.raises(errors.OperationRejected, match="-4048"):
        client.set_margin_mode("cross", SYMBOL)


def test_an_isolated_position_loses_at_most_its_own_margin(client: Any, served: Served) -> None:
    client.set_margin_mode("isolated", SYMBOL)
    client.set_leverage(10, SYMBOL)
    client.create_order(SYMBOL, "market", "buy", D("0.1"))
    position = position_of(client, {"useV2": True})
    assert (position["marginMode"], position["collateral"]) == ("isolated", 200)
    assert position["liquidationPrice"] == pytest.approx(D(18000) / D("0.996"), abs=D("0.5"))
    served.control.prices(BTC_USDT="15000")
    assert client.fetch_positions() == []
    assert wallet(client) == 1000 - 1 - 200


def test_a_cross_liquidation_never_makes_the_balance_negative(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.9"))
    resting = client.create_order(SYMBOL, "limit", "sell", D("0.01"), D(23000))
    served.control.prices(BTC_USDT="10000")
    assert client.fetch_positions() == []
    assert 0 <= wallet(client) < D("0.00000002")
    assert client.fetch_order(resting["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_orders(SYMBOL)[-1]["clientOrderId"].startswith("autoclose-")


def test_one_way_mode_refuses_a_position_side(client: Any) -> None:
    assert client.fetch_position_mode()["hedged"] is False
    with pytest.raises(errors.BaseError, match="-4061"):
        client.create_order(SYMBOL, "market", "buy", D("0.05"), None, {"positionSide": "LONG"})


def test_hedge_mode_has_two_positions_and_needs_a_position_side(client: Any) -> None:
    client.set_position_mode(True)
    assert client.fetch_position_mode()["hedged"] is True
    with pytest.raises(errors.BaseError, match="-4059"):
        client.set_position_mode(True)
    with pytest.raises(errors.BaseError, match="-4061"):
        client.create_order(SYMBOL, "market", "buy", D("0.05"))
    with pytest.raises(errors.BaseError, match="-1106"):
        client.create_order(SYMBOL, "market", "sell", D("0.05"), None, {"positionSide": "LONG", "reduceOnly": "true"})
    with pytest.raises(errors.BaseError, match="-2022"):
        client.create_order(SYMBOL, "market", "sell", D("0.05"), None, {"positionSide": "LONG"})
    client.create_order(SYMBOL, "market", "buy", D("0.05"), None, {"positionSide": "LONG"})
    client.create_order(SYMBOL, "market", "sell", D("0.02"), None, {"positionSide": "SHORT"})
    for rows in (client.fapiPrivateV3GetPositionRisk(), client.fapiPrivateV2GetPositionRisk({"symbol": "BTCUSDT"})):
        sides = {(row["positionSide"], row["positionAmt"]) for row in rows}
        assert sides == {("LONG", "0.050"), ("SHORT", "-0.020")}
    with pytest.raises(errors.BaseError, match="-4068"):
        client.set_position_mode(False)
    client.create_order(SYMBOL, "market", "sell", D("0.05"), None, {"positionSide": "LONG"})
    client.create_order(SYMBOL, "market", "buy", D("0.02"), None, {"positionSide": "SHORT"})
    assert client.fapiPrivateV3GetPositionRisk() == []
    client.set_position_mode(False)


def test_in_hedge_mode_each_position_ends_with_its_own_stop(client: Any, served: Served) -> None:
    client.set_position_mode(True)
    for side, leaving, opening, trigger in (("LONG", "SELL", "buy", 18000), ("SHORT", "BUY", "sell", 21000)):
        client.create_order(SYMBOL, "market", opening, D("0.05"), None, {"positionSide": side})
        stop = {"symbol": "BTCUSDT", "side": leaving, "type": "STOP_MARKET", "triggerPrice": trigger}
        how = {"algoType": "CONDITIONAL", "closePosition": "true", "positionSide": side}
        client.fapiPrivatePostAlgoOrder(stop | how)
    served.control.prices(BTC_USDT="17900")
    assert [row["positionSide"] for row in client.fapiPrivateV3GetPositionRisk()] == ["SHORT"]
    assert [order["positionSide"] for order in client.fapiPrivateGetOpenAlgoOrders()] == ["SHORT"]


def test_a_market_order_fills_no_further_than_the_depth(client: Any, served: Served) -> None:
    served.control.depth(BTC_USDT="0.02")
    try:
        order = client.create_order(SYMBOL, "market", "buy", D("0.05"))
    finally:
        served.control.depth(BTC_USDT=0)
    assert (order["status"], order["filled"], order["remaining"]) == ("expired", D("0.02"), D("0.03"))
    assert [row["positionAmt"] for row in client.fapiPrivateV3GetPositionRisk()] == ["0.020"]


def test_a_limit_order_beyond_the_depth_is_filled_in_parts(client: Any, served: Served) -> None:
    served.control.depth(BTC_USDT="0.02")
    try:
        order = client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(19900))
        seen = []
        for price in (19900, 19890, 19880):
            served.control.prices(BTC_USDT=price)
            row = client.fapiPrivateGetOrder({"symbol": "BTCUSDT", "orderId": order["id"]})
            seen.append((row["status"], row["executedQty"], row["avgPrice"]))
    finally:
        served.control.depth(BTC_USDT=0)
    assert seen == [
        ("PARTIALLY_FILLED", "0.020", "19900.00000"),
        ("PARTIALLY_FILLED", "0.040", "19900.00000"),
        ("FILLED", "0.050", "19900.00000"),
    ]
    assert [trade["qty"] for trade in client.fapiPrivateGetUserTrades({"symbol": "BTCUSDT"})] == [
        "0.020", "0.020", "0.010"
    ]  # fmt: skip


def test_the_rest_of_an_order_that_was_filled_in_part_can_be_cancelled(client: Any, served: Served) -> None:
    served.control.depth(BTC_USDT="0.02")
    try:
        order = client.create_order(SYMBOL, "limit", "buy", D("0.05"), D(20100))
        assert [row["status"] for row in client.fapiPrivateGetOpenOrders()] == ["PARTIALLY_FILLED"]
        assert client.cancel_order(order["id"], SYMBOL)["filled"] == D("0.02")
    finally:
        served.control.depth(BTC_USDT=0)
    assert [row["positionAmt"] for row in client.fapiPrivateV3GetPositionRisk()] == ["0.020"]


def test_a_503_may_come_after_the_work_was_done(client: Any, served: Served) -> None:
    served.control.fault("/fapi/v1/order", "http_503_after", method="POST", apiKey=client.apiKey)
    with pytest.raises(errors.ExchangeNotAvailable):
        client.create_order(SYMBOL, "market", "buy", D("0.05"))
    assert len(client.fapiPrivateV3GetPositionRisk()) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "5000"}, -4005),
        ({"quantity": "0.004"}, -4164),
        ({"price": "19000.05"}, -4014),
        ({"price": "19000.005"}, -1111),
        ({"price": "21500"}, -4016),
        ({"side": "SELL", "price": "18000"}, -4024),
        ({"price": "99999999"}, -4002),
        ({"price": "0"}, -4013),
        ({"price": ""}, -1102),
        ({"timeInForce": "GTD"}, -1115),
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"quantity": "abc"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"priceMatch": "QUEUE"}, -1014),
    ],
)
def test_invalid_orders_get_the_codes_of_binance(client: Any, changes: dict[str, str], code: int) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    sent = {name: value for name, value in (order | {"price": "19000"} | changes).items() if value}
    with pytest.raises(errors.BaseError, match=f"{code}"):
        client.fapiPrivatePostOrder(sent)


def test_a_reduce_only_order_may_be_below_the_minimum_notional(client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.005"))
    assert client.create_order(SYMBOL, "market", "sell", D("0.001"), None, {"reduceOnly": True})["status"] == "closed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"triggerPrice": "20000.1"}, -2021),
        ({"quantity": "0.05"}, -4137),
        ({"reduceOnly": "true"}, -1106),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "1"}, -4136),
        ({"type": "LIMIT"}, -1116),
        ({"algoType": "VP"}, -1130),
        ({"triggerPrice": ""}, -1102),
        ({"triggerPrice": "19000.01"}, -4014),
        ({"timeInForce": "GTE_GTC"}, -4509),
        ({"closePosition": "", "quantity": "0.001"}, -4164),
        ({"closePosition": ""}, -1102),
    ],
)
def test_invalid_conditional_orders_get_the_codes_of_binance(client: Any, changes: dict[str, str], code: int) -> None:
    order = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": "19000",
        "algoType": "CONDITIONAL",
    }
    sent = {name: value for name, value in (order | {"closePosition": "true"} | changes).items() if value}
    with pytest.raises(errors.BaseError, match=f"{code}"):
        client.fapiPrivatePostAlgoOrder(sent)


def test_a_position_has_one_closing_stop_and_algo_ids_are_unique(client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    stop = trigger(client, "stop", "sell", 19000, clientAlgoId="one")
    with pytest.raises(errors.BaseError, match="-4130"):
        trigger(client, "stop", "sell", 18000)
    with pytest.raises(errors.InvalidOrder, match="-4116"):
        trigger(client, "take", "sell", 21000, clientAlgoId="one")
    client.cancel_order(stop["id"], SYMBOL, {"trigger": True})
    assert status(client, stop) == "CANCELED"
    with pytest.raises(errors.OrderNotFound):
        client.cancel_order(stop["id"], SYMBOL, {"trigger": True})
    trigger(client, "stop", "sell", 18000, clientAlgoId="one")


def test_plain_and_conditional_orders_are_cancelled_by_separate_calls(client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    client.create_order(SYMBOL, "limit", "sell", D("0.05"), D(23000))
    stop = trigger(client, "stop", "sell", 19000)
    client.cancel_all_orders(SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    assert status(client, stop) == "NEW"
    client.cancel_all_orders(SYMBOL, {"trigger": True})
    assert status(client, stop) == "CANCELED"
    assert client.fapiPrivateGetAllAlgoOrders({"symbol": "BTCUSDT"})[0]["algoStatus"] == "CANCELED"
    assert client.fetch_open_orders() == []
    assert client.fetch_open_orders(params={"trigger": True}) == []


def test_orders_and_trades_are_listed_by_time_and_id(client: Any) -> None:
    ids = [client.create_order(SYMBOL, "market", "buy", D("0.005"))["id"] for _ in range(3)]
    assert [order["id"] for order in client.fetch_orders(SYMBOL)] == ids
    assert [order["id"] for order in client.fetch_orders(SYMBOL, limit=1)] == ids[-1:]
    assert [trade["order"] for trade in client.fetch_my_trades(SYMBOL, params={"orderId": ids[1]})] == [ids[1]]


def test_leverage_tiers_and_symbol_settings_are_readable(client: Any) -> None:
    tiers = client.fetch_leverage_tiers([SYMBOL])[SYMBOL]
    assert tiers[0]["maxLeverage"] == 125
    assert tiers[-1]["maxLeverage"] == 1
    rates = [tier["maintenanceMarginRate"] for tier in tiers]
    assert rates == sorted(set(rates))
    assert len(client.fapiPrivateGetSymbolConfig()) >= 40


def test_a_price_path_is_walked_in_the_background(client: Any, served: Served) -> None:
    client.create_order(SYMBOL, "market", "buy", D("0.05"))
    stop = trigger(client, "stop", "sell", 19000)
    served.control.walk("BTC/USDT", ["19900", "18900", "25000"], interval_ms=20)
    eventually(lambda: client.fetch_ticker(SYMBOL)["last"] == 25000, what="the end of the path")
    assert status(client, stop) == "FINISHED"
    assert client.fetch_my_trades(SYMBOL)[-1]["price"] == 18900


def test_setting_a_price_ends_a_price_path(client: Any, served: Served) -> None:
    served.control.walk("BTC/USDT", [str(20000 + step) for step in range(1000)], interval_ms=1)
    served.control.prices(BTC_USDT="30000")
    assert {client.fetch_ticker(SYMBOL)["last"] for _ in range(20)} == {30000}
