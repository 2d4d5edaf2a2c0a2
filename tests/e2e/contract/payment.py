"""Rows of the endpoints for subscriptions that users pay for."""

from __future__ import annotations

import requests

from purser.plans.model import CATALOG
from tests.e2e.contract.examples import printed, request
from tests.e2e.contract.rows import row
from tests.e2e.contract.stage import Stage

STRIPE = "/v1/priv/account/subscription/stripe"
GET, CHECK_OUT, UPDATE = f"GET {STRIPE}", f"POST {STRIPE}/checkout", f"PUT {STRIPE}"
INVOICES = f"GET {STRIPE}/billing/history"
BASIC, PARTNER = CATALOG[0], CATALOG[-1]


def wrong_plan(endpoint: str) -> dict[str, str]:
    """Return the body for which the reference shows a field error."""
    (fault,) = printed(endpoint, "422")["errors"]
    return {fault["param"]: fault["value"]}


@row(GET, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    payer = stage.payer()
    payer.got(UPDATE, request(UPDATE))
    return payer.ask(GET)


@row(GET, "200 null")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(GET)


@row(CHECK_OUT, "200")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(CHECK_OUT, {"subscriptionId": BASIC.id})


@row(CHECK_OUT, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(CHECK_OUT, wrong_plan(CHECK_OUT))


@row(CHECK_OUT, "433 2100")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(CHECK_OUT, {"subscriptionId": PARTNER.id})


@row(CHECK_OUT, "433 3109")
def _(stage: Stage) -> requests.Response:
    return stage.payer().ask(CHECK_OUT, {"subscriptionId": BASIC.id})


@row(UPDATE, "200", exact=True)
def _(stage: Stage) -> requests.Response:
    return stage.payer().ask(UPDATE, request(UPDATE))


@row(UPDATE, "422")
def _(stage: Stage) -> requests.Response:
    return stage.demo().ask(UPDATE, wrong_plan(UPDATE))


@row(UPDATE, "433 3104")
def _(stage: Stage) -> requests.Response:
    return stage.person("").ask(UPDATE, request(UPDATE))


@row(INVOICES, "200")
def _(stage: Stage) -> requests.Response:
    return stage.payer().ask(INVOICES)
