"""Test Exchange, AccountTradeHistory and OrderReconciler with DynamoDB Local, ccxt and the paper exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.bootstrap.exchanges import order_desk
from purser.exchanges.cache import BriefCache
from purser.exchanges.ccxt_gateway import TICKER_LIFETIME
from purser.http.paging import page_token
from tests.support.aws import Aws
from tests.support.events import Answered, LambdaContext, call, claims
from tests.support.functions import forget_process, load_function
from tests.support.orders import PRICE, SYMBOL, Trader, orders_table, trader
from tests.support.paper import Paper

EXAMPLE = {
    "symbol": "BTC/USDT",
    "type": "MARKET",
    "side": "BUY",
    "amount": "0.05",
    "takeProfitPrices": [19250, 19300],
    "stopTriggerPrice": 19000,
    "stopTriggerType": "LIMIT",
    "stopPrice": 19000,
}


@pytest.fixture(scope="module")
def function(aws: Aws, _paper_server: Paper) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_TABLE", orders_table(aws.tables))
        forget_process()
        yield load_function("exchange")
    forget_process()


@pytest.fixture
def someone(function: ModuleType, paper: Paper) -> Callable[..., Trader]:
    paper.prices(BTC_USDT=PRICE, ETH_USDT="1300")
    # The price of the test before may be younger than a second, and would be used again.
    order_desk()._tickers = BriefCache(TICKER_LIFETIME)
    return lambda **given: trader(function, paper, **given)


@pytest.fixture
def user(someone: Callable[..., Trader]) -> Trader:
    return someone()


ORDER = {
    "id", "clientOrderId", "timestamp", "datetime", "symbol", "type", "timeInForce", "postOnly", "reduceOnly", "side",
    "price", "stopPrice", "amount", "cost", "average", "filled", "remaining", "status", "fee", "trades", "fees",
}  # fmt: skip
POSITION = {
    "symbol", "contracts", "contractSize", "unrealizedPnl", "leverage", "liquidationPrice", "collateral", "notional",
    "markPrice", "entryPrice", "initialMargin", "initialMarginPercentage", "maintenanceMargin",
    "maintenanceMarginPercentage", "marginRatio", "datetime", "marginMode", "marginType", "side", "hedged",
    "percentage",
}  # fmt: skip
READS = ("order/{id}/list", "order/{id}/history", "trade/{id}/history", "position/{id}")
CHANGES = (
    ("POST", "order/{id}", EXAMPLE),
    ("DELETE", "position/{id}", {"symbol": SYMBOL}),
    ("PUT", "order/{id}/leverage", {"symbol": SYMBOL, "leverage": 10}),
    ("PUT", "order/{id}/margin", {"symbol": SYMBOL, "type": "CROSSED"}),
)
EVERY_CALL = tuple(("GET", path, None) for path in READS) + CHANGES


def ask(user: Trader, method: str, path: str, body: Any, key_id: str | None = None, **query: str) -> Answered:
    path = path.format(id=key_id or user.id)
    given = {"query": {"symbol": SYMBOL, **query}} if method == "GET" else {}
    return user.call(method, f"/v1/priv/exchange/{path}", body, **given)


def refusal(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["error"]


def faults(answer: Answered) -> set[tuple[str, str]]:
    assert answer.status == 422, answer.text
    assert {error["location"] for error in answer.body["errors"]} == {"body"}
    return {(error["param"], error["msg"]) for error in answer.body["errors"]}


minutes = count(1)


def reconcile(user: Trader) -> list[str]:
    """Run the reconciler at a time when everything is due, and return the states of the user's intents."""
    from purser.bootstrap.orders import _intent_runner, order_reconciler
    from purser.clock import now_ms

    reconciler, runner = order_reconciler(), _intent_runner()
    ahead = next(minutes) * 120_000
    reconciler._now = runner._now = lambda: now_ms() + ahead
    try:
        done = load_function("order_reconciler").handler({}, LambdaContext())
    finally:
        reconciler._now = runner._now = now_ms
    assert set(done) == {"finished", "resting", "unknown"}
    return states(user)


def states(user: Trader) -> list[str]:
    answer = boto3.client("dynamodb").query(
        TableName="OrdersTable",
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": f"KEY#{user.id}"}},
    )
    return sorted(item["state"]["S"] for item in answer["Items"])


def history(user: Trader, kind: str = "manual", **query: str) -> Answered:
    handler = load_function("account_trade_history").handler
    path = f"/v1/priv/account/trade/{kind}/history"
    return call(handler, "GET", path, caller=claims(user.user_id), query=query)


# ---- successful requests


