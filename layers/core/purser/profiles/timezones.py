"""The time zones of the IANA database, by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def time_zones() -> frozenset[str]:
    """Every name, links included (``America/Toronto``, ``US/Eastern``, ``UTC``), as of the ``tzdata`` that is pinned.

    ``zoneinfo.available_timezones`` would walk the machine's own database too, and answer what that one knows.
    """
    names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    # Stands for "not set" in the database.
    return frozenset(names) - {"Factory"}
