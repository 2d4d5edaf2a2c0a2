"""The whole system, as ``make run`` starts it: one for all pytest workers, on free ports, with a state of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
import requests

from local.client import Running
from local.cloud.account import client
from local.doubles.binance.client import PaperControl
from local.doubles.stripe import Served, StripeControl
from local.doubles.stripe.keys import Keys
from purser.plans.model import CATALOG
from tests.support import chromium, local_system
from tests.support.local_system import subject_of
from tests.support.samples import Catalog
from tests.support.senders import HttpSender, HttpSubject
from tests.support.stripe import Stripe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the latest failures of functions to the report of a failed test."""
    report = yield
    running = getattr(item, "funcargs", {}).get("system")
    if report.failed and running:
        report.sections.append(("latest failures of functions", local_system.failures(running)))
    return report


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return the running system, which the first test starts and the end of the run stops."""
    with local_system.shared(tmp_path_factory, "system", local_system.start_whole) as shared:
        yield shared.running


@pytest.fixture(scope="session")
def demo_data(system: Running) -> None:
    """The demo data, complete. The system writes them while other tests run."""
    local_system.await_demo_data(system)


@pytest.fixture(scope="session")
def base_url(system: Running) -> str:
    """Return the base address of the three APIs."""
    url: str = system.stack["url"]
    return url


@pytest.fixture(scope="session")
def paper_url(system: Running) -> str:
    """Return the address of the paper exchange."""
    url: str = system.stack["paperUrl"]
    return url


@pytest.fixture(scope="session")
def tokens(system: Running) -> Mapping[str, str]:
    """A fresh access token of each demo user, by name: ``demo``, ``other``, ``admin``."""
    return local_system.Tokens(system)


@pytest.fixture(scope="session")
def stripe_double(system: Running) -> Stripe:
    """The double of Stripe, through the library, with the key that the functions have. All tests share it."""
    secrets = client("secretsmanager", system.stack["awsUrl"])
    secret = json.loads(secrets.get_secret_value(SecretId="purser/stripe")["SecretString"])
    url = system.stack["stripeUrl"]
    return Stripe(Served(url, Keys(secret["apiKey"], secret["webhookSecret"]), StripeControl(url)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, for one module: while its driver runs, other tests of the worker cannot run an event loop."""
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page of a new browser context."""
    context = browser.new_context()
    context.set_default_timeout(chromium.PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def new_user(system: Running, tokens: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that makes a user with a plan ("" for none) and returns its token."""

    def make(plan: str = "PROFESSIONAL") -> str:
        token = system.token(local_system.new_user(system))
        if plan:
            _grant(system.stack["url"], tokens["admin"], subject_of(token), plan)
        return token

    return make


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return what sample users share."""
    return Catalog()


@pytest.fixture
def new_subject(
    system: Running, tokens: Mapping[str, str], new_user: Callable[[str], str], catalog: Catalog
) -> Iterator[Callable[[], HttpSubject]]:
    """Return a function that makes users for sample requests. Each request gives its user the data that it needs."""
    senders = []

    def make() -> HttpSubject:
        token = new_user("")
        sender = HttpSender(system.stack["url"], {"user": token, "admin": tokens["admin"]})
        senders.append(sender)
        paper = PaperControl(system.stack["paperUrl"])
        return HttpSubject(sender, subject_of(token), "", "", paper, catalog)

    yield make
    for sender in senders:
        sender.close()


def _grant(url: str, admin: str, user_id: str, plan: str) -> None:
    answer = requests.put(
        f"{url}/v1/admin/account/user/{user_id}/subscription",
        json={"subscriptionId": next(each.id for each in CATALOG if each.name == plan)},
        headers={"Authorization": f"Bearer {admin}"},
        timeout=60,
    )
    answer.raise_for_status()
