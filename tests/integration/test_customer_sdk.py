"""Test that the published Moov SDK works with the handler of the accounts API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from uuid import uuid4

import httpx
import pytest
from moovio_sdk import Moov

from tests.support import moov
from tests.support.aws import Aws
from tests.support.events import LambdaContext, claims, proxy_event
from tests.support.functions import forget_process, load_function

# The client warns about each field that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def function(aws: Aws) -> Iterator[ModuleType]:
    forget_process()
    yield load_function("customer")
    forget_process()


@pytest.fixture
def connect(function: ModuleType) -> Iterator[Callable[[], Moov]]:
    """Return a function that makes clients, each for another user."""
    opened = []

    def invoke(request: httpx.Request) -> httpx.Response:
        query = {name: request.url.params.get_list(name) for name in request.url.params}
        user_id = request.headers["authorization"].removeprefix("Bearer ")
        event = proxy_event(
            request.method,
            request.url.path,
            request.content.decode() or None,
            query=query,
            headers=dict(request.headers),
            caller=claims(user_id),
        )
        answer = function.handler(event, LambdaContext())
        headers = {**(answer.get("headers") or {}), **{k: v[0] for k, v in answer["multiValueHeaders"].items()}}
        return httpx.Response(answer["statusCode"], headers=headers, text=answer["body"])

    def make() -> Moov:
        client = moov.client("https://api.example.com", str(uuid4()), httpx.MockTransport(invoke))
        opened.append(client)
        return client

    yield make
    for client in opened:
        moov.close(client)


def test_the_sdk_manages_a_business(connect: Callable[[], Moov]) -> None:
    moov.walk_through_a_business(connect())


def test_the_sdk_manages_individuals(connect: Callable[[], Moov]) -> None:
    moov.walk_through_individuals(connect())


def test_the_sdk_sees_only_the_accounts_of_its_user(connect: Callable[[], Moov]) -> None:
    moov.is_private_to(connect(), connect())
