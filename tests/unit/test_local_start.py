"""The output of the local system while and after it starts."""

from __future__ import annotations

import threading
import time

import pytest

from local.cli.welcome import welcome
from local.demo.people import PASSWORDS, email_of
from local.errors import CannotStart
from local.system import home
from local.system.console import Console
from local.system.machine import HIGHEST_PORT, PORTS, port_of

URLS = ("http://127.0.0.1:4000", "http://127.0.0.1:4001", "http://127.0.0.1:4002")


def test_the_welcome_lists_addresses_and_demo_users() -> None:
    text = welcome(*URLS)
    for part in (*URLS, f"{URLS[0]}/v1/docs", "Ports 4000 to 4004", *PASSWORDS.values(), *map(email_of, PASSWORDS)):
        assert part in text


def test_without_doubles_the_welcome_does_not_mention_them() -> None:
    text = welcome(URLS[0], "", "") + home.home(home.places(URLS[0], "", ""), "")
    assert "Paper exchange" not in text
    assert "Stripe" not in text
    assert "Demo data" not in text


def test_the_page_lists_addresses_demo_users_and_the_progress_of_demo_data() -> None:
    page = home.home(home.places(*URLS), "7 of 9 results")
    for text in (*(f'href="{url}"' for url in URLS), *PASSWORDS.values(), "Demo data: 7 of 9 results."):
        assert text in page


@pytest.mark.parametrize("text", ["abc", "", "-1", "3000.5", "65532", "99999999999", "٣٠٠٠"])
def test_invalid_ports_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(CannotStart, match=r"^PORT must be a whole number from 1 to 65531, not '.*'\.$"):
        port_of(text)


def test_the_highest_port_leaves_room_for_the_others() -> None:
    assert port_of(str(HIGHEST_PORT)) + PORTS - 1 == 65_535


def test_a_long_step_is_reported_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    console, text = Console(silence_seconds=0.01), ""
    until = time.monotonic() + 30
    with console.signs_of_life():
        console.step("making the tables")
        while text.count("still making the tables …") < 2:
            assert time.monotonic() < until, text
            text += capsys.readouterr().out
    assert "s  making the tables …" in text


def test_reporting_ends_with_the_start() -> None:
    console = Console(silence_seconds=0.01)
    with console.signs_of_life():
        console.step("loading")
    assert "signs of life" not in {thread.name for thread in threading.enumerate()}