def test_an_order_is_placed_with_its_exits_as_documented(user: Trader) -> None:
    user.paper.clear_requests()
    answer = user.order(EXAMPLE)
    assert answer.status == 200, answer.text
    entry, first, second, stop = answer.body
    assert all(set(order) == ORDER for order in answer.body)
    assert all(order["clientOrderId"].startswith("x-xcKtGhcu") for order in answer.body)
    assert len({order["clientOrderId"] for order in answer.body}) == 4
    shown = {"type", "timeInForce", "reduceOnly", "side", "price", "stopPrice", "amount", "cost", "filled", "status"}
    assert [{name: order[name] for name in shown} for order in answer.body] == [
        {
            "type": "market", "timeInForce": "GTC", "reduceOnly": False, "side": "buy", "price": 19191.9,
            "stopPrice": None, "amount": 0.05, "cost": 959.595, "filled": 0.05, "status": "closed",
        },
        {
            "type": "take_profit", "timeInForce": "GTC", "reduceOnly": True, "side": "sell", "price": 19250,
            "stopPrice": 19250, "amount": 0.025, "cost": 0, "filled": 0, "status": "open",
        },
        {
            "type": "take_profit", "timeInForce": "GTC", "reduceOnly": True, "side": "sell", "price": 19300,
            "stopPrice": 19300, "amount": 0.025, "cost": 0, "filled": 0, "status": "open",
        },
        {
            "type": "stop", "timeInForce": "GTE_GTC", "reduceOnly": True, "side": "sell", "price": 19000,
            "stopPrice": 19000, "amount": 0.05, "cost": 0, "filled": 0, "status": "open",
        },
    ]  # fmt: skip
    assert (entry["average"], entry["remaining"], stop["remaining"]) == (19191.9, 0, 0.05)
    signed = [f"{r['method']} {r['path']}" for r in user.paper.requests() if r["apiKey"] == user.key["apiKey"]]
    assert signed == [
        "GET /fapi/v2/positionRisk",
        "GET /fapi/v3/account",
        "GET /fapi/v3/positionRisk",
        "GET /fapi/v1/openOrders",
        "GET /fapi/v1/openAlgoOrders",
        "DELETE /fapi/v1/allOpenOrders",
        "DELETE /fapi/v1/algoOpenOrders",
        "GET /fapi/v3/positionRisk",
        "POST /fapi/v1/order",
        *["POST /fapi/v1/algoOrder"] * 3,
    ]
    open_orders = user.read("order/{id}/list").body
    assert [order["id"] for order in open_orders] == [stop["id"], first["id"], second["id"]]
    assert sorted(open_orders, key=lambda o: o["id"]) == sorted(answer.body[1:], key=lambda o: o["id"])


def test_orders_and_trades_are_readable_after_a_stop_was_triggered(user: Trader) -> None:
    body = {key: value for key, value in EXAMPLE.items() if key != "stopPrice"} | {"stopTriggerType": "MARKET"}
    entry, *_, stop = user.order(body).body
    assert (stop["type"], stop["amount"], stop["remaining"], stop["price"]) == ("stop_market", None, None, None)
    assert (stop["timeInForce"], stop["reduceOnly"]) == ("GTE_GTC", True)
    user.paper.prices(BTC_USDT="18990.5")
    assert user.read("position/{id}").body is None
    closing, *_ = closed = [o for o in user.read("order/{id}/history").body if o["status"] == "closed"]
    assert [set(order) for order in closed] == [ORDER, ORDER]
    assert closed[1]["id"] == entry["id"]
    assert (closing["type"], closing["side"], closing["stopPrice"]) == ("market", "sell", 19000)
    assert (closing["price"], closing["amount"], closing["cost"]) == (18990.5, 0.05, 949.525)
    last, first = user.read("trade/{id}/history").body
    assert (last["order"], last["side"], last["takerOrMaker"], last["type"]) == (closing["id"], "sell", "taker", None)
    assert last["fees"] == [last["fee"]]
    assert last["fee"] == {"currency": "USDT", "cost": 0.4747625}
    assert (first["order"], first["cost"]) == (entry["id"], 959.595)
    assert [o["id"] for o in user.read("order/{id}/history", limit="1").body] != []
    assert len(user.read("trade/{id}/history", limit="1").body) == 1


def test_a_position_is_shown_as_documented(user: Trader) -> None:
    assert user.read("position/{id}").text == "null"
    leverage = {"symbol": SYMBOL, "leverage": 4}
    assert ask(user, "PUT", "order/{id}/leverage", leverage).status == 204
    user.paper.prices(BTC_USDT="20039.9")
    user.order({"symbol": SYMBOL, "type": "MARKET", "side": "BUY", "amount": 0.6})
    user.paper.prices(BTC_USDT="19945.5")
    position = user.read("position/{id}").body
    assert set(position) == POSITION
    assert (position["leverage"], position["contracts"], position["contractSize"]) == (4, 0.6, 1)
    assert (position["side"], position["marginMode"], position["marginType"]) == ("long", "cross", "cross")
    assert (position["entryPrice"], position["markPrice"], position["unrealizedPnl"]) == (20039.9, 19945.5, -56.64)
    assert (position["notional"], position["initialMargin"]) == (11967.3, 2991.825)
    assert (position["initialMarginPercentage"], position["percentage"]) == (0.25, -1.89)
    assert 0 < position["liquidationPrice"] < 20039.9
    assert position["hedged"] is False


def test_the_collateral_of_a_multi_assets_account_is_its_total(user: Trader) -> None:
    user.paper.prices(XRP_USDT="0.5", USDC_USDT="1")
    user.paper.change_key(user.key["apiKey"], multiAssets=True, balances={"futures": {"USDT": "4", "USDC": "22"}})
    given = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "40"}
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **given)
    position = ask(user, "GET", "position/{id}", None, symbol="XRP/USDT").body
    assert position["collateral"] == 25.99
    assert position["marginRatio"] == pytest.approx(position["maintenanceMargin"] / 25.99, abs=0.0001)
    user.paper.change_key(user.key["apiKey"], balances={"futures": {"USDC": "22"}})
    assert ask(user, "GET", "position/{id}", None, symbol="XRP/USDT").body["collateral"] == 22
    user.paper.change_key(user.key["apiKey"], multiAssets=False)


