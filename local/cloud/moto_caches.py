"""Caches of what moto works out anew for every request, which takes longer than the rest of the request.

- The parser of each path in the rules of an event bus.
- The list of its own services, from the disk.
"""

from __future__ import annotations

from functools import cache

import jsonpath_ng.ext
from moto import backends

_services = tuple(backends.list_of_moto_modules())


def install() -> None:
    """Put the caches in place, for the whole process."""
    jsonpath_ng.ext.parse = cache(jsonpath_ng.ext.parse)  # type: ignore[attr-defined]
    backends.list_of_moto_modules = lambda: _services
