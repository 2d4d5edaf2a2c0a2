"""Test the rule for names and free text."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from purser.http.wire import FREE_TEXT
from purser.text import folded, is_plain, normalized
from tests.support.effort import examples

FIVE = TypeAdapter(Annotated[str, StringConstraints(min_length=1, max_length=5), FREE_TEXT])

CONTROLS = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]
BIDI = ["\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
INVISIBLE = ["\u00ad", "\u200b", "\u2060", "\ufeff"]
UNASSIGNED = ["\u0378", "\uffff", "\U000e0000", "\ue000"]


@pytest.mark.parametrize("name", ["علی‌رضا", "क्‍ष", "Ana\u00a0B", "山田\u3000太郎", "Zoë", "O’N", "👨‍👩‍👧"])
def test_names_of_any_script_are_allowed(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("character", [*CONTROLS, *BIDI, *INVISIBLE, *UNASSIGNED, "\ud800"])
def test_control_bidi_and_unassigned_characters_are_refused(character: str) -> None:
    assert not is_plain(f"a{character}b")


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u3000", "\u200c", "\u0301", "a\0b", "abcdef"])
def test_a_field_for_a_name_refuses_what_is_blank_invisible_or_too_long(text: str) -> None:
    with pytest.raises(ValidationError):
        FIVE.validate_python(text)


def test_the_length_is_counted_in_characters_after_normalization() -> None:
    decomposed = unicodedata.normalize("NFD", "éééé\u1ebf")
    assert len(decomposed) > 5
    assert FIVE.validate_python(f"  {decomposed}\u00a0") == "éééé\u1ebf"


@pytest.mark.parametrize(("one", "other"), [("STRASSE", "straße"), ("É", "e\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος")])
def test_folded_texts_are_the_same_in_any_case_and_form(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@examples(500)
@given(st.text(max_size=8))
def test_normalizing_is_idempotent_and_keeps_plain_text_plain(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)
    assert unicodedata.is_normalized("NFC", normalized(text))
    assert is_plain(normalized(text)) or not is_plain(text)