def test_an_order_of_a_multi_assets_account_may_use_all_its_assets(user: Trader) -> None:
    user.paper.prices(BTC_USDT=PRICE, USDC_USDT="1")
    user.paper.change_key(user.key["apiKey"], multiAssets=True, balances={"futures": {"USDC": "1000"}})
    answer = user.order(EXAMPLE)
    assert answer.status == 200, answer.text
    position = ask(user, "GET", "position/{id}", None, symbol=SYMBOL).body
    assert 990 < position["collateral"] < 1000
    assert position["marginRatio"] > 0, "although the fee has made the balance of USDT negative"


def test_the_margin_type_can_be_changed_without_a_position(user: Trader) -> None:
    for kind in ("ISOLATED", "ISOLATED", "CROSSED", "ISOLATED"):
        answer = ask(user, "PUT", "order/{id}/margin", {"symbol": SYMBOL, "type": kind})
        assert (answer.status, answer.text) == (204, "")
    user.order({"symbol": SYMBOL, "type": "MARKET", "side": "SELL", "amount": "0.05"})
    position = user.read("position/{id}").body
    assert (position["marginMode"], position["side"]) == ("isolated", "short")
    refused = ask(user, "PUT", "order/{id}/margin", {"symbol": SYMBOL, "type": "CROSSED"})
    assert refusal(refused) == (433, "exchange bad request (1500)")


def test_cancelling_closes_the_position_and_cancels_its_orders(user: Trader) -> None:
    user.order(EXAMPLE)
    for _ in range(2):
        answer = ask(user, "DELETE", "position/{id}", {"symbol": SYMBOL})
        assert (answer.status, answer.text) == (204, "")
        assert (user.positions, user.open_orders) == ([], [])


def test_a_symbol_in_another_script_is_traded_like_any_other(user: Trader) -> None:
    symbol = "币安人生/USDT"
    stop = {"stopTriggerType": "MARKET", "stopTriggerPrice": "0.1"}
    placed = user.order({"symbol": symbol, "type": "MARKET", "side": "BUY", "amount": 100, **stop})
    assert placed.status == 200, placed.text
    assert {order["symbol"] for order in placed.body} == {symbol}
    assert ask(user, "GET", "position/{id}", None, symbol=symbol).body["contracts"] == 100
    for path in ("order/{id}/list", "order/{id}/history", "trade/{id}/history"):
        listed = ask(user, "GET", path, None, symbol=symbol)
        assert {row["symbol"] for row in listed.body} == {symbol}
    assert ask(user, "PUT", "order/{id}/leverage", {"symbol": symbol, "leverage": 10}).status == 204
    assert ask(user, "DELETE", "position/{id}", {"symbol": symbol}).status == 204
    assert ask(user, "GET", "position/{id}", None, symbol=symbol).body is None


def test_a_new_order_replaces_position_and_orders_of_its_symbol(user: Trader) -> None:
    first = user.order(EXAMPLE)
    second = user.order(EXAMPLE | {"side": "SELL", "takeProfitPrices": [19000], "stopTriggerPrice": "19400",
                                   "stopPrice": "19450", "amount": 0.02})  # fmt: skip
    assert (first.status, second.status) == (200, 200), second.text
    assert [position["positionAmt"] for position in user.positions] == ["-0.020"]
    assert len(user.open_orders) == 2


def test_orders_and_trades_of_spot_keys_are_readable(someone: Callable[..., Trader]) -> None:
    user = someone(trade_type="SPOT", USDT="10000")
    placed = {"symbol": "BTCUSDT", "side": "BUY"}
    user.paper.signed(user.key, "POST", "/api/v3/order", **placed, type="MARKET", quantity="0.05")
    limit = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "15000"}
    user.paper.signed(user.key, "POST", "/api/v3/order", **placed, **limit)
    (resting,) = user.read("order/{id}/list").body
    assert set(resting) == ORDER
    assert (resting["type"], resting["price"], resting["remaining"], resting["average"]) == ("limit", 15000, 0.01, None)
    newest, oldest = user.read("order/{id}/history").body
    assert newest == resting
    assert (oldest["type"], oldest["average"], oldest["price"], oldest["cost"]) == ("market", 19191.9, 19191.9, 959.595)
    (trade,) = user.read("trade/{id}/history").body
    assert (trade["price"], trade["amount"], trade["side"], trade["order"]) == (19191.9, 0.05, "buy", oldest["id"])


# ---- refusals


