"""The groups that the tokens of a user name."""

from __future__ import annotations

import pytest

from purser.errors import Unavailable
from purser.sessions.token_groups import TokenGroups


class Factors:
    """The second factors in memory: ``ann`` has one."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def has_second_factor(self, username: str) -> bool:
        self.asked.append(username)
        if username == "down":
            raise Unavailable
        return username == "ann"


@pytest.fixture
def factors() -> Factors:
    return Factors()


def test_only_admins_with_a_second_factor_are_named_as_admins(factors: Factors) -> None:
    groups = TokenGroups(factors, required=True)
    assert groups.of("ann", ["admin", "other"]) == ["admin", "other"]
    assert groups.of("bob", ["other", "admin"]) == ["other"]
    assert groups.of("bob", ["admin"]) == []


@pytest.mark.parametrize("given", [[], ["other"], ["admins", "x,admin"]])
def test_no_call_is_made_for_other_groups(factors: Factors, given: list[str]) -> None:
    assert TokenGroups(factors, required=True).of("bob", given) == given
    assert factors.asked == []


def test_no_call_is_made_if_a_second_factor_is_optional(factors: Factors) -> None:
    assert TokenGroups(factors, required=False).of("bob", ["admin"]) == ["admin"]
    assert factors.asked == []


def test_an_outage_raises_an_error(factors: Factors) -> None:
    with pytest.raises(Unavailable):
        TokenGroups(factors, required=True).of("down", ["admin"])
