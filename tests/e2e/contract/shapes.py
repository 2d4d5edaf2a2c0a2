"""Shapes: the fields that examples of a body have in common, and the kinds of their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

TEXTS = {
    "UUID": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "instant": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "order id": re.compile(r"\d{6,20}"),
    "client order id": re.compile(r"x-xcKtGhcu[0-9a-f]{22}"),
}
"""Kinds of text. If an example has a kind, every answer must have it."""

MILLISECONDS = range(10**12, 2 * 10**12)
"""Numbers that are Unix times between 2001 and 2033."""

OWN = ("UUID", "instant", "milliseconds", "order id", "client order id")
"""Kinds of value that differ in every answer: ids and times."""


@dataclass(frozen=True)
class Shape:
    """The kinds that a value may have, with the fields of an object and the elements of an array.

    With ``any_name``, the names of the fields are data, such as assets, and all have the shape under ``""``.
    """

    kinds: frozenset[str]
    fields: Mapping[str, Shape] = field(default_factory=dict)
    element: Shape | None = None
    any_name: bool = False


def kind_of(value: Any) -> str:
    """Return the JSON type of a value, or its kind of text or number."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() if value in MILLISECONDS:
            return "milliseconds"
        case int() | float():
            return "number"
        case str():
            return next((kind for kind, form in TEXTS.items() if form.fullmatch(value)), "text")
        case list():
            return "array"
    return "object"


def _wider(kind: str) -> str:
    return "text" if kind in TEXTS else "number" if kind == "milliseconds" else kind


def shape_of(examples: Iterable[Any], *, also: Mapping[str, str]) -> Shape:
    """Return the shape of all examples; a field that only some of them have may be null.

    ``also`` has further kinds by the name of a field.
    """
    values = list(examples)
    objects = [value for value in values if isinstance(value, dict)]
    elements = [element for value in values if isinstance(value, list) for element in value]
    names = {name for value in objects for name in value}
    return Shape(
        kinds=frozenset(map(kind_of, values)),
        fields={name: _field(objects, name, also) for name in names},
        element=shape_of(elements, also=also) if elements else None,
    )


def _field(objects: Sequence[dict[str, Any]], name: str, also: Mapping[str, str]) -> Shape:
    shape = shape_of((value[name] for value in objects if name in value), also=also)
    missed = {"null"} if any(name not in value for value in objects) else set()
    more = {also[name]} if name in also else set()
    return replace(shape, kinds=shape.kinds | missed | more)


def with_any_names(shape: Shape) -> Shape:
    """Return the shape of an object with any field names, whose values all have one shape."""
    member, *others = shape.fields.values()
    assert all(other == member for other in others)
    return replace(shape, fields={"": member}, any_name=True)


def faults(shape: Shape, value: Any, place: str = "the body") -> Iterator[str]:
    """Yield every deviation of a value from a shape."""
    kind = kind_of(value)
    if not {kind, _wider(kind)} & shape.kinds:
        yield f"{place} is {value!r}, and should be {' or '.join(sorted(shape.kinds))}"
    elif isinstance(value, list):
        for number, element in enumerate(value):
            if shape.element is None:
                yield f"{place} should be empty"
            else:
                yield from faults(shape.element, element, f"{place}[{number}]")
    elif isinstance(value, dict):
        yield from _faults_of_object(shape, value, place)


def _faults_of_object(shape: Shape, value: dict[str, Any], place: str) -> Iterator[str]:
    if shape.any_name:
        for name, member in value.items():
            yield from faults(shape.fields[""], member, f"{place}.{name}")
        return
    for name in shape.fields.keys() - value.keys():
        yield f"{place} lacks {name}"
    for name in value.keys() - shape.fields.keys():
        yield f"{place} has {name}, which is not documented"
    for name in shape.fields.keys() & value.keys():
        yield from faults(shape.fields[name], value[name], f"{place}.{name}")


def differences(printed: Any, body: Any, place: str = "the body") -> Iterator[str]:
    """Yield where a body differs from the printed one, except ids and times. The shape covers additional fields."""
    kind = kind_of(printed)
    if kind != kind_of(body) or (isinstance(printed, list) and len(printed) != len(body)):
        yield f"{place} is {body!r}, and should be like {printed!r}"
    elif isinstance(printed, dict):
        for name in printed.keys() & body.keys():
            yield from differences(printed[name], body[name], f"{place}.{name}")
    elif isinstance(printed, list):
        for number, (member, found) in enumerate(zip(printed, body, strict=True)):
            yield from differences(member, found, f"{place}[{number}]")
    elif kind not in OWN and (type(printed), printed) != (type(body), body):
        yield f"{place} is {body!r}, and should be {printed!r}"
