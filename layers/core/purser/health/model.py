"""The health of Purser."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """``DEGRADED``: some parts do not work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Health:
    """The overall status, and that of each dependency by name (``HEALTHY`` or ``UNHEALTHY``)."""

    status: Status
    checks: Mapping[str, Status]


def overall(well: Mapping[str, bool], vital: Collection[str]) -> Health:
    """Derive the health from the dependencies that are well. Without a vital one, Purser is unhealthy."""
    checks = {name: Status.HEALTHY if is_well else Status.UNHEALTHY for name, is_well in well.items()}
    down = {name for name, is_well in well.items() if not is_well}
    status = Status.UNHEALTHY if down & set(vital) else Status.DEGRADED if down else Status.HEALTHY
    return Health(status, checks)