def test_an_order_gets_all_its_field_errors_at_once(user: Trader) -> None:
    trailing = {"symbol": SYMBOL, "type": "TRAILING_STOP", "side": "BUY", "amount": "0.05", "callbackRate": 6,
                "takeProfitPrices": [19250], "stopTriggerPrice": "20000", "stopTriggerType": "LIMIT"}  # fmt: skip
    answer = user.order(trailing)
    assert faults(answer) == {
        ("price", "must be provided with type trailing stop"),
        ("takeProfitPrices", "must not use with type trailing stop"),
        ("stopTriggerPrice", "must not use with type trailing stop"),
        ("stopTriggerType", "must require stopPrice with type limit"),
        ("callbackRate", "must be from 0.1 to 5"),
    }
    assert {"value": "20000", "msg": "must not use with type trailing stop", "param": "stopTriggerPrice",
            "location": "body"} in answer.body["errors"]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"symbol": None}, {("symbol", "must be string")}),
        ({"symbol": "BTCUSDT"}, {("symbol", "must be valid exchange symbol")}),
        ({"type": "STOP"}, {("type", "must be one of LIMIT, MARKET, TRAILING_STOP")}),
        ({"side": "buy"}, {("side", "must be one of BUY, SELL")}),
        ({"amount": 0}, {("amount", "must be greater than 0")}),
        ({"amount": "1e3"}, {("amount", "must be number")}),
        ({"amount": True}, {("amount", "must be number")}),
        ({"amount": "-0.05"}, {("amount", "must be number")}),
        ({"amount": 10**30}, {("amount", "must be less than 1000000000000")}),
        ({"type": "LIMIT"}, {("price", "must be provided with type limit")}),
        ({"type": "LIMIT", "price": 19260}, {("takeProfitPrices", "must be above the price")}),
        ({"type": "LIMIT", "price": 18990}, {
            ("stopTriggerPrice", "must be below the price"), ("stopPrice", "must be below the price"),
        }),
        ({"takeProfitPrices": [19250] * 26}, {("takeProfitPrices", "must have at most 25 items")}),
        ({"takeProfitPrices": [19250, "x"]}, {("takeProfitPrices.1", "must be number")}),
        ({"stopPrice": None}, {("stopTriggerType", "must require stopPrice with type limit")}),
        ({"stopTriggerType": None}, {("stopTriggerType", "must be provided with stopTriggerPrice")}),
        ({"stopTriggerPrice": None}, {("stopTriggerType", "must require stopTriggerPrice")}),
        ({"stopTriggerType": "TRAILING"}, {("stopTriggerType", "must be one of LIMIT, MARKET")}),
        ({"riskProfilePercent": 101}, {("riskProfilePercent", "must be at most 100")}),
        # Rules of the market.
        ({"amount": "0.0501"}, {("amount", "must be a multiple of 0.001")}),
        ({"amount": "0.001", "takeProfitPrices": []}, {("amount", "must be worth at least 100 at the price")}),
        ({"amount": "999999"}, {("amount", "must be at most 12.5")}),
        ({"takeProfitPrices": [19000]}, {("takeProfitPrices", "must be above the price")}),
        ({"takeProfitPrices": [19250.05]}, {("takeProfitPrices", "must be a multiple of 0.1")}),
        ({"amount": "0.006", "takeProfitPrices": [19250] * 7}, {
            ("takeProfitPrices", "must not be more than the amount can be split into"),
        }),
        ({"stopTriggerPrice": 19200, "stopPrice": 19200}, {
            ("stopTriggerPrice", "must be below the price"), ("stopPrice", "must be below the price"),
        }),
        ({"amount": "0.0005", "takeProfitPrices": [19000.01]}, {
            ("amount", "must be a multiple of 0.001"), ("amount", "must be worth at least 100 at the price"),
            ("takeProfitPrices", "must be a multiple of 0.1"), ("takeProfitPrices", "must be above the price"),
            ("takeProfitPrices", "must not be more than the amount can be split into"),
        }),
        ({"type": "LIMIT", "price": "19100.05"}, {("price", "must be a multiple of 0.1")}),
        ({"type": "LIMIT", "price": 24000, "takeProfitPrices": []}, {
            ("price", "must not be so far above the market price"),
        }),
        ({"side": "SELL", "takeProfitPrices": [19300], "stopTriggerPrice": 19000, "stopPrice": 19000}, {
            ("takeProfitPrices", "must be below the price"), ("stopTriggerPrice", "must be above the price"),
            ("stopPrice", "must be above the price"),
        }),
    ],
)  # fmt: skip
def test_an_order_that_breaks_a_rule_is_refused_before_anything_is_sent(
    user: Trader, changes: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    user.paper.clear_requests()
    assert faults(user.order(EXAMPLE | changes)) == expected
    assert [r for r in user.paper.requests() if r["apiKey"]] == []


def test_a_trailing_entry_must_start_beyond_the_market_and_is_recorded_when_it_fills(user: Trader) -> None:
    body = {"symbol": SYMBOL, "type": "TRAILING_STOP", "side": "BUY", "amount": "0.05", "callbackRate": "0.5"}
    assert faults(user.order(body | {"price": 19200})) == {("price", "must be below the market price")}
    answer = user.order(body | {"price": 19000, "riskProfilePercent": 2})
    (entry,) = answer.body
    assert (entry["type"], entry["stopPrice"], entry["status"]) == ("trailing_stop_market", 19000, "open")
    (row,) = history(user).body["items"]
    assert (row["trailingTriggerPrice"], row["callbackRate"], row["riskProfilePercent"]) == (19000, 0.5, 2)
    assert (row["orderId"], row["price"], row["cost"]) == (entry["id"], 19000, 0)
    user.paper.walk("BTC/USDT", ["19000", "18000", "18090"])
    reconcile(user)
    (row,) = history(user).body["items"]
    assert (row["orderId"], row["price"], row["cost"]) == (entry["id"], 18090, 904.5)


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_a_key_of_another_user_answers_as_an_unknown_one(
    user: Trader, someone: Callable[..., Trader], method: str, path: str, body: Any
) -> None:
    foreign = ask(user, method, path, body, key_id=someone().id)
    unknown = ask(user, method, path, body, key_id=str(uuid4()))
    assert (foreign.status, foreign.body) == (unknown.status, unknown.body) == (404, {"message": "route not found"})
    malformed = ask(user, method, path, body, key_id="invaliduuid")
    assert malformed.status == 422
    assert malformed.body["errors"] == [
        {"value": "invaliduuid", "msg": "must be UUID", "param": "id", "location": "params"}
    ]


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_an_unlisted_symbol_is_refused(user: Trader, method: str, path: str, body: Any) -> None:
    symbol = {"symbol": "BT/CUSDT"}
    answer = ask(user, method, path, body and body | symbol, **symbol)
    assert refusal(answer) == (433, "invalid exchange symbol (1300)")


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_an_invalid_symbol_is_refused(user: Trader, method: str, path: str, body: Any) -> None:
    bad = {"symbol": "btc"}
    answer = ask(user, method, path, body and body | bad, **bad)
    assert answer.status == 422
    (error,) = answer.body["errors"]
    assert (error["param"], error["msg"]) == ("symbol", "must be valid exchange symbol")
    assert error["location"] == ("query" if method == "GET" else "body")


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_a_key_that_the_exchange_refuses_becomes_unauthorized(user: Trader, method: str, path: str, body: Any) -> None:
    from purser.bootstrap.trading_accounts import trading_accounts

    user.paper.change_key(user.key["apiKey"], revoked=True)
    assert refusal(ask(user, method, path, body)) == (433, "exchange API authorization failed (1103)")
    account = trading_accounts().known(user.user_id, user.id)
    assert (account.active, account.api_key_status.value) == (False, "UNAUTHORIZED")
    if method == "POST":
        assert refusal(ask(user, method, path, body)) == (433, "exchange API key is inactive (1110)")


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_an_outage_leaves_the_key_active(user: Trader, method: str, path: str, body: Any) -> None:
    from purser.bootstrap.trading_accounts import trading_accounts

    user.paper.fault("/", "http_503", times=20, apiKey=user.key["apiKey"])
    assert refusal(ask(user, method, path, body)) == (433, "exchange is unavailable (1503)")
    account = trading_accounts().known(user.user_id, user.id)
    assert (account.active, account.api_key_status.value) == (True, "FAILED")


def test_spot_keys_cannot_be_used_for_positions_and_orders(someone: Callable[..., Trader]) -> None:
    user = someone(trade_type="SPOT", USDT="10000")
    for method, path, body in (("GET", "position/{id}", None), *CHANGES[1:]):
        assert refusal(ask(user, method, path, body)) == (433, "exchange API key type is invalid (1106)")
    assert refusal(user.order(EXAMPLE)) == (433, "exchange API key type is unsupported (1115)")


def test_automated_keys_can_be_read_but_not_used_for_orders(someone: Callable[..., Trader]) -> None:
    user = someone(strategy_type="AUTOMATED")
    assert refusal(user.order(EXAMPLE)) == (433, "exchange API key type is invalid (1106)")
    for path in READS:
        assert ask(user, "GET", path, None).status == 200


def test_leverage_beyond_the_limits_is_refused(user: Trader) -> None:
    body = {"symbol": "ETH/USDT", "leverage": 125}
    assert refusal(ask(user, "PUT", "order/{id}/leverage", body)) == (433, "exchange bad request (1500)")
    for leverage in (0, 126, "10", 1.5, None):
        answer = ask(user, "PUT", "order/{id}/leverage", body | {"leverage": leverage})
        assert answer.status == 422


# ---- failures


def test_an_entry_without_enough_margin_leaves_nothing_behind(user: Trader) -> None:
    answer = user.order(EXAMPLE | {"amount": 12})
    assert refusal(answer) == (433, "exchange bad request (1500)")
    assert (user.positions, user.open_orders) == ([], [])
    assert history(user).body == {"items": [], "nextToken": None}
    assert user.order(EXAMPLE).status == 200


def by_hand(user: Trader) -> tuple[Any, Any]:
    """Open a long position with a stop at the exchange, and return position and open orders."""
    side = {"positionSide": "LONG"} if user.paper.signed(user.key, "GET", MODE)["dualSidePosition"] else {}
    entry = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "18000"}
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **entry, **side)
    conditional = {"algoType": "CONDITIONAL", "closePosition": "true"}
    user.paper.signed(user.key, "POST", "/fapi/v1/algoOrder", **stop, **conditional, **side)
    assert len(user.positions) == len(user.open_orders) == 1
    return user.positions, user.open_orders


