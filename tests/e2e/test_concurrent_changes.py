"""Test that concurrent changes of different fields lose nothing, and that each answer shows its own change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle, islice
from typing import Any

import pytest

from local.client import Running
from tests.support.effort import scaled
from tests.support.samples import FOLLOWS, KEYS, Request
from tests.support.senders import HttpSender, HttpSubject

ROUNDS = scaled(6)
PROFILE = {
    "lastName": ("John", "Jane"),
    "firstName": ("Doe", "Roe"),
    "country": ("CA", "FR"),
    "language": ("EN", "AR"),
    "timezone": ("America/Toronto", "Europe/Paris"),
}
SETTINGS = ("weeklyReport", "monthlyReport", "emailNewOrder", "emailTakeProfit", "emailStopLoss")


Changing = Callable[[HttpSubject, str, Mapping[str, Any]], None]


@pytest.fixture
def change_all(system: Running) -> Iterator[Changing]:
    """Return a function that changes each field by a request of its own, all at the same instant."""
    with ThreadPoolExecutor(len(PROFILE)) as pool:

        def change(subject: HttpSubject, path: str, fields: Mapping[str, Any]) -> None:
            start = threading.Barrier(len(fields))

            def put(name: str) -> tuple[int, Any]:
                with closing(HttpSender(system.stack["url"], subject.send.tokens)) as sender:
                    start.wait()
                    return sender(Request("PUT", path, {name: fields[name]}))

            for name, (status, answer) in zip(fields, pool.map(put, fields), strict=True):
                assert (status, answer.get(name, fields[name])) == (200, fields[name]), answer

        yield change


def test_concurrent_changes_of_a_profile_lose_no_field(
    new_subject: Callable[[], HttpSubject], change_all: Changing
) -> None:
    subject, path = new_subject(), "/v1/priv/account/profile"
    for turn in range(ROUNDS):
        fields = {name: values[turn % 2] for name, values in PROFILE.items()}
        change_all(subject, path, fields)
        assert fields.items() <= subject.do("GET", path).items()


def test_concurrent_changes_of_notification_settings_lose_no_field(
    new_subject: Callable[[], HttpSubject], change_all: Changing
) -> None:
    subject, path = new_subject(), "/v1/priv/account/notification"
    for value in islice(cycle((True, False)), ROUNDS):
        fields = dict.fromkeys(SETTINGS, value)
        change_all(subject, path, fields)
        assert fields.items() <= subject.do("GET", path).items()


def test_concurrent_changes_of_a_key_lose_no_field(
    new_subject: Callable[[], HttpSubject], change_all: Changing
) -> None:
    subject = new_subject()
    for turn in range(ROUNDS):
        fields = {"name": f"Name {turn}", "active": turn % 2 == 1}
        change_all(subject, f"{KEYS}/{subject.spot}", fields)
        (key,) = subject.do("GET", f"{KEYS}/list")["items"]
        assert fields.items() <= key.items()


def test_concurrent_changes_of_a_follow_lose_no_field(
    new_subject: Callable[[], HttpSubject], change_all: Changing
) -> None:
    subject, admin = new_subject(), "/v1/admin/strategy"
    other = {"name": "Other", "exchangeId": "BINANCE", "symbol": "BTC/USDT"}
    strategies = (subject.strategy, subject.do("POST", admin, other, "admin")["id"])
    profile = {"name": "Other", "percentage": 3}
    profiles = (subject.risk_profile, subject.do("POST", f"{admin}/profile", profile, "admin")["id"])
    path = f"{FOLLOWS}/{subject.follow()}"
    for turn in range(ROUNDS):
        which = (turn + 1) % 2
        fields = {"active": bool(which), "strategyAutomatedId": strategies[which]}
        fields |= {"strategyRiskProfileId": profiles[which]}
        change_all(subject, path, fields)
        (follow,) = subject.do("GET", f"{FOLLOWS}/exchange/key/{subject.automated}")["items"]
        shown = (follow["active"], follow["StrategyAutomated"]["id"], follow["StrategyRiskProfile"]["id"])
        assert shown == tuple(fields.values())
