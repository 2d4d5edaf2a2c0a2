"""Rows of the endpoints for manual trading."""

from __future__ import annotations

from typing import Any

import requests

from tests.e2e.contract.examples import printed, request
from tests.e2e.contract.rows import row
from tests.e2e.contract.stage import Stage

SYMBOL = "BTC/USDT"
OPEN_ORDERS, ORDERS = "GET /v1/priv/exchange/order/{id}/list", "GET /v1/priv/exchange/order/{id}/history"
TRADES, POSITION = "GET /v1/priv/exchange/trade/{id}/history", "GET /v1/priv/exchange/position/{id}"
PLACE, CANCEL = "POST /v1/priv/exchange/order/{id}", "DELETE /v1/priv/exchange/position/{id}"
LEVERAGE, MARGIN = "PUT /v1/priv/exchange/order/{id}/leverage", "PUT /v1/priv/exchange/order/{id}/margin"

READS = (OPEN_ORDERS, ORDERS, TRADES, POSITION)
WRITES = (PLACE, CANCEL, LEVERAGE, MARGIN)


def asked(endpoint: str, symbol: str = SYMBOL) -> dict[str, Any]:
    """Return what a request has besides the id: the symbol as query or, for writes, in the example body."""
    if endpoint in READS:
        return {"symbol": symbol}
    return {"body": request(endpoint) | {"symbol": symbol}}


def _traded(endpoint: str) -> None:
    @row(endpoint, "200")
    def _(stage: Stage) -> requests.Response:
        # The balance is so small that the position has a liquidation price.
        trader = stage.trader(worth="500")
        trader.got(PLACE, request(PLACE), id=trader.key_id)
        return trader.ask_of_key(endpoint, **asked(endpoint))


def _refuses_a_dead_key(endpoint: str) -> None:
    @row(endpoint, "433 1103")
    def _(stage: Stage) -> requests.Response:
        return stage.revoke(stage.trader()).ask_of_key(endpoint, **asked(endpoint))


def _refuses_an_unlisted_symbol(endpoint: str) -> None:
    @row(endpoint, "433 1300")
    def _(stage: Stage) -> requests.Response:
        return stage.trader().ask_of_key(endpoint, **asked(endpoint, "NONE/USDT"))


def _refuses_a_spot_key(endpoint: str) -> None:
    @row(endpoint, "433 1106")
    def _(stage: Stage) -> requests.Response:
        return stage.trader("SPOT").ask_of_key(endpoint, **asked(endpoint))


def _refuses_what_is_no_uuid(endpoint: str) -> None:
    @row(endpoint, "422")
    def _(stage: Stage) -> requests.Response:
        (fault,) = printed(endpoint, "422")["errors"]
        return stage.demo().ask(endpoint, id=fault["value"], **asked(endpoint))


for each in READS:
    _traded(each)
for each in (*READS, *WRITES):
    _refuses_a_dead_key(each)
for each in (OPEN_ORDERS, ORDERS, TRADES, *WRITES):
    _refuses_an_unlisted_symbol(each)
for each in (POSITION, CANCEL, LEVERAGE, MARGIN):
    _refuses_a_spot_key(each)
for each in (*READS, CANCEL, LEVERAGE, MARGIN):
    _refuses_what_is_no_uuid(each)


@row(POSITION, "200 null")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(POSITION, symbol=SYMBOL)


@row(PLACE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(PLACE, request(PLACE))


@row(PLACE, "422")
def _(stage: Stage) -> requests.Response:
    trailing = {"symbol": SYMBOL, "type": "TRAILING_STOP", "side": "BUY", "amount": 1, "price": 19000}
    wrong = {fault["param"]: fault["value"] for fault in printed(PLACE, "422")["errors"]}
    return stage.trader().ask_of_key(PLACE, trailing | {"callbackRate": 1} | wrong)


@row(PLACE, "433 1106")
def _(stage: Stage) -> requests.Response:
    return stage.trader(strategy_type="AUTOMATED").ask_of_key(PLACE, request(PLACE))


@row(PLACE, "433 1115")
def _(stage: Stage) -> requests.Response:
    return stage.trader("SPOT").ask_of_key(PLACE, request(PLACE))


@row(CANCEL, "204")
def _(stage: Stage) -> requests.Response:
    trader = stage.trader()
    trader.got(PLACE, request(PLACE), id=trader.key_id)
    return trader.ask_of_key(CANCEL, request(CANCEL))


@row(LEVERAGE, "204")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(LEVERAGE, request(LEVERAGE))


@row(LEVERAGE, "433 1500")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(LEVERAGE, {"symbol": "ETH/USDT", "leverage": 125})


@row(MARGIN, "204")
def _(stage: Stage) -> requests.Response:
    return stage.trader().ask_of_key(MARGIN, request(MARGIN))
