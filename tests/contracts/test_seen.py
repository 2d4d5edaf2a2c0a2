"""The contract of the guard against replays."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from purser.aws.seen import Seen
from purser.billing import inbox
from tests.support.fakes import FakeSeen

UNTIL = int(time.time()) + 3600


@pytest.fixture
def seen(tables: dict[str, str] | None) -> inbox.Seen:
    return Seen(tables["IDEMPOTENCY_TABLE"], "test") if tables else FakeSeen()


def test_a_name_is_new_once(seen: inbox.Seen) -> None:
    first, second = str(uuid4()), str(uuid4())
    assert seen.note(first, UNTIL)
    assert seen.note(second, UNTIL)
    for until in (UNTIL, UNTIL + 5):
        assert not seen.note(first, until)


def test_of_concurrent_notes_of_a_name_exactly_one_is_new(seen: inbox.Seen) -> None:
    name = str(uuid4())
    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(lambda _: seen.note(name, UNTIL), range(6))) == [False] * 5 + [True]
