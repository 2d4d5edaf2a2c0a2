"""The names of the IANA time zones."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def time_zones() -> frozenset[str]:
    """Return every name in the pinned ``tzdata``, links included (``America/Toronto``, ``US/Eastern``, ``UTC``).

    ``zoneinfo.available_timezones`` would also read the machine's own database.
    """
    names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    # It stands for "not set" in the database.
    return frozenset(names) - {"Factory"}
