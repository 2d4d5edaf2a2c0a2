"""The weights of Purser's calls against those that the paper exchange charges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.doubles.binance.exchange import ROUTES
from local.doubles.binance.routing import Route
from local.doubles.binance.wire import Params
from purser.exchanges import ccxt_gateway, ccxt_orders
from purser.exchanges.ccxt_gateway import OPEN_ORDERS, Call

PATHS = {
    "fapiprivatev3": "/fapi/v3/",
    "fapiprivatev2": "/fapi/v2/",
    "fapiprivate": "/fapi/v1/",
    "fapipublic": "/fapi/v1/",
    "private": "/api/v3/",
    "public": "/api/v3/",
    "sapi": "/sapi/v1/",
}
"""Paths by the beginning of ccxt's method names."""

BUDGETS = {"SPOT": "spot", "FUTURES": "futures", None: "snapshots"}
WITHOUT_SYMBOL = {ccxt_gateway.PRICES, *(listing for kind in OPEN_ORDERS.values() for listing, _ in kind)}


def calls_in(value: Any) -> Iterator[Call]:
    """Yield the calls in a constant of a gateway."""
    if isinstance(value, Call):
        yield value
    elif isinstance(value, dict | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from calls_in(each)


CONSTANTS = [*vars(ccxt_gateway).values(), *vars(ccxt_orders).values()]
CALLS = sorted({call for value in CONSTANTS for call in calls_in(value)}, key=str)


def route_of(call: Call) -> Route:
    api, method, name = call.method.split("_", 2)
    path = PATHS[api] + name.replace("_", "/")
    return next(route for (verb, at), route in ROUTES.items() if (verb, at.lower()) == (method.upper(), path.lower()))


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_has_the_weight_that_the_venue_charges(call: Call) -> None:
    route = route_of(call)
    params = Params({} if call in WITHOUT_SYMBOL else {"symbol": "BTCUSDT"})
    # Requests for fundings have a limit of their own, and no weight.
    charged = (0, "futures") if route.budget == "funding" else (route.weigh(params), route.budget)
    assert (call.weight, BUDGETS[call.trade_type]) == charged
