"""How Purser is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """``DEGRADED``: it works, but not all of it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Health:
    """How Purser is altogether, and each dependency by name (``HEALTHY`` or ``UNHEALTHY``)."""

    status: Status
    checks: Mapping[str, Status]


def overall(well: Mapping[str, bool], vital: Collection[str]) -> Health:
    """The health that follows from which dependencies are well; without a vital one there is no service."""
    checks = {name: Status.HEALTHY if is_well else Status.UNHEALTHY for name, is_well in well.items()}
    down = {name for name, is_well in well.items() if not is_well}
    status = Status.UNHEALTHY if down & set(vital) else Status.DEGRADED if down else Status.HEALTHY
    return Health(status, checks)
