"""Turns pydantic's errors into field errors: one message for each rule, and no secret repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from purser.errors import FieldError

LOCATIONS = {"body": "body", "query": "query", "path": "params"}
SECRET_FIELDS = frozenset(
    {"apisecretkey", "apisecret", "apipassphrase", "password", "newpassword", "answer", "session", "refreshtoken"}
)
LONGEST_ECHO = 256
MOST_ERRORS = 100

MESSAGES = {
    "missing": "must be provided",
    "string_type": "must be string",
    "bool_type": "must be boolean",
    "bool_parsing": "must be boolean",
    "int_type": "must be integer",
    "int_parsing": "must be integer",
    "int_from_float": "must be integer",
    "int_parsing_size": "must be integer",
    "decimal_type": "must be number",
    "decimal_parsing": "must be number",
    "finite_number": "must be number",
    "list_type": "must be array",
    "dict_type": "must be object",
    "model_type": "must be object",
    "model_attributes_type": "must be object",
    "extra_forbidden": "is not allowed",
    "none_required": "is not supported",
    "string_pattern_mismatch": "has invalid characters",
    "string_unicode": "has invalid characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def field_errors(errors: Sequence[Mapping[str, Any]]) -> tuple[FieldError, ...]:
    """Return a field error for each of pydantic's errors, in the same order, at most 100."""
    return tuple(_field_error(error) for error in errors[:MOST_ERRORS])


def _field_error(error: Mapping[str, Any]) -> FieldError:
    where, *path = error["loc"]
    if where == "header":
        # The documented name without the value, because no answer repeats a header.
        return FieldError(tuple(str(part).title() for part in path), _message(error), "headers")
    value = None if error["type"] == "missing" else _echo(tuple(path), error.get("input"))
    return FieldError(tuple(path), _message(error), LOCATIONS.get(where, "body"), value)


def _message(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    if context.get("field_type") == "Value":
        # It is a secret text.
        kind = f"string_{kind}"
    if kind in MESSAGES:
        return MESSAGES[kind].format(**context)
    if kind in ("literal_error", "enum"):
        return "must be one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    if kind == "string_too_long":
        return f"length must be less than {context['max_length'] + 1}"
    if kind == "string_too_short":
        return "must not be empty" if context["min_length"] == 1 else f"length must be at least {context['min_length']}"
    if "_" not in kind or kind.startswith("rule_"):
        # Our own rules (PydanticCustomError) carry the text for the caller.
        return str(error["msg"])
    return "is invalid"


def _echo(path: tuple[str | int, ...], value: Any) -> Any:
    """Return a value if it may be repeated: no secret, object or list, and only the beginning of a long text."""
    if any(str(part).lower() in SECRET_FIELDS for part in path):
        return None
    if isinstance(value, str):
        return value[:LONGEST_ECHO].encode(errors="replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        # The serializer's integers end at 64 bits.
        return Decimal(value)
    return value if isinstance(value, (bool, Decimal)) else None
