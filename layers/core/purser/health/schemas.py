"""Answer models of the service's name, version and health."""

from __future__ import annotations

from purser import __version__
from purser.health.model import Health, Status
from purser.http.desk import INTERNAL
from purser.http.wire import Instant, WireModel


class About(WireModel):
    """The name and version of the service."""

    name: str = "Purser"
    version: str = __version__


class CheckAnswer(WireModel):
    """The status of a dependency."""

    status: Status


class HealthAnswer(WireModel):
    """The status of the service and its dependencies."""

    status: Status
    checks: dict[str, CheckAnswer]


class HealthEnvelope(HealthAnswer):
    """The envelope of health. Published clients read the fields beside ``data``, which an error has too."""

    timestamp: int
    isoDateTime: Instant
    version: str = __version__
    data: HealthAnswer
    success: bool
    errno: int
    error: str | None


def health_answer(health: Health, now: int) -> HealthEnvelope:
    """Return the service's health on the wire, as of a time in Unix milliseconds."""
    works = health.status is not Status.UNHEALTHY
    checks = {name: CheckAnswer(status=status) for name, status in health.checks.items()}
    return HealthEnvelope(
        status=health.status,
        checks=checks,
        timestamp=now,
        isoDateTime=now,
        data=HealthAnswer(status=health.status, checks=checks),
        success=works,
        errno=0 if works else INTERNAL,
        error=None if works else "a vital dependency is down",
    )
