"""Any number and any text survives a round trip over the wire."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from purser.decimals import plain
from purser.errors import InvalidInput, MalformedRequest
from purser.http import wire
from purser.http.field_errors import field_errors
from purser.http.paging import ANY_POSITION, page_position, page_token

# DynamoDB stores 38 digits. No amount has an exponent beyond the bound of the wire.
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**19), max_value=10**19)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | amounts | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
# Years with four digits.
instants = st.integers(-30_610_224_000_000, 253_402_300_799_999)


@given(amounts)
def test_a_decimal_survives_a_round_trip(amount: Decimal) -> None:
    written = wire.dump({"n": amount})
    assert wire.load(written)["n"] == amount
    assert "e" not in written.lower()
    assert json.loads(written, parse_float=str, parse_int=str)["n"] == plain(amount)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e40"), max_value=Decimal("1e40")))
def test_plain_notation_has_no_exponent(number: Decimal) -> None:
    written = plain(number)
    assert Decimal(written) == number
    assert set(written) <= set("-.0123456789")
    assert "." not in written or not written.endswith(("0", "."))


@given(st.dictionaries(texts, values, max_size=5))
def test_a_body_survives_a_round_trip(body: dict[str, Any]) -> None:
    assert wire.load(wire.dump(body)) == body


@given(st.text())
def test_any_text_is_read_as_an_object_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedRequest):
        assert isinstance(wire.load(text), dict)


@given(st.text(st.sampled_from('{}[]":,\\ud8e0+-.1eE \n'), max_size=40))
def test_almost_valid_json_is_read_as_an_object_or_refused(text: str) -> None:
    try:
        loaded = wire.load('{"a": ' + text + "}")
    except MalformedRequest:
        return
    assert isinstance(loaded, dict)
    json.dumps(loaded, default=str, ensure_ascii=False).encode()


@given(instants)
def test_an_instant_survives_a_round_trip(at: int) -> None:
    class Model(BaseModel):
        at: wire.Instant

    written = Model(at=at).model_dump()["at"]
    assert len(written) == len("2022-09-16T15:09:49.057Z")
    assert Model(at=written).at == at


@given(texts, texts, texts)
def test_a_page_token_belongs_to_its_list(list_id: str, position: str, other: str) -> None:
    token = page_token(list_id, position)
    assert page_position(list_id, token, ANY_POSITION) == position
    if other != list_id:
        with pytest.raises(InvalidInput):
            page_position(other, token, ANY_POSITION)


@given(st.lists(st.text() | st.integers(), max_size=3), st.text() | st.integers() | st.floats() | values)
def test_any_field_error_can_be_answered(path: list[str | int], value: Any) -> None:
    error = {"loc": ("body", *path), "type": "string_type", "msg": "", "input": value}
    [field_error] = field_errors([error])
    assert field_error.message == "must be string"
    wire.dump({"value": field_error.value})
