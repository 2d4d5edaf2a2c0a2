"""Rows of the endpoints for following strategies."""

from __future__ import annotations

from typing import Any

import requests

from tests.e2e.contract.examples import printed, request
from tests.e2e.contract.rows import row
from tests.e2e.contract.stage import EXAMPLE_RISK_PROFILE, EXAMPLE_STRATEGY, KEY, Stage, Trader

LIST = "GET /v1/priv/strategy/follow/exchange/key/{id}"
CREATE = "POST /v1/priv/strategy/follow/exchange/key/{id}"
UPDATE = "PUT /v1/priv/strategy/follow/{id}"


def automated(stage: Stage) -> Trader:
    """Return a new user whose key may follow strategies."""
    return stage.trader(strategy_type="AUTOMATED")


def disabled(trader: Trader) -> Trader:
    """Deactivate the key of a trader, and return the trader."""
    trader.got(f"PUT {KEY}/{{id}}", {"active": False}, id=trader.key_id)
    return trader


def unknown(endpoint: str) -> dict[str, Any]:
    """Return the unknown ids that the printed 422 names."""
    return {fault["param"]: fault["value"] for fault in printed(endpoint, "422")["errors"]}


@row(LIST, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    stage.follow(trader)
    return trader.ask_of_key(LIST)


@row(CREATE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    return automated(stage).ask_of_key(CREATE, request(CREATE))


@row(CREATE, "422")
def _(stage: Stage) -> requests.Response:
    return automated(stage).ask_of_key(CREATE, unknown(CREATE))


@row(CREATE, "433 1110")
def _(stage: Stage) -> requests.Response:
    return disabled(automated(stage)).ask_of_key(CREATE, request(CREATE))


@row(CREATE, "433 1206")
def _(stage: Stage) -> requests.Response:
    body = request(CREATE) | {"strategyAutomatedId": stage.strategy("ELSEWHERE")}
    return automated(stage).ask_of_key(CREATE, body)


@row(CREATE, "433 1309")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    stage.follow(trader)
    return trader.ask_of_key(CREATE, request(UPDATE))


@row(CREATE, "433 2103")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    grant = "PUT /v1/admin/account/user/{id}/subscription"
    stage.admin().got(grant, {"subscriptionId": None}, id=trader.user_id)
    return trader.ask_of_key(CREATE, request(CREATE))


@row(UPDATE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    return trader.ask(UPDATE, request(UPDATE), id=stage.follow(trader))


@row(UPDATE, "422")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    return trader.ask(UPDATE, unknown(UPDATE), id=stage.follow(trader))


@row(UPDATE, "433 1110")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    follow = stage.follow(trader)
    return disabled(trader).ask(UPDATE, request(UPDATE), id=follow)


@row(UPDATE, "433 1206")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    body = {"strategyAutomatedId": stage.strategy("ELSEWHERE"), "strategyRiskProfileId": EXAMPLE_RISK_PROFILE}
    return trader.ask(UPDATE, body, id=stage.follow(trader))


@row(UPDATE, "433 1306")
def _(stage: Stage) -> requests.Response:
    trader = automated(stage)
    assert stage.strategy() != EXAMPLE_STRATEGY
    return trader.ask(UPDATE, {"strategyAutomatedId": stage.strategy()}, id=stage.follow(trader))