MODE = "/fapi/v1/positionSide/dual"
HEDGE_MODE = "The account is in hedge mode. Purser trades in one-way mode only; the venue's settings change it."


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:2])
def test_hedge_mode_is_refused_before_anything_changes(user: Trader, method: str, path: str, body: Any) -> None:
    user.paper.change_key(user.key["apiKey"], hedgeMode=True)
    before = by_hand(user)
    answer = ask(user, method, path, body)
    assert (answer.status, answer.body) == (433, {"error": "exchange bad request (1500)", "detail": HEDGE_MODE})
    assert "UNKNOWN" not in reconcile(user)
    assert (user.positions, user.open_orders) == before


def test_neither_of_two_positions_in_hedge_mode_is_shown_as_the_only_one(user: Trader) -> None:
    user.paper.change_key(user.key["apiKey"], hedgeMode=True)
    by_hand(user)
    shown = user.read("position/{id}").body
    assert (shown["side"], shown["hedged"], shown["contracts"]) == ("long", True, 0.1)
    entry = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.05", "positionSide": "SHORT"}
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **entry)
    answer = user.read("position/{id}")
    assert (answer.status, answer.body["detail"]) == (433, HEDGE_MODE)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:2])
def test_a_position_that_the_venue_does_not_close_keeps_its_stop(
    user: Trader, method: str, path: str, body: Any
) -> None:
    before = by_hand(user)
    user.paper.fault("/fapi/v1/order", "reject", 1000, code=-4131, method="POST", apiKey=user.key["apiKey"])
    answer = ask(user, method, path, body)
    assert refusal(answer) == (433, "exchange bad request (1500)")
    assert answer.body["detail"] == "The counterparty's best price does not meet the PERCENT_PRICE filter limit."
    assert reconcile(user) == ["FAILED"]
    assert (user.positions, user.open_orders) == before
    user.paper.clear_faults()


