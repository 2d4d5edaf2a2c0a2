"""Objects that a process builds once: settings, clients, services. Tests can replace them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_kept: dict[Callable[..., Any], dict[Any, Any]] = {}


def kept(build: Callable[P, T]) -> Callable[P, T]:
    """Build on the first call with these arguments, and keep the result for the life of the process."""

    @wraps(build)
    def builder(*arguments: P.args, **options: P.kwargs) -> T:
        built = _kept.setdefault(builder, {})
        key = (arguments, *options.items())
        if key not in built:
            built[key] = build(*arguments, **options)
        result: T = built[key]
        return result

    return builder


def forget(*builders: Callable[..., Any]) -> None:
    """Forget what some builders have built, or everything, as in a new process."""
    for builder in builders or tuple(_kept):
        _kept.pop(builder, None)


def replace(builder: Callable[..., T], double: T) -> None:
    """Let a builder return a double, until it is forgotten."""
    _kept[builder] = {((),): double}
