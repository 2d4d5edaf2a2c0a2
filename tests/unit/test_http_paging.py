"""A page token is accepted only by the list that issued it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest

from purser import process
from purser.errors import FieldError, InvalidInput
from purser.http.paging import ANY_POSITION, DAY_POSITION, LONGEST_TOKEN, TIME_POSITION, page_position, page_token
from purser.settings import MissingSetting

LIST = "balance-history:1:None"
UNSIGNED = hashlib.sha256(f"{LIST}\0002022-09-16".encode()).hexdigest()


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_leads_back_to_its_position() -> None:
    for position in ("", "2022-09-16", "é\0\n", "x" * 2000):
        token = page_token(LIST, position)
        assert page_position(LIST, token, ANY_POSITION) == position
        assert token.isascii()
        assert not set(token) & set("+/= ")


def test_without_a_token_there_is_no_position() -> None:
    assert page_position(LIST, None, ANY_POSITION) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "nonsense",
        "é",
        "%00",
        page_token("balance-history:2:None", "2022-09-16"),
        page_token("balance-history:1:2022-01-01", "2022-09-16"),
        page_token(LIST, "2022-09-16")[:-2],
        "A" + page_token(LIST, "2022-09-16"),
        encoded(["2022-09-16", ""]),
        encoded(["2022-09-16", "\ud800"]),
        encoded(["2022-09-16", UNSIGNED[:16]]),
        encoded(["2022-09-16", UNSIGNED[:32]]),
        encoded(["2022-09-16", None]),
        encoded(["2022-09-16"]),
        encoded({"a": 1, "b": 2}),
        encoded("ab"),
        encoded(None),
        encoded(5),
        encoded([[], {}]),
        "W1tb" * 1000,
        "x" * (LONGEST_TOKEN + 1),
        "\ud800",
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        page_position(LIST, token, ANY_POSITION)
    assert refused.value.field_errors == (FieldError(("nextToken",), "must be a token of this list", "query", None),)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a test change the key of the deployment."""
    yield monkeypatch
    process.forget()


def test_a_token_is_refused_under_another_key(environment: pytest.MonkeyPatch) -> None:
    token = page_token(LIST, "2022-09-16")
    environment.setenv("PAGE_TOKEN_KEY", "another key")
    process.forget()
    with pytest.raises(InvalidInput):
        page_position(LIST, token, ANY_POSITION)


def test_without_a_key_nothing_is_signed(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PAGE_TOKEN_KEY")
    process.forget()
    with pytest.raises(MissingSetting, match="PAGE_TOKEN_KEY"):
        page_token(LIST, "2022-09-16")


@pytest.mark.parametrize(
    ("form", "position", "fits"),
    [
        (DAY_POSITION, "2022-09-16", True),
        (DAY_POSITION, "2022-09-16\n", False),
        (DAY_POSITION, "", False),
        (DAY_POSITION, "~", False),
        (TIME_POSITION, "1665756225064#a-b", True),
        (TIME_POSITION, "1665756225064#", False),
        (TIME_POSITION, "1665756225064", False),
        (TIME_POSITION, "1665756225064#a#b", False),
        (TIME_POSITION, "STRATEGY#1665756225064#a", False),
    ],
)
def test_a_position_has_the_form_of_its_list(form: str, position: str, fits: bool) -> None:
    token = page_token(LIST, position)
    if fits:
        assert page_position(LIST, token, form) == position
        return
    with pytest.raises(InvalidInput):
        page_position(LIST, token, form)