@pytest.mark.parametrize(
    ("amount", "detail"),
    [
        (12, "Margin is insufficient: 11517.06 USDT at a leverage of 20."),
        (10, "The order is worth more than 50000 USDT, the most at a leverage of 125."),
    ],
)
def test_an_order_that_the_account_cannot_carry_leaves_the_position(user: Trader, amount: int, detail: str) -> None:
    before = by_hand(user)
    if amount == 10:
        user.paper.signed(user.key, "POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=125)
    answer = user.order(EXAMPLE | {"amount": amount, "type": "LIMIT", "price": "19191.9"})
    assert (answer.status, answer.body) == (433, {"error": "exchange bad request (1500)", "detail": detail})
    assert states(user) == []
    assert (user.positions[0]["positionAmt"], user.open_orders) == (before[0][0]["positionAmt"], before[1])


def test_the_margin_of_the_position_that_an_order_replaces_is_available_to_it(user: Trader) -> None:
    for amount in (5, 10, 3):
        answer = user.order(EXAMPLE | {"amount": amount})
        assert answer.status == 200, answer.text


def test_an_entry_that_was_executed_and_closed_again_is_in_the_history_with_its_cost(user: Trader) -> None:
    user.paper.fault("/fapi/v1/algoOrder", "reject", code=-2021, method="POST", apiKey=user.key["apiKey"])
    answer = user.order(EXAMPLE)
    assert (answer.status, answer.body["detail"]) == (433, "Order would immediately trigger.")
    (row,) = history(user).body["items"]
    assert (row["price"], row["cost"]) == (19191.9, 959.595)


@pytest.mark.parametrize(
    ("kind", "refused"), [("reject", "exchange bad request (1500)"), ("http_503", "exchange is unavailable (1503)")]
)
def test_the_position_is_closed_when_its_stop_cannot_be_placed(
    user: Trader, monkeypatch: pytest.MonkeyPatch, kind: str, refused: str
) -> None:
    # The answer waits until the stop can no longer arrive.
    monkeypatch.setattr("purser.orders.calls.SENDING_WINDOW_MS", 1)
    times = 3 if kind == "http_503" else 1
    user.paper.fault("/fapi/v1/algoOrder", kind, times=times, method="POST", apiKey=user.key["apiKey"])
    assert refusal(user.order(EXAMPLE)) == (433, refused)
    assert (user.positions, user.open_orders) == ([], [])
    entry, closing = user.orders
    assert (entry["side"], closing["side"], closing["reduceOnly"]) == ("BUY", "SELL", True)
    assert user.order(EXAMPLE).status == 200


@pytest.mark.parametrize("path", ["/fapi/v1/order", "/fapi/v1/algoOrder"])
def test_an_order_is_found_after_a_timeout(user: Trader, path: str) -> None:
    user.paper.fault(path, "timeout_after", method="POST", apiKey=user.key["apiKey"])
    answer = user.order(EXAMPLE)
    assert answer.status == 200, answer.text
    assert len(answer.body) == len(user.orders) == 4


def test_a_stop_is_placed_as_gtc_when_the_venue_refuses_gte_gtc(user: Trader) -> None:
    user.paper.fault("/fapi/v1/algoOrder", "reject", code=-1115, method="POST", apiKey=user.key["apiKey"])
    *_, stop = user.order(EXAMPLE).body
    assert (stop["type"], stop["timeInForce"]) == ("stop", "GTC")
    assert len(user.open_orders) == 3


def test_a_take_profit_beyond_the_market_is_placed_as_a_limit_order(user: Trader) -> None:
    for _ in range(2):
        user.paper.fault("/fapi/v1/algoOrder", "reject", code=-2021, method="POST", skip=1, apiKey=user.key["apiKey"])
    answer = user.order(EXAMPLE)
    assert [order["type"] for order in answer.body] == ["market", "limit", "limit", "stop"]
    assert [order["reduceOnly"] for order in answer.body] == [False, True, True, True]


def test_the_intents_of_a_disconnected_account_are_done_and_it_takes_no_orders(user: Trader) -> None:
    from purser.bootstrap.trading_accounts import trading_accounts

    user.order(EXAMPLE | {"type": "LIMIT", "price": 19100})
    trading_accounts().disconnect(user.user_id, user.id)
    assert reconcile(user) == ["DONE"]
    assert user.order(EXAMPLE).status == 404


def test_the_reconciler_completes_an_order_whose_entry_is_unknown(user: Trader) -> None:
    user.paper.fault("/fapi/v1/order", "timeout_after", method="POST", apiKey=user.key["apiKey"])
    user.paper.fault("/fapi/v1/order", "http_503", times=3, method="GET", apiKey=user.key["apiKey"])
    assert refusal(user.order(EXAMPLE)) == (433, "exchange is unavailable (1503)")
    assert len(user.positions) == 1
    again = user.order(EXAMPLE)
    assert (again.status, again.body) == (409, {"message": "an order of this symbol is still being placed"})
    assert states(user) == ["UNKNOWN"]
    assert reconcile(user) == ["RESTING"]
    assert len(user.positions) == 1
    assert len(user.open_orders) == 3
    (row,) = history(user).body["items"]
    assert (row["price"], row["cost"]) == (19191.9, 959.595)


def test_an_idempotency_key_places_one_order(user: Trader) -> None:
    header = {"Idempotency-Key": str(uuid4())}
    first = user.order(EXAMPLE, headers=header)
    again = user.order(EXAMPLE | {"amount": 0.050}, headers=header)
    assert first.status == 200
    assert again.body == first.body
    assert len(user.orders) == 4
    other = user.order(EXAMPLE | {"amount": 0.06}, headers=header)
    assert (other.status, other.body["errors"][0]["location"]) == (422, "headers")


def test_a_failed_order_does_not_use_up_its_idempotency_key(user: Trader) -> None:
    header = {"Idempotency-Key": str(uuid4())}
    user.paper.fault("/fapi/v1/algoOrder", "reject", method="POST", apiKey=user.key["apiKey"])
    assert user.order(EXAMPLE, headers=header).status == 433
    again = user.order(EXAMPLE | {"amount": 0.06}, headers=header)
    assert again.status == 200
    assert [position["positionAmt"] for position in user.positions] == ["0.060"]


def test_of_concurrent_orders_of_a_symbol_one_is_placed(user: Trader) -> None:
    from purser.bootstrap.orders import orders
    from purser.errors import RequestInFlight
    from purser.orders.schemas.requests import OrderBody

    order = OrderBody.model_validate(EXAMPLE).as_order()
    user.paper.latency(20)

    def place() -> int:
        try:
            return len(orders().create(user.user_id, user.id, str(uuid4()), order))
        except RequestInFlight:
            return 0

    with ThreadPoolExecutor(4) as pool:
        placed = [future.result() for future in [pool.submit(place) for _ in range(4)]]
    user.paper.latency(0)
    assert sorted(placed) == [0, 0, 0, 4]
    assert len(user.orders) == 4


# ---- resting entries and exits, and the history


def test_exits_are_cancelled_when_their_position_is_gone(user: Trader) -> None:
    user.order(EXAMPLE)
    assert reconcile(user) == ["RESTING"]
    assert len(user.open_orders) == 3
    user.paper.prices(BTC_USDT="18900")
    user.paper.prices(BTC_USDT="19000")
    assert user.positions == []
    assert len(user.open_orders) == 2, "the take-profits outlive the position at the exchange"
    assert reconcile(user) == ["DONE"]
    assert user.open_orders == []


def test_the_early_stop_of_a_limit_entry_does_not_outlive_its_position(user: Trader) -> None:
    body = EXAMPLE | {"type": "LIMIT", "price": 19100, "takeProfitPrices": [19300], "stopTriggerType": "MARKET"}
    assert user.order(body).status == 200
    user.paper.prices(BTC_USDT="19100")
    assert reconcile(user) == ["RESTING"]
    user.paper.prices(BTC_USDT="19300")
    assert user.positions == []
    assert len(user.open_orders) == 1, "a stop that closes the position outlives it at the exchange"
    assert reconcile(user) == ["DONE"]
    assert user.open_orders == []


def test_exits_of_a_position_closed_by_hand_are_cancelled_and_others_stay(user: Trader) -> None:
    user.order(EXAMPLE)
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.05", "reduceOnly": "true"}
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **order)
    entry = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.1",
        "price": "18000",
        "timeInForce": "GTC",
    }
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **entry)
    assert reconcile(user) == ["DONE"]
    (left,) = user.open_orders
    assert left["origQty"] == "0.100", "the order placed by hand"


