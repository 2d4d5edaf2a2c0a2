"""The published client of the accounts API against the running system: its base address is all that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from moovio_sdk import Moov

from tests.support import moov

# The client warns of each use of a field that its own description deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def connect(base_url: str, tokens: Mapping[str, str]) -> Iterator[Callable[[str], Moov]]:
    """Makes clients, each signed in as one of the system's users."""
    opened = []

    def make(user: str) -> Moov:
        client = moov.client(base_url, tokens[user])
        opened.append(client)
        return client

    yield make
    for client in opened:
        moov.close(client)


def test_a_business(connect: Callable[[str], Moov]) -> None:
    moov.walk_through_a_business(connect("demo"))


def test_individuals(connect: Callable[[str], Moov]) -> None:
    moov.walk_through_individuals(connect("demo"))


def test_privacy(connect: Callable[[str], Moov]) -> None:
    moov.is_private_to(connect("demo"), connect("other"))


def test_strangers_are_refused(base_url: str) -> None:
    stranger = moov.client(base_url, "no token")
    try:
        assert moov.refused(stranger.accounts.list, 401).body == ""
    finally:
        moov.close(stranger)
