"""Rows of the account endpoints: profile, notifications, exchange keys, subscription, trading histories."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import requests

from local.cloud.account import client
from purser.aws.tables import to_wire
from purser.orders.intents import HistoryEntry, StrategyTrade
from purser.orders.items import history_item
from tests.e2e.contract.examples import printed, request
from tests.e2e.contract.rows import row
from tests.e2e.contract.stage import KEY, Stage

GET_PROFILE, PUT_PROFILE = "GET /v1/priv/account/profile", "PUT /v1/priv/account/profile"
METHOD = "GET /v1/priv/account/notification/method"
GET_SETTINGS, PUT_SETTINGS = "GET /v1/priv/account/notification", "PUT /v1/priv/account/notification"
CREATE, UPDATE, DELETE = f"POST {KEY}", f"PUT {KEY}/{{id}}", f"DELETE {KEY}/{{id}}"
BALANCE, HISTORY = f"GET {KEY}/{{id}}/balance", f"GET {KEY}/{{id}}/balance/history"
STRATEGY_TRADES = "GET /v1/priv/account/trade/strategy/history"
MANUAL_TRADES = "GET /v1/priv/account/trade/manual/history"
PLACE = "POST /v1/priv/exchange/order/{id}"


# ---- profile


@row(GET_PROFILE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    person = stage.person("")
    person.got(PUT_PROFILE, {"lastName": "John", "firstName": "Doe", "country": "CA", "timezone": "America/Toronto"})
    person.got(PUT_PROFILE, {"language": "EN"})
    return person.ask(GET_PROFILE)


@row(GET_PROFILE, "200 null")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(GET_PROFILE)


@row(PUT_PROFILE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    person = stage.person("")
    person.got(PUT_PROFILE, {"lastName": "John", "firstName": "Doe", "country": "CA", "timezone": "America/Toronto"})
    return person.ask(PUT_PROFILE, request(PUT_PROFILE))


@row(PUT_PROFILE, "422")
def _(stage: Stage) -> requests.Response:
    wrong = {fault["param"]: fault["value"] for fault in printed(PUT_PROFILE, "422")["errors"]}
    return stage.demo().ask(PUT_PROFILE, wrong)


# ---- notifications


@row(METHOD, "200")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(METHOD)


@row(GET_SETTINGS, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    person = stage.person("")
    person.got(PUT_SETTINGS, request(PUT_SETTINGS) | {"monthlyReport": True})
    return person.ask(GET_SETTINGS)


@row(GET_SETTINGS, "200 null")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(GET_SETTINGS)


@row(PUT_SETTINGS, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(PUT_SETTINGS, request(PUT_SETTINGS))


@row(PUT_SETTINGS, "422")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(PUT_SETTINGS, {"telegramNewOrder": True, "weeklyReport": True})


# ---- exchange keys


@row("GET /v1/priv/account/exchange/whitelist/ip", "200")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask("GET /v1/priv/account/exchange/whitelist/ip")


@row("GET /v1/priv/account/exchange/balance", "200")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask("GET /v1/priv/account/exchange/balance")


@row(f"GET {KEY}/list", "200")
def _(stage: Stage) -> requests.Response:
    trader = stage.trader("SPOT")
    trader.got(CREATE, stage.key_body(stage.paper.key(futures={"USDT": "1"}), strategyType="AUTOMATED"))
    return trader.ask(f"GET {KEY}/list")


@row(CREATE, "200")
def _(stage: Stage) -> requests.Response:
    key = stage.paper.key(futures={"USDT": "1"})
    body = request(CREATE) | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]}
    return stage.person().ask(CREATE, body)


@row(CREATE, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(CREATE, request(CREATE) | {"tradeType": "SPOT"})


@row(CREATE, "433 1103")
def _(stage: Stage) -> requests.Response:
    return stage.person().ask(CREATE, request(CREATE))


@row(CREATE, "433 1109")
def _(stage: Stage) -> requests.Response:
    person, key = stage.person(), stage.paper.key(futures={"USDT": "1"})
    person.got(CREATE, stage.key_body(key))
    return person.ask(CREATE, stage.key_body(key))


@row(CREATE, "433 2129a")
def _(stage: Stage) -> requests.Response:
    person = stage.person("BASIC")
    for _ in range(2):
        person.got(CREATE, stage.key_body(stage.paper.key(futures={"USDT": "1"})))
    return person.ask(CREATE, stage.key_body(stage.paper.key(futures={"USDT": "1"})))


@row(CREATE, "433 2129b")
def _(stage: Stage) -> requests.Response:
    return stage.person("BASIC").ask(CREATE, stage.key_body(stage.paper.key(futures={"USDC": "2600"})))


@row(UPDATE, "200")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(UPDATE, request(UPDATE))


@row(UPDATE, "404")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(UPDATE, request(UPDATE), id=str(uuid4()))


@row(UPDATE, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(UPDATE, {"name": "this is example of very long text input"}, id="invalid")


@row(DELETE, "204")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(DELETE)


@row(DELETE, "404")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(DELETE, id=str(uuid4()))


@row(DELETE, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(DELETE, id="invalid")


@row(BALANCE, "200")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(BALANCE)


@row(BALANCE, "404")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(BALANCE, id=str(uuid4()))


@row(BALANCE, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(BALANCE, id="invalid")


@row(BALANCE, "433 1103")
def _(stage: Stage) -> requests.Response:
    return stage.revoke(stage.trader()).ask_of_key(BALANCE)


@row(HISTORY, "200")
def _(stage: Stage) -> requests.Response:
    demo = stage.demo()
    return demo.ask(HISTORY, id=demo.got(f"GET {KEY}/list")["items"][0]["id"])


# ---- subscription


@row("GET /v1/priv/account/subscription", "200")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask("GET /v1/priv/account/subscription")


# ---- trading histories


@row(MANUAL_TRADES, "200")
def _(stage: Stage) -> requests.Response:
    trader = stage.trader()
    trader.got(PLACE, request(PLACE), id=trader.key_id)
    return trader.ask(MANUAL_TRADES)


@row(STRATEGY_TRADES, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    person = stage.person("")
    database = client("dynamodb", stage.system.stack["dynamodbUrl"])
    for number, trade in enumerate(printed(STRATEGY_TRADES, "200")["items"]):
        entry = _placed(trade, 1_665_756_225_064 - number)
        place = {"PK": f"USER#{person.user_id}", "SK": f"STRATEGY#{entry.created_at:013d}#{entry.id}"}
        table = stage.system.stack["resources"]["OrdersTable"]["Ref"]
        database.put_item(TableName=table, Item=to_wire(place | history_item(entry)))
    return person.ask(STRATEGY_TRADES)


def _placed(trade: dict[str, Any], created_at: int) -> HistoryEntry:
    """Return the stored order of a strategy, which no request can place."""
    return HistoryEntry(
        id=str(uuid4()),
        order_id=trade["orderId"],
        price=Decimal(str(trade["price"])),
        amount=Decimal(str(trade["amount"])),
        cost=Decimal(str(trade["cost"])),
        stop=Decimal(str(trade["stop"])),
        stop_type=trade["stopType"],
        take_profit=tuple(Decimal(price) for price in trade["takeProfit"]),
        trailing_trigger_price=None,
        callback_rate=None,
        risk_profile_percent=Decimal(str(trade["riskProfilePercent"])),
        created_at=created_at,
        strategy=StrategyTrade("strategy #1", "BINANCE", "BTC/USDT", "SELL", trade["leverage"]),
    )