def test_exits_do_not_trade_a_later_position(user: Trader) -> None:
    user.order(EXAMPLE)
    user.paper.prices(BTC_USDT="18900")
    user.paper.prices(BTC_USDT="19000")
    entry = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    user.paper.signed(user.key, "POST", "/fapi/v1/order", **entry)
    assert reconcile(user) == ["DONE"]
    assert user.open_orders == []
    assert [position["positionAmt"] for position in user.positions] == ["0.100"]


def test_a_limit_entry_has_its_stop_before_it_fills(user: Trader) -> None:
    body = EXAMPLE | {"type": "LIMIT", "price": 19100, "takeProfitPrices": [19150, 19300], "stopPrice": 18900}
    entry, take_profit, stop = user.order(body).body
    assert (entry["status"], entry["cost"], entry["price"]) == ("open", 0, 19100)
    assert (take_profit["price"], stop["timeInForce"]) == (19300, "GTC")
    (row,) = history(user).body["items"]
    assert (row["orderId"], row["price"], row["cost"]) == (entry["id"], 19100, 0)
    assert reconcile(user) == ["RESTING"]
    user.paper.prices(BTC_USDT="19100")
    assert len(user.positions) == 1
    assert stop["id"] in {str(order.get("algoId")) for order in user.open_orders}
    assert reconcile(user) == ["RESTING"]
    assert len(user.open_orders) == 3
    (row,) = history(user).body["items"]
    assert (row["orderId"], row["price"], row["cost"]) == (entry["id"], 19100, 955)


