"""Test that the published Moov SDK works against the running system when only its base address changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from moovio_sdk import Moov

from tests.support import moov

# The client warns about each field that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def connect(base_url: str, tokens: Mapping[str, str]) -> Iterator[Callable[[str], Moov]]:
    """Return a function that makes clients, each signed in as one of the users of the system."""
    opened = []

    def make(user: str) -> Moov:
        client = moov.client(base_url, tokens[user])
        opened.append(client)
        return client

    yield make
    for client in opened:
        moov.close(client)


def test_the_sdk_manages_a_business(connect: Callable[[str], Moov]) -> None:
    moov.walk_through_a_business(connect("demo"))


def test_the_sdk_manages_individuals(connect: Callable[[str], Moov]) -> None:
    moov.walk_through_individuals(connect("demo"))


def test_the_sdk_sees_only_the_accounts_of_its_user(connect: Callable[[str], Moov]) -> None:
    moov.is_private_to(connect("demo"), connect("other"))


def test_without_a_valid_token_the_sdk_gets_401(base_url: str) -> None:
    stranger = moov.client(base_url, "no token")
    try:
        assert moov.refused(stranger.accounts.list, 401).body == ""
    finally:
        moov.close(stranger)
