"""Compare the response times for another user's item and for one that does not exist, requested in turns."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.gateway import gateway
from bench.report import Table
from bench.world import World
from tests.support.samples import ROUTES, Request
from tests.support.senders import HttpSubject

PAIRS, WARM_UP = 150, 10
OWNED = [route for route in ROUTES if "/v1/priv/" in route and "{" in route]


def measure(world: World, scratch: Path) -> list[Table]:
    """Return both medians, the median of the differences, and how often the foreign item took longer."""
    with gateway(scratch) as system:
        owner, stranger = system.new_subject(), system.new_subject()
        rows = [[route, *_row(route, owner, stranger)] for route in OWNED]
    columns = ("route", "foreign", "unknown", "difference", "foreign slower")
    notes = [f"Milliseconds over {PAIRS} pairs. By chance, the foreign id is slower in 42 to 58 % of them."]
    return [Table("Another user's id compared with an unknown one", columns, rows, notes)]


def _row(route: str, owner: HttpSubject, stranger: HttpSubject) -> list[str]:
    foreign = ROUTES[route].request(route, owner)
    unknown = _with_unknown_id(foreign)
    made = [_pair(stranger, foreign, unknown(), first=number % 2 == 0) for number in range(PAIRS + WARM_UP)]
    pairs = made[WARM_UP:]
    differences = [one - other for one, other in pairs]
    return [
        *(f"{statistics.median(each) * 1000:.2f}" for each in zip(*pairs, strict=True)),
        f"{statistics.median(differences) * 1000:+.2f}",
        f"{sum(difference > 0 for difference in differences) / len(differences):.0%}",
    ]


def _with_unknown_id(request: Request) -> Callable[[], Request]:
    (id,) = (part for part in request.path.partition("?")[0].split("/") if len(part) == 36)
    return lambda: replace(request, path=request.path.replace(id, str(uuid.uuid4())))


def _pair(stranger: HttpSubject, foreign: Request, unknown: Request, *, first: bool) -> tuple[float, float]:
    """Return the times of the two requests, in either order."""
    if first:
        return _timed(stranger, foreign), _timed(stranger, unknown)
    other = _timed(stranger, unknown)
    return _timed(stranger, foreign), other


def _timed(stranger: HttpSubject, request: Request) -> float:
    began = time.perf_counter()
    status, _, _ = stranger.send.raw(request)
    taken = time.perf_counter() - began
    assert status == 404, f"{request.method} {request.path}: {status}"
    return taken
