"""A page token is accepted only by the list that issued it."""

from __future__ import annotations

import base64
import json

import pytest

from purser.errors import FieldError, InvalidInput
from purser.http.paging import LONGEST_TOKEN, page_position, page_token

LIST = "balance-history:1:None"


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_leads_back_to_its_position() -> None:
    for position in ("", "2022-09-16", "é\0\n", "x" * 2000):
        token = page_token(LIST, position)
        assert page_position(LIST, token) == position
        assert token.isascii()
        assert not set(token) & set("+/= ")


def test_without_a_token_there_is_no_position() -> None:
    assert page_position(LIST, None) is None


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
        page_position(LIST, token)
    assert refused.value.field_errors == (FieldError(("nextToken",), "must be a token of this list", "query", None),)
