"""Test spot orders on the paper exchange through ccxt."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base import errors

from local.doubles.binance import PaperExchange, Served
from local.doubles.binance.testing import ccxt_client

SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with PaperExchange() as exchange, exchange.serve() as served:
        served.control.limits(spot=1_000_000)
        yield served


@pytest.fixture
def client(served: Served) -> Any:
    served.control.prices(BTC_USDT="20000")
    return ccxt_client(served.url, served.control.key(spot={"USDT": "10000", "BTC": "1"}))


def test_a_market_buy_pays_its_fee_in_the_base_asset(client: Any) -> None:
    order = client.create_order(SYMBOL, "market", "buy", Decimal("0.1"))
    assert (order["status"], order["average"], order["filled"]) == ("closed", 20000, Decimal("0.1"))
    [fill] = order["info"]["fills"]
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00010000", "BTC")
    balance = client.fetch_balance()
    assert balance["total"]["USDT"] == 8000
    assert balance["total"]["BTC"] == Decimal("1.0999")


def test_a_market_buy_by_cost_spends_at_most_the_cost(client: Any) -> None:
    request = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "500.1"}
    order = client.privatePostOrder(request)
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "FILLED", "0.02500000", "500.00000000",
    )  # fmt: skip


def test_a_market_sell_pays_its_fee_in_the_quote_asset(client: Any) -> None:
    client.create_order(SYMBOL, "market", "sell", Decimal("0.5"))
    assert client.fetch_balance()["total"]["USDT"] == 10000 + 10000 - 10


def test_a_limit_order_locks_its_balance_and_fills_at_its_price(client: Any, served: Served) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(19000))
    assert order["status"] == "open"
    assert client.fetch_balance()["USDT"] == {"free": 8100, "used": 1900, "total": 10000}
    assert [open_["id"] for open_ in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    served.control.prices(BTC_USDT="19000.01")
    assert client.fetch_order(order["id"], SYMBOL)["status"] == "open"
    served.control.prices(BTC_USDT="18500")
    filled = client.fetch_order(order["id"], SYMBOL)
    assert (filled["status"], filled["average"]) == ("closed", 19000)
    trade = client.fetch_my_trades(SYMBOL)[-1]
    assert (trade["price"], trade["takerOrMaker"], trade["order"]) == (19000, "maker", order["id"])
    assert client.fetch_balance()["USDT"] == {"free": 8100, "used": 0, "total": 8100}


def test_a_marketable_limit_takes_the_better_price(client: Any) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(21000))
    assert (order["status"], order["average"]) == ("closed", 20000)
    assert client.fetch_balance()["USDT"]["total"] == 8000


def test_immediate_or_cancel_and_post_only_are_respected(client: Any) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(19000), {"timeInForce": "IOC"})
    assert order["status"] == "expired"
    assert client.fetch_balance()["USDT"]["used"] == 0
    with pytest.raises(errors.OrderImmediatelyFillable):
        client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(21000), {"postOnly": True})
    assert client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(19000), {"postOnly": True})["postOnly"]


def test_orders_can_be_cancelled_singly_and_all_at_once(client: Any) -> None:
    one = client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(19000), {"clientOrderId": "mine-1"})
    client.create_order(SYMBOL, "limit", "sell", Decimal("0.2"), Decimal(22000))
    canceled = client.cancel_order("", SYMBOL, {"clientOrderId": "mine-1"})
    assert (canceled["id"], canceled["status"]) == (one["id"], "canceled")
    with pytest.raises(errors.OrderNotFound):
        client.cancel_order(one["id"], SYMBOL)
    assert len(client.cancel_all_orders(SYMBOL)) == 1
    with pytest.raises(errors.OrderNotFound):
        client.cancel_all_orders(SYMBOL)
    balance = client.fetch_balance()
    assert (balance["BTC"]["used"], balance["USDT"]["used"]) == (0, 0)
    assert [order["status"] for order in client.fetch_orders(SYMBOL)] == ["canceled", "canceled"]


def test_a_stop_loss_limit_order_waits_triggers_and_fills(client: Any, served: Served) -> None:
    order = client.create_order(SYMBOL, "limit", "sell", Decimal("0.3"), Decimal(18900), {"stopLossPrice": "19000"})
    assert client.fetch_order(order["id"], SYMBOL)["info"]["isWorking"] is False
    served.control.prices(BTC_USDT="19500")
    assert client.fetch_open_orders(SYMBOL)[0]["info"]["stopPrice"] == "19000.00000000"
    served.control.prices(BTC_USDT="18950")
    filled = client.fetch_order(order["id"], SYMBOL)
    assert (filled["status"], filled["average"]) == ("closed", 18950)


def test_a_triggered_stop_rests_at_its_limit_when_the_price_is_beyond_it(client: Any, served: Served) -> None:
    order = client.create_order(SYMBOL, "limit", "sell", Decimal("0.3"), Decimal(18900), {"stopLossPrice": "19000"})
    served.control.prices(BTC_USDT="18000")
    resting = client.fetch_order(order["id"], SYMBOL)
    assert (resting["status"], resting["info"]["isWorking"]) == ("open", True)
    served.control.prices(BTC_USDT="18900")
    assert client.fetch_order(order["id"], SYMBOL)["average"] == 18900


@pytest.mark.parametrize(
    ("side", "params", "price", "average"),
    [
        ("sell", {"stopLossPrice": "19000"}, "18000", 18000),
        ("sell", {"takeProfitPrice": "21000"}, "21500", 21500),
        ("buy", {"stopLossPrice": "21000"}, "21000", 21000),
        ("buy", {"takeProfitPrice": "19000"}, "18900", 18900),
    ],
)
def test_market_stops_and_take_profits_fill_at_the_market_price(
    client: Any, served: Served, side: str, params: dict[str, str], price: str, average: int
) -> None:
    order = client.create_order(SYMBOL, "market", side, Decimal("0.1"), None, params)
    served.control.prices(BTC_USDT="20001")
    assert client.fetch_order(order["id"], SYMBOL)["status"] == "open"
    served.control.prices(BTC_USDT=price)
    filled = client.fetch_order(order["id"], SYMBOL)
    assert (filled["status"], filled["average"]) == ("closed", average)
    assert client.fetch_balance()["USDT"]["used"] == 0


def test_a_trailing_stop_follows_and_triggers(client: Any, served: Served) -> None:
    params = {"trailingPercent": "5", "stopLossOrTakeProfit": "stopLoss"}
    order = client.create_order(SYMBOL, "market", "sell", Decimal("0.1"), None, params)
    for price in ("22000", "24000", "22801"):
        served.control.prices(BTC_USDT=price)
        assert client.fetch_order(order["id"], SYMBOL)["status"] == "open"
    served.control.prices(BTC_USDT="22800")
    assert client.fetch_order(order["id"], SYMBOL)["average"] == 22800


def test_a_stop_that_would_trigger_immediately_is_refused(client: Any) -> None:
    with pytest.raises(errors.OrderImmediatelyFillable):
        client.create_order(SYMBOL, "market", "sell", Decimal("0.1"), None, {"stopLossPrice": "21000"})


def test_an_order_without_enough_balance_is_refused(client: Any) -> None:
    with pytest.raises(errors.InsufficientFunds):
        client.create_order(SYMBOL, "market", "buy", Decimal(1))
    with pytest.raises(errors.InsufficientFunds):
        client.create_order(SYMBOL, "limit", "sell", Decimal("1.1"), Decimal(22000))


def send(client: Any, **changes: str) -> Any:
    """Send a limit order with changed parameters; an empty value leaves a parameter out."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    order |= {"price": "19000"} | changes
    return client.privatePostOrder({name: value for name, value in order.items() if value})


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"quantity": "0.000001"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.000000001"}, -1111, "precision"),
        ({"price": "19000.001"}, -1013, "PRICE_FILTER"),
        ({"price": "3000"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.0001"}, -1013, "NOTIONAL"),
        ({"quantity": "99999"}, -1013, "LOT_SIZE"),
        ({"quantity": "-1"}, -1100, "quantity"),
        ({"quantity": "1e3"}, -1100, "quantity"),
        ({"price": ""}, -1102, "price"),
        ({"side": "HOLD"}, -1117, "side"),
        ({"type": "WISH"}, -1116, "orderType"),
        ({"timeInForce": "GTX"}, -1115, "timeInForce"),
        ({"symbol": "NOPEUSDT"}, -1121, "symbol"),
        ({"symbol": "WAVESUSDT", "price": "1", "quantity": "10"}, -1013, "Market is closed"),
        ({"stopPrice": "18000"}, -1106, "stopPrice"),
        ({"newClientOrderId": "no spaces"}, -1100, "newClientOrderId"),
    ],
)
def test_invalid_orders_get_the_codes_of_binance(client: Any, changes: dict[str, str], code: int, text: str) -> None:
    with pytest.raises(errors.BaseError, match=text):
        send(client, **changes)
    assert client.last_http_response.startswith(f'{{"code":{code},')


