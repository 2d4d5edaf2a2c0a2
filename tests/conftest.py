"""Set-up of every test run: the seed, the profiles of hypothesis, a time limit and the shared services."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest
from botocore.config import Config

from purser import process
from purser.aws import clients
from tests.support import effort, services
from tests.support.aws import Aws, account

SERVICES = frozenset({"dynamodb", "moto", "paper_world", "served", "system"})
"""Fixtures that start a process. Tests that use one are marked ``services``."""

REGION = "us-east-1"
PATIENCE = Config(connect_timeout=60, read_timeout=60)
"""Time-outs for the services of the tests, since the machine may be slow."""

out_of_time = pytest.StashKey[float]()

effort.register_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--minutes``."""
    text = "run tests in a random order that depends on the seed, and start none after this many minutes"
    parser.addoption("--minutes", type=float, help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Decide seed and profile, before hypothesis reads them and before workers inherit the environment."""
    gc.disable()
    os.environ["PAGE_TOKEN_KEY"] = "the key of the tests"
    os.environ["SIGNAL_SIGNING_KEY"] = "the signing key of the tests"
    try:
        effort.settle_seed()
    except ValueError:
        raise pytest.UsageError(f"{effort.SEED} must be a whole number") from None
    if not hasattr(config, "workerinput"):
        services.offer()
    config.option.hypothesis_seed = config.option.hypothesis_seed or str(effort.seed())
    config.option.hypothesis_profile = config.option.hypothesis_profile or "dev"
    config.addinivalue_line("markers", "services: needs a process beside the tests; set by its fixtures")
    if minutes := config.getoption("--minutes"):
        config.stash[out_of_time] = time.monotonic() + 60 * minutes


def pytest_collection_finish() -> None:
    """Keep what was collected out of later garbage collections, which would walk through it again and again.

    Collecting tests makes no garbage to speak of, and takes a third longer with the garbage collector.
    """
    gc.enable()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the shared services."""
    if not hasattr(config, "workerinput"):
        services.end()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that need services, before ``-m`` chooses by that; mix them all for a random slice."""
    for item in items:
        if SERVICES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("services")
    if out_of_time in config.stash:
        Random(effort.seed()).shuffle(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the remaining tests when the time limit is reached."""
    if time.monotonic() > item.config.stash.get(out_of_time, float("inf")):
        pytest.skip("the minutes of this slice are over")


def pytest_report_header(config: pytest.Config) -> str:
    """Report how to repeat the run."""
    return _repeatable(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report how to repeat the run again after a failure."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(_repeatable(config))


def _repeatable(config: pytest.Config) -> str:
    return f"profile {config.option.hypothesis_profile}, SEED={effort.seed()} repeats its cases"


@pytest.fixture(scope="session")
def credentials(worker_id: str) -> Iterator[pytest.MonkeyPatch]:
    """Set AWS credentials of this worker in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", f"LOCAL{worker_id.upper()}")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        yield patch


@pytest.fixture(scope="session")
def dynamodb(credentials: pytest.MonkeyPatch) -> str:
    """Lead boto3 to the shared DynamoDB Local, where this worker has its own tables."""
    return _lead_to(services.url("dynamodb"), "AWS_ENDPOINT_URL_DYNAMODB", credentials)


@pytest.fixture(scope="session")
def moto(credentials: pytest.MonkeyPatch) -> str:
    """Lead boto3 to a new account at the shared moto for all other services."""
    return _lead_to(services.new_world("moto"), "AWS_ENDPOINT_URL", credentials)


@pytest.fixture(scope="session")
def aws(dynamodb: str, moto: str) -> Iterator[Aws]:
    """Create the tables of the template, a key and queues for this worker."""
    with account() as made:
        yield made


def _lead_to(url: str, variable: str, patch: pytest.MonkeyPatch) -> str:
    patch.setenv(variable, url)
    patch.setattr(clients, "_session", partial(PatientSession, os.environ[variable], clients._session))
    process.forget(clients.client)
    return url


class PatientSession:
    """A boto3 session with long time-outs for one of the tests' services, since the machine may be slow."""

    def __init__(self, url: str, session: Callable[[], Any]) -> None:
        self._url, self._session = url, session

    def client(self, service: str, config: Config) -> Any:
        """Return a client, with long time-outs if it is of that service."""
        name = f"AWS_ENDPOINT_URL_{service.upper()}"
        endpoint = os.environ.get(name, os.environ.get("AWS_ENDPOINT_URL"))
        return self._session().client(service, config=config.merge(PATIENCE) if endpoint == self._url else config)


@pytest.fixture(scope="session")
def paper_world() -> str:
    """Return the URL of a new world at the shared paper exchange."""
    return services.new_world("paper")