def test_the_exits_of_an_entry_cancelled_at_the_exchange_are_cancelled(user: Trader) -> None:
    body = EXAMPLE | {"type": "LIMIT", "price": 19100}
    entry, *_ = user.order(body).body
    user.paper.signed(user.key, "DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=entry["id"])
    assert reconcile(user) == ["DONE"]
    assert user.open_orders == []


def test_a_new_order_replaces_a_resting_one(user: Trader) -> None:
    resting = user.order(EXAMPLE | {"type": "LIMIT", "price": 19100})
    assert resting.status == 200
    assert user.order(EXAMPLE).status == 200
    assert len(user.positions) == 1
    assert len(user.open_orders) == 3
    assert states(user) == ["DONE", "RESTING"]
    assert len(history(user).body["items"]) == 2


def test_a_resting_order_is_looked_after_again_when_its_successor_is_refused(user: Trader) -> None:
    body = EXAMPLE | {"type": "LIMIT", "price": 19100, "takeProfitPrices": [19150, 19300], "stopPrice": 18900}
    assert user.order(body).status == 200
    user.paper.fault("/fapi/v1/order", "reject", code=-2019, method="POST", apiKey=user.key["apiKey"])
    user.paper.fault("/fapi/v1/allOpenOrders", "reject", code=-4131, method="DELETE", apiKey=user.key["apiKey"])
    assert user.order(EXAMPLE).status == 433
    assert sorted(states(user)) == ["FAILED", "RESTING"]
    user.paper.clear_faults()
    user.paper.prices(BTC_USDT="19100")
    assert reconcile(user) == ["FAILED", "RESTING"]
    assert len(user.open_orders) == 3, "stop and both take-profits"


def test_a_resting_order_keeps_its_exits_when_its_successor_never_arrived(user: Trader) -> None:
    body = EXAMPLE | {"type": "LIMIT", "price": 19100, "takeProfitPrices": [19150, 19300], "stopPrice": 18900}
    assert user.order(body).status == 200
    exits = len(user.open_orders)
    user.paper.fault("/fapi/v3/positionRisk", "http_503", times=3, apiKey=user.key["apiKey"])
    assert refusal(user.order(EXAMPLE)) == (433, "exchange is unavailable (1503)")
    assert states(user) == ["DONE", "UNKNOWN"]
    assert reconcile(user) == ["FAILED", "RESTING"]
    assert len(user.open_orders) == exits


def test_the_manual_history_is_paged_newest_first(user: Trader) -> None:
    placed = [user.order(EXAMPLE).body[0]["id"] for _ in range(3)]
    page = history(user, limit="2")
    assert [row["orderId"] for row in page.body["items"]] == placed[:0:-1]
    assert set(page.body["items"][0]) == {
        "orderId", "price", "amount", "cost", "stop", "stopType", "takeProfit", "trailingTriggerPrice",
        "callbackRate", "riskProfilePercent", "createdAt",
    }  # fmt: skip
    assert page.body["items"][0] == {
        "orderId": placed[2], "price": 19191.9, "amount": 0.05, "cost": 959.595, "stop": 19000, "stopType": "LIMIT",
        "takeProfit": [19250, 19300], "trailingTriggerPrice": None, "callbackRate": None,
        "riskProfilePercent": None, "createdAt": page.body["items"][0]["createdAt"],
    }  # fmt: skip
    rest = history(user, limit="2", nextToken=page.body["nextToken"])
    assert [row["orderId"] for row in rest.body["items"]] == placed[:1]
    assert rest.body["nextToken"] is None
    today = page.body["items"][0]["createdAt"][:10]
    assert len(history(user, start=today).body["items"]) == 3
    assert history(user, start="2126-01-01").body == {"items": [], "nextToken": None}
    for query in (
        {"nextToken": "forged"},
        {"nextToken": page.body["nextToken"], "start": today},
        {"limit": "0"},
        {"limit": "1001"},
        {"start": "yesterday"},
    ):
        assert history(user, **query).status == 422
    elsewhere = history(user, kind="strategy", nextToken=page.body["nextToken"])
    assert elsewhere.status == 422


@pytest.mark.parametrize("position", ["", "A", "MANUAL#", "STRATEGY#~", "~", "é\0"])
def test_a_page_token_with_a_position_of_another_form_is_refused(user: Trader, position: str) -> None:
    token = page_token(f"trade-history:{user.user_id}:MANUAL:None", position)
    assert history(user, nextToken=token).status == 422


def test_the_strategy_history_shows_trades_of_strategies_only(user: Trader, aws: Aws) -> None:
    from purser.aws.tables import Table
    from purser.orders.intents import HistoryEntry, StrategyTrade
    from purser.orders.items import history_item

    assert history(user, kind="strategy").body == {"items": [], "nextToken": None}
    strategy = StrategyTrade("strategy #1", "BINANCE", "BTC/USDT", "SELL", 7)
    entry = HistoryEntry(
        "1", "3237790823", Decimal("19580.1"), Decimal("0.121"), Decimal("2369.1921"), Decimal(19650), "MARKET",
        (Decimal(19400), Decimal(19500)), None, None, Decimal(2), 1665756225064, strategy,
    )  # fmt: skip
    key = {"PK": f"USER#{user.user_id}", "SK": f"STRATEGY#{entry.created_at:013d}#1"}
    Table(aws.tables["ORDERS_TABLE"]).put(key | history_item(entry))
    assert history(user, kind="strategy").body["items"] == [
        {
            "orderId": "3237790823", "price": 19580.1, "amount": 0.121, "cost": 2369.1921, "stop": 19650,
            "stopType": "MARKET", "takeProfit": [19400, 19500], "trailingTriggerPrice": None, "leverage": 7,
            "callbackRate": None, "riskProfilePercent": 2, "createdAt": "2022-10-14T14:03:45.064Z",
            "StrategyAutomatedTrigger": {
                "StrategyAutomated": {"name": "strategy #1", "exchangeId": "BINANCE", "symbol": "BTC/USDT"},
                "tradeSide": "SELL",
            },
        }
    ]  # fmt: skip
    assert history(user).body["items"] == []