def test_a_client_order_id_is_unique_among_open_orders(client: Any, served: Served) -> None:
    send(client, newClientOrderId="again")
    with pytest.raises(errors.InvalidOrder, match="Duplicate order sent"):
        send(client, newClientOrderId="again")
    served.control.prices(BTC_USDT="19000")
    send(client, newClientOrderId="again", price="18000")
    newest = client.privateGetOrder({"symbol": "BTCUSDT", "origClientOrderId": "again"})
    assert (newest["price"], newest["status"]) == ("18000.00000000", "NEW")


def test_a_key_sees_only_its_own_orders(client: Any, served: Served) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", Decimal("0.1"), Decimal(19000))
    stranger = ccxt_client(served.url, served.control.key(spot={"USDT": "1"}))
    with pytest.raises(errors.OrderNotFound):
        stranger.fetch_order(order["id"], SYMBOL)
    with pytest.raises(errors.OrderNotFound):
        stranger.cancel_order(order["id"], SYMBOL)
    assert stranger.fetch_orders(SYMBOL) == []


def test_orders_and_trades_are_listed_by_time_and_id(client: Any) -> None:
    ids = [client.create_order(SYMBOL, "market", "buy", Decimal("0.001"))["id"] for _ in range(3)]
    assert [order["id"] for order in client.fetch_orders(SYMBOL, limit=2)] == ids[1:]
    listed = client.privateGetAllOrders({"symbol": "BTCUSDT", "orderId": ids[1]})
    assert [str(order["orderId"]) for order in listed] == ids[1:]
    trades = client.privateGetMyTrades({"symbol": "BTCUSDT", "orderId": ids[0]})
    assert [str(trade["orderId"]) for trade in trades] == ids[:1]


def test_a_symbol_has_at_most_five_conditional_orders(client: Any) -> None:
    stop = {"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "19000"}
    for _ in range(5):
        send(client, **stop)
    with pytest.raises(errors.BaseError, match="MAX_NUM_ALGO_ORDERS"):
        send(client, **stop)
    send(client)
