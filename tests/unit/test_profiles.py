"""Valid names, countries and time zones of a profile."""

from __future__ import annotations

from importlib.resources import files

import pytest

from purser.customers.countries import COUNTRIES
from purser.profiles.model import is_name
from purser.profiles.timezones import time_zones


@pytest.mark.parametrize(
    "name",
    [
        *["Doe", "José", "Jose\u0301", "O'Neil", "O’Neil", "Smith-Jones", "de la Cruz", "محمد", "हिन्दी", "李", "Ł"],
        *["क्\u200dष", "Ana\u00a0María", "Smith\u2011Jones"],
    ],
)
def test_names_of_any_script_are_valid(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["Doe123", "", " ", "-", "a_b", "a.b", "a\n", "a\u202eb", "😀", "<b>", "a\tb", "x²"])
def test_names_with_other_characters_are_invalid(name: str) -> None:
    assert not is_name(name)


def test_the_time_zones_are_those_of_the_pinned_database() -> None:
    zones = time_zones()
    assert {"America/Toronto", "US/Eastern", "UTC", "Asia/Kolkata", "Europe/Kyiv"} <= zones
    assert not {"America/Torontox", "america/toronto", "Factory", "posixrules", "", "../etc/passwd"} & zones
    folder = files("tzdata").joinpath("zoneinfo")
    assert all(folder.joinpath(*name.split("/")).is_file() for name in zones)


def test_the_countries_are_those_of_the_pinned_database() -> None:
    lines = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8").splitlines()
    assert {line.split("\t")[0] for line in lines if line and not line.startswith("#")} == COUNTRIES
