"""JSON bodies with exact numbers, and the field types that all surfaces share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from purser.decimals import plain
from purser.errors import MalformedRequest
from purser.text import is_plain, is_visible, normalized

# No amount is longer than this, and parsing one would waste time.
LONGEST_NUMBER = 64
MOST_DECIMALS = 18


def dump(body: Any) -> str:
    """Return a body as JSON. A ``Decimal`` becomes a JSON number with all its digits, in plain notation."""
    return orjson.dumps(body, default=_number).decode()


class LongNumber:
    """A number with more digits than any field takes. Every field refuses it, like a value of another type."""


def _number(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(plain(value).encode())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def load(text: str | None) -> dict[str, Any]:
    """Return a request's body, ``{}`` for none. Fractions become ``Decimal`` with all their digits.

    A number that is too long becomes a ``LongNumber``.

    Raises:
        MalformedRequest: the body is no JSON object, is nested too deeply, or contains NaN, Infinity, or text that is
            not Unicode.
    """
    if not text:
        return {}
    try:
        body = json.loads(text, parse_float=_fraction, parse_int=_integer, parse_constant=_constant)
        _check_text(body, text)
    except (ValueError, ArithmeticError, RecursionError):
        raise MalformedRequest("malformed JSON") from None
    if not isinstance(body, dict):
        raise MalformedRequest
    return body


def _check_text(body: Any, text: str) -> None:
    """Raise ``ValueError`` for half a surrogate pair, which JSON can escape but no store accepts."""
    if "\\ud" in text.lower():
        json.dumps(body, ensure_ascii=False, default=str).encode()


def _fraction(digits: str) -> Decimal | LongNumber:
    try:
        number = Decimal(digits) if len(digits) <= LONGEST_NUMBER else None
    except ArithmeticError:  # the exponent is too large
        number = None
    # An exponent is written short and means many digits.
    if number is None or abs(number.adjusted()) > LONGEST_NUMBER:
        return LongNumber()
    return number


def _integer(digits: str) -> int | LongNumber:
    return int(digits) if len(digits) <= LONGEST_NUMBER else LongNumber()


def _constant(name: str) -> None:
    raise ValueError(name)


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise PydanticCustomError("uuid", "must be UUID")
    return str(UUID(value))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


WHOLE = BeforeValidator(_whole)
"""Marks a strict integer, which JSON may also write as ``70.0``. It comes last, after the bounds."""


def iso(milliseconds: int) -> str:
    """Return an instant in Unix milliseconds as ISO 8601 in UTC, with milliseconds and ``Z``."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _milliseconds(value: Any) -> Any:
    return round(datetime.fromisoformat(value).timestamp() * 1000) if isinstance(value, str) else value


def _moment(value: Any) -> int:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None and moment >= datetime(1970, 1, 1, tzinfo=UTC):
            return round(moment.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        pass
    raise PydanticCustomError("moment", "must be valid date and time, eg. 2022-10-14T14:03:45.064Z")


def _date(value: str) -> str:
    try:
        # ISO 8601 has more notations for a day than the documented one.
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise PydanticCustomError("date", "must be valid date, eg. 2022-06-01")


@dataclass(frozen=True, slots=True)
class Shown:
    """Adds rules that a function checks to the JSON Schema of a field.

    ``keywords`` are computed only when the API is described.
    """

    keywords: Callable[[], dict[str, Any]]

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Return pydantic's own schema with the keywords."""
        return {**handler(core_schema), **self.keywords()}


class _FreeText:
    """Normalizes a text before its length is checked, and then checks its characters."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        checked = core_schema.no_info_after_validator_function(plain_text, handler(source))
        return core_schema.no_info_before_validator_function(_normalized, checked)


def plain_text(text: str) -> str:
    """Return a text of which every character is allowed, or raise the error of its field."""
    if not is_plain(text) or not is_visible(text):
        raise PydanticCustomError("rule_text", "has invalid characters")
    return text


def _normalized(value: Any) -> Any:
    return normalized(value) if isinstance(value, str) else value


FREE_TEXT = _FreeText()
"""Holds a field for a name or free text to the one rule for them: ``purser.text``."""


def one_of(choices: Callable[[], Iterable[str]]) -> Shown:
    """Describe a text as one of some choices, sorted."""
    return Shown(lambda: {"enum": sorted(choices())})


def matching(pattern: str) -> Shown:
    """Describe a whole text by a pattern that means the same in Python (ASCII) and in ECMAScript."""
    return Shown(lambda: {"pattern": f"^(?:{pattern})$"})


def decimal_schema(*, digits: int, **bounds: int | float) -> WithJsonSchema:
    """Describe a positive decimal: a JSON number within ``bounds`` (``maximum`` …), or a text in plain notation.

    A text has at most ``digits`` digits before the point and 18 after it.
    """
    text = rf"^(0*[1-9][0-9]{{0,{digits - 1}}}(\.[0-9]{{1,18}})?|0+\.[0-9]{{0,17}}[1-9])$"
    return WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, **bounds}, {"type": "string", "pattern": text}]}
    )


def _plain_number(value: Any) -> Any:
    # Decimal would take more notations than are documented: underscores, exponents, digits of any script.
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        raise PydanticCustomError("number", "must be number")
    return value


def _few_decimals(value: Decimal) -> Decimal:
    if -int(value.as_tuple().exponent) > MOST_DECIMALS:
        raise PydanticCustomError("rule_decimals", f"must have at most {MOST_DECIMALS} decimals")
    return value


PlainNumber = Annotated[Decimal, BeforeValidator(_plain_number)]
"""A decimal of a request: a JSON number, or a text in plain notation."""

FEW_DECIMALS = AfterValidator(_few_decimals)
"""Bounds the decimals of a ``PlainNumber``."""


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


STAYS: Any = Field(json_schema_extra=_without_default)
"""Describe no default: an absent field stays as it is."""


def _never_null(schema: dict[str, Any]) -> None:
    (known,) = (choice for choice in schema.pop("anyOf") if choice != {"type": "null"})
    schema |= known


UNKNOWN: Any = Field(default=None, exclude_if=lambda value: value is None, json_schema_extra=_never_null)
"""A field of an answer that is left out where its value is unknown or does not apply."""


class WireModel(BaseModel):
    """A body on the wire, read from a domain object or from its own JSON form."""

    model_config = ConfigDict(
        from_attributes=True,
        validate_by_name=True,
        validate_by_alias=True,
        # A field with a default is in every answer all the same.
        json_schema_serialization_defaults_required=True,
    )


Uuid = Annotated[str, AfterValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
"""A UUID in its usual notation, made lower-case."""

Date = Annotated[str, AfterValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
"""A calendar day, ``YYYY-MM-DD``."""

Instant = Annotated[
    int,
    BeforeValidator(_milliseconds),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Unix milliseconds inside, ISO 8601 with milliseconds and ``Z`` on the wire."""

Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant of a request: ISO 8601 with an offset on the wire, Unix milliseconds inside."""

Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
"""An exact decimal that is written as a JSON number."""
