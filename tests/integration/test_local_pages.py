"""Test that the first page of each double and docs/local.md list its whole control API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from typing import Any

import pytest
import requests

from local.doubles.binance import PaperExchange
from local.doubles.binance.control import HANDLERS
from local.doubles.binance.faults import KINDS as PAPER_FAULTS
from local.doubles.kit.html import described
from local.doubles.stripe import StripeDouble
from local.doubles.stripe.control import CALLS
from local.doubles.stripe.faults import KINDS as STRIPE_FAULTS
from local.doubles.stripe.webhooks import ACTIONS
from local.places import ROOT

Calls = Mapping[tuple[str, str], Callable[..., Any]]
DOUBLES: dict[str, tuple[Any, Calls]] = {
    "Paper exchange": (PaperExchange, HANDLERS),
    "Stripe double": (StripeDouble, CALLS),
}


@pytest.fixture(params=DOUBLES)
def double(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Return name, address and control calls of a running double."""
    make, calls = DOUBLES[request.param]
    with make() as local_double, local_double.serve() as served:
        yield request.param, served.url, described(calls)


def test_the_first_page_of_a_double_lists_its_control_api(
    double: tuple[str, str, dict[str, str]],
) -> None:
    name, url, calls = double
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = unescape(answer.text)
    assert f"<h1>{name}</h1>" in page
    assert re.findall(r"<td><code>([A-Z]+ /[^<]+)</code></td>", page) == list(calls)


def test_a_request_for_the_first_page_is_not_recorded_as_a_request_to_the_exchange() -> None:
    with PaperExchange() as exchange, exchange.serve() as served:
        requests.get(served.url, timeout=10)
        assert served.control.requests() == []
        assert requests.post(served.url, timeout=10).status_code == 404


def test_the_documentation_lists_every_control_call_with_its_docstring() -> None:
    text = (ROOT / "docs/local.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /\S+)` \| (.+) \|$", text, re.MULTILINE)
    documented = {call: what.replace("\\|", "|") for call, what in rows}
    code = {**described(HANDLERS), **described(CALLS)}
    assert documented == {call: what.replace("``", "`") for call, what in code.items()}


def test_control_calls_have_docstrings_that_name_every_kind_of_fault() -> None:
    paper, stripe = described(HANDLERS), described(CALLS)
    assert all(what.endswith(".") for what in [*paper.values(), *stripe.values()])
    for kinds, documented in (
        (PAPER_FAULTS, paper["POST /paper/faults"]),
        (STRIPE_FAULTS, stripe["POST /_faults"]),
        (ACTIONS, stripe["POST /_webhooks"]),
    ):
        assert kinds
        assert all(f"`{kind}`" in documented for kind in kinds)
