"""Rows of the public endpoints."""

from __future__ import annotations

import requests

from tests.e2e.contract.rows import row
from tests.e2e.contract.stage import EXAMPLE_STRATEGY, Stage

TICKER = "GET /v1/pub/exchange/ticker"
PROFILES = "GET /v1/pub/strategy/profile/list"


@row(TICKER, "200")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask(TICKER)


@row(TICKER, "422")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask(TICKER, symbol="BTCUSDT")


@row(TICKER, "433 1300")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask(TICKER, symbol="NONE/USDT")


@row("GET /v1/pub/subscription/list", "200", exact=True)
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask("GET /v1/pub/subscription/list")


@row(PROFILES, "200")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask(PROFILES)


@row("GET /v1/pub/strategy/list", "200")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask("GET /v1/pub/strategy/list")


@row("GET /v1/pub/strategy/{id}/history", "200")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask("GET /v1/pub/strategy/{id}/history", id=EXAMPLE_STRATEGY)


@row("GET /v1/pub/strategy/{id}/performance", "200")
def _(stage: Stage) -> requests.Response:
    return stage.stranger().ask("GET /v1/pub/strategy/{id}/performance", id=EXAMPLE_STRATEGY)
