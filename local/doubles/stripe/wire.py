"""Stripe's wire: its errors, and its form-encoded, nested parameters.

Texts and codes are those of https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

API_VERSION = "2026-10-28.endive"
"""The version of the pinned client library (``stripe.api_version``), which a test compares."""

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
INTEGER = re.compile(r"-?[0-9]{1,15}")
MOST_METADATA = 50


class StripeError(Exception):
    """An error: the HTTP status and ``{"error": {"type", "message", "code", "param"}}``."""

    def __init__(
        self,
        message: str,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        type: str = "invalid_request_error",
        **more: Any,
    ):
        self.status = status
        self.error = {"message": message, "type": type, "code": code, "param": param, **more}
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The body on the wire."""
        return {"error": {name: value for name, value in self.error.items() if value is not None}}


def missing(kind: str, id: str, param: str | None = None) -> StripeError:
    """Return the error for an object that does not exist: 404 if the path names it, 400 if a parameter does."""
    return StripeError(f"No such {kind}: '{id}'", "resource_missing", param or "id", status=400 if param else 404)


def bracketed(path: tuple[str, ...]) -> str:
    """Return the name of a parameter as Stripe writes it: ``items[0][price]``."""
    return path[0] + "".join(f"[{part}]" for part in path[1:])


def parse_form(text: str) -> dict[str, Any]:
    """Parse nested parameters. A group whose names are numbers, or empty, is a list."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        matched = NAME.fullmatch(name)
        if matched is None:
            raise StripeError(f"Received unknown parameter: {name}", "parameter_unknown", name)
        path = (matched[1], *re.findall(r"\[([^\[\]]*)\]", matched[2]))
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part or str(len(node)), {})
            if not isinstance(node, dict):
                raise StripeError("Invalid object", param=bracketed(path))
        node[path[-1] or str(len(node))] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if all(name.isdigit() for name in value):
        return [_listed(value[name]) for name in sorted(value, key=int)]
    return {name: _listed(each) for name, each in value.items()}


def flat(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the paths of all sent parameters."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    empty = True
    for name, value in children:
        empty = False
        yield from flat(value, (*path, str(name)))
    if empty and path:
        yield path


def accepted(path: tuple[str, ...], accepts: frozenset[str]) -> bool:
    """Return whether an endpoint takes a parameter. ``items.*.price`` is any item's, ``metadata.*`` any name."""
    if ".".join(path) in accepts:
        return True
    starred = ("*" if part.isdigit() else part for part in path)
    return ".".join(starred) in accepts or (path[-2:-1] == ("metadata",) and ".".join(path[:-1]) in accepts)


class Params:
    """Parameters of one request, read by name, with Stripe's own errors. An empty text means none."""

    def __init__(self, tree: dict[str, Any], path: tuple[str, ...] = ()):
        self._tree, self._path = tree, path

    def __contains__(self, name: str) -> bool:
        return name in self._tree

    def name(self, name: str) -> str:
        """Return the full name of a parameter of this group."""
        return bracketed((*self._path, name))

    def text(self, name: str) -> str | None:
        """Return a text, or None if it is empty or was not sent."""
        value = self._tree.get(name)
        if isinstance(value, dict | list):
            raise StripeError("Invalid string", param=self.name(name))
        return value or None

    def required(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.text(name)
        if value is None:
            full = self.name(name)
            raise StripeError(f"Missing required param: {full}.", "parameter_missing", full)
        return value

    def integer(self, name: str, default: int | None = None, least: int | None = None) -> int | None:
        """Return a whole number that is not below the least."""
        value = self.text(name)
        if value is None:
            return default
        if not INTEGER.fullmatch(value) or (least is not None and int(value) < least):
            raise StripeError(f"Invalid integer: {value}", "parameter_invalid_integer", self.name(name))
        return int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean."""
        value = self.text(name)
        if value not in (None, "true", "false"):
            raise StripeError(f"Invalid boolean: {value}", param=self.name(name))
        return default if value is None else value == "true"

    def choice(self, name: str, options: tuple[str, ...], default: str | None = None) -> str | None:
        """Return one of some words."""
        value = self.text(name)
        if value is None:
            return default
        if value not in options:
            raise StripeError(f"Invalid {name}: must be one of {', '.join(options)}", param=self.name(name))
        return value

    def is_group(self, name: str) -> bool:
        """Return whether there are parameters below a name."""
        return isinstance(self._tree.get(name), dict)

    def group(self, name: str) -> Params:
        """Return the parameters below a name, empty if there are none."""
        value = self._tree.get(name) or {}
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=self.name(name))
        return Params(value, (*self._path, name))

    def groups(self, name: str) -> list[Params]:
        """Return the groups of a list."""
        value = self._tree.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise StripeError("Invalid array", param=self.name(name))
        return [Params(each, (*self._path, name, str(index))) for index, each in enumerate(value)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        value = self._tree.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise StripeError("Invalid array", param=self.name(name))
        return value

    def metadata(self, current: dict[str, str] | None = None) -> dict[str, str]:
        """Return the new metadata. Sent names are set, names sent empty are removed, and an empty text removes all."""
        value = self._tree.get("metadata", {})
        if not isinstance(value, dict):
            if value == "":
                return {}
            raise StripeError("Invalid object", param=self.name("metadata"))
        merged = {name: each for name, each in {**(current or {}), **value}.items() if each != ""}
        if len(merged) > MOST_METADATA:
            raise StripeError(f"Metadata can have up to {MOST_METADATA} keys", param=self.name("metadata"))
        for name, each in merged.items():
            if len(name) > 40 or len(each) > 500:
                raise StripeError(
                    "Metadata has keys of up to 40 and values of up to 500 characters", param=f"metadata[{name}]"
                )
        return merged
