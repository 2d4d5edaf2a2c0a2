"""Reading and writing JSON bodies, and the field types that all APIs share."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from purser.errors import MalformedRequest
from purser.http import wire

EXACT = "123456789012345678901234567.890123456789012345"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (EXACT, EXACT),
        ("-" + EXACT, "-" + EXACT),
        ("0.000000000000000000000000000001", "0.000000000000000000000000000001"),
        ("1E+2", "100"),
        ("1.500", "1.5"),
        ("100", "100"),
        ("100.000", "100"),
        ("0E-8", "0"),
        ("-0.0", "0"),
        ("1E-7", "0.0000001"),
    ],
)
def test_a_decimal_is_written_with_every_digit(number: str, written: str) -> None:
    assert wire.dump({"n": Decimal(number)}) == f'{{"n":{written}}}'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_nan_and_infinity_are_not_written(number: str) -> None:
    with pytest.raises(TypeError):
        wire.dump({"n": Decimal(number)})


def test_text_is_written_without_escapes() -> None:
    assert wire.dump({"é": ["ü", None, True, 1]}) == '{"é":["ü",null,true,1]}'


@pytest.mark.parametrize("number", [EXACT, "0.1", "-0.10", "1e2", "1E-9"])
def test_a_fraction_is_read_with_every_digit(number: str) -> None:
    assert wire.load(f'{{"n": {number}}}') == {"n": Decimal(number)}


def test_an_integer_is_read_as_an_integer() -> None:
    loaded = wire.load('{"n": 12345678901234567890123456789012345678}')
    assert loaded == {"n": 12345678901234567890123456789012345678}
    assert isinstance(loaded["n"], int)


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_an_absent_body_is_an_empty_object(text: str | None) -> None:
    assert wire.load(text) == {}


def test_the_last_of_repeated_names_counts() -> None:
    assert wire.load('{"a": 1, "a": 2}') == {"a": 2}


def test_escaped_surrogate_pairs_are_read_as_text() -> None:
    assert wire.load('{"a": "\\ud83d\\ude00 \\\\ud800"}') == {"a": "😀 \\ud800"}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1} x',
        '{"a": "\n"}',
        '{"a": "\\ud800"}',
        '{"\\uDC00": 1}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' * 100_000,
        "\ufeff{}",
    ],
    ids=lambda text: text[:24],
)
def test_malformed_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest, match="malformed JSON"):
        wire.load(text)


@pytest.mark.parametrize(
    "number",
    ["1e131", "1e999999999999", "-1e65", "1e-9999999999999999999", "0e99999", "9" * 65, "0." + "9" * 65, "9" * 100_000],
    ids=lambda number: number[:24],
)
def test_a_number_that_is_too_long_has_no_valid_field_type(number: str) -> None:
    (value,) = wire.load(f'{{"a": {number}}}').values()
    assert isinstance(value, wire.LongNumber)
    kinds: list[Any] = [str, int, Decimal, bool, list[str], dict[str, str], Literal["a"], Decimal | None]
    for kind in kinds:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("text", ["[]", '[{"a": 1}]', "1", '"a"', "null", "true", "1.5"])
def test_json_that_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest, match="must be a JSON object"):
        wire.load(text)


def _field_errors(kind: Any, value: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return [error["msg"] for error in refused.value.errors()]


@pytest.mark.parametrize(
    "value", ["", "x", "0b5e2f8c61cf4c3e9d5a2f3f8c1f7f10", "{0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10}"]
)
@pytest.mark.parametrize("around", ["{}", "{}\n", " {}"])
def test_other_notations_of_a_uuid_are_refused(value: str, around: str) -> None:
    assert _field_errors(wire.Uuid, around.format(value)) == ["must be UUID"]


def test_a_uuid_is_normalized_to_lower_case() -> None:
    loaded = TypeAdapter(wire.Uuid).validate_python("0B5E2F8C-61CF-4C3E-9D5A-2F3F8C1F7F10")
    assert loaded == "0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10"
    assert _field_errors(wire.Uuid, "0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10\n") == ["must be UUID"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2022-6-1",
        "2022-06-31",
        "20220601",
        "2022-W01-1",
        "2022-06-01T00:00",
        "\u0662\u0660\u0662\u0662-\u0660\u0666-\u0660\u0661",
        "2022-06-01\n",
    ],
)
def test_other_notations_of_a_day_are_refused(value: str) -> None:
    assert _field_errors(wire.Date, value) == ["must be valid date, eg. 2022-06-01"]


def test_a_day_is_read() -> None:
    assert TypeAdapter(wire.Date).validate_python("2024-02-29") == "2024-02-29"


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_663_340_989_057, "2022-09-16T15:09:49.057Z"),
        (1_711_929_600_000, "2024-04-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_written_with_its_milliseconds(at: int, written: str) -> None:
    kind: TypeAdapter[int] = TypeAdapter(wire.Instant)
    assert kind.dump_python(at) == written
    assert kind.validate_python(written) == at


@pytest.mark.parametrize(
    ("text", "expected"),
    [("70", 70), ("70.0", 70), ("7e1", 70), ("70.5", None), ('"70"', None), ("true", None), ("null", None)],
)
def test_a_whole_number_may_be_written_as_a_fraction(text: str, expected: int | None) -> None:
    validate = TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=125), wire.WHOLE]).validate_python
    sent = wire.load(f'{{"value": {text}}}')["value"]
    if expected is None:
        with pytest.raises(ValidationError):
            validate(sent)
        return
    assert (validate(sent), type(validate(sent))) == (expected, int)
