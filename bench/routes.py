"""Each route over HTTP, by one client and by several at once, beside a bare route of the same gateway."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from bench.gateway import BARE, gateway
from bench.report import Table, times
from bench.world import World
from tests.support.samples import ROUTES, Request, Subject
from tests.support.senders import parsed

CLIENTS = (1, 8, 32)
BLOCKS = 1
REQUESTS = 32
"""Of a route in a block, by all clients together."""

SECONDS = 0.2
"""After which no client of a block sends another request, whatever is missing."""

Times = list[float]
Turn = Callable[[str, Subject, int], Times]


def measure(_: World, scratch: Path) -> list[Table]:
    """How long a request of each route takes. It has a system of its own, with the gateway."""
    with gateway(scratch) as system, ThreadPoolExecutor(max(CLIENTS)) as threads:
        subjects = [system.new_subject() for _ in range(max(CLIENTS))]
        rows = [[route, *_row(route, subjects, threads)] for route in ROUTES]
    columns = ["route", *(f"{name}, {count}" for count in CLIENTS for name in ("p50", "p99", "÷ bare"))]
    note = (
        f"Milliseconds with so many clients at once, of at most {BLOCKS * REQUESTS} requests; "
        "the ratio is that of the medians."
    )
    return [Table("Routes over HTTP", columns, rows, [note])]


def _row(route: str, subjects: Sequence[Subject], threads: ThreadPoolExecutor) -> list[str]:
    cells = []
    for count in CLIENTS:
        taken, bare = _measured(route, subjects[:count], threads)
        cells += [_ms(statistics.median(taken)), _ms(percentile(taken, 99))]
        cells.append(times(statistics.median(taken) / statistics.median(bare)))
    return cells


def _measured(route: str, subjects: Sequence[Subject], threads: ThreadPoolExecutor) -> tuple[Times, Times]:
    """Times of the route and of the bare one, in blocks that take turns, so that both meet as many others."""
    each = -(-REQUESTS // len(subjects))

    def block(turn: Turn, count: int) -> Times:
        return [taken for times in threads.map(turn, repeat(route), subjects, repeat(count)) for taken in times]

    # What processes keep is filled by a first request of each client.
    block(_of_route, 1)
    taken, bare = [], []
    for _ in range(BLOCKS):
        taken += block(_of_route, each)
        bare += block(_of_bare, each)
    return taken, bare


def _of_route(route: str, subject: Subject, count: int) -> Times:
    def once() -> float:
        request = ROUTES[route].request(route, subject)
        taken, answer = _timed(subject, request)
        ROUTES[route].clean(subject, answer)
        return taken

    return _repeated(once, count)


def _of_bare(route: str, subject: Subject, count: int) -> Times:
    return _repeated(lambda: _timed(subject, BARE)[0], count)


def _repeated(once: Callable[[], float], count: int) -> Times:
    until = time.perf_counter() + SECONDS
    times = [once()]
    while len(times) < count and time.perf_counter() < until:
        times.append(once())
    return times


def _timed(subject: Subject, request: Request) -> tuple[float, Any]:
    """How long it took, and the body of the answer."""
    began = time.perf_counter()
    status, headers, content = subject.send.raw(request)
    taken = time.perf_counter() - began
    assert 200 <= status < 300, f"{request.method} {request.path}: {status} {content!r}"
    return taken, parsed(headers, content)


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many percent do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"
