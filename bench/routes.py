"""Each route over HTTP, called by one client and by several at once, beside a bare route of the same gateway."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench.gateway import BARE, gateway
from bench.report import Table, times
from bench.world import World
from tests.support.samples import ROUTES, Request
from tests.support.senders import HttpSubject, parsed

CLIENTS = (1, 8, 32)
LEAST, MOST = 16, 100
"""The requests of all clients together, unless the time is over first."""

SECONDS = 0.5

Times = list[float]
Turn = Callable[[HttpSubject], float]


def measure(_: World, scratch: Path) -> list[Table]:
    """Measure the latency of each route. This starts a system of its own, with the gateway."""
    with gateway(scratch) as system, ThreadPoolExecutor(max(CLIENTS)) as threads:
        subjects = [system.new_subject() for _ in range(max(CLIENTS))]
        # For each request, DynamoDB Local reads the changes of all tables up to the table's first one, so that one
        # must be early.
        assert subjects[0].wallet
        rows = [[route, *_row(route, subjects, threads)] for route in ROUTES]
    columns = ["route", *(f"{name}, {count}" for count in CLIENTS for name in ("p50", "p99", "÷ bare"))]
    note = (
        f"Milliseconds with that many clients at once, over {LEAST} to {MOST} requests (as many as fit into "
        f"{SECONDS} s). The ratio compares the medians."
    )
    return [Table("Routes over HTTP", columns, rows, [note])]


def _row(route: str, subjects: Sequence[HttpSubject], threads: ThreadPoolExecutor) -> list[str]:
    def block(turn: Turn, clients: int, least: int, most: int) -> Times:
        def of(subject: HttpSubject) -> Times:
            return _repeated(lambda: turn(subject), -(-least // clients), -(-most // clients))

        return [taken for times in threads.map(of, subjects[:clients]) for taken in times]

    turns: list[Turn] = [partial(_of_route, route), _of_bare]
    for turn in turns:
        # As many processes of the function as there will be, with their caches filled.
        block(turn, len(subjects), len(subjects), len(subjects))
    cells = []
    for clients in CLIENTS:
        taken, bare = (block(turn, clients, LEAST, MOST) for turn in turns)
        cells += [_ms(statistics.median(taken)), _ms(percentile(taken, 99))]
        cells.append(times(statistics.median(taken) / statistics.median(bare)))
    return cells


def _of_route(route: str, subject: HttpSubject) -> float:
    request = ROUTES[route].request(route, subject)
    taken, answer = _timed(subject, request)
    ROUTES[route].clean(subject, answer)
    return taken


def _of_bare(subject: HttpSubject) -> float:
    return _timed(subject, BARE)[0]


def _repeated(once: Callable[[], float], least: int, most: int) -> Times:
    until = time.perf_counter() + SECONDS
    times: Times = []
    while len(times) < least or (len(times) < most and time.perf_counter() < until):
        times.append(once())
    return times


def _timed(subject: HttpSubject, request: Request) -> tuple[float, Any]:
    """Return how long the request took, and the body of the answer."""
    began = time.perf_counter()
    status, headers, content = subject.send.raw(request)
    taken = time.perf_counter() - began
    assert 200 <= status < 300, f"{request.method} {request.path}: {status} {content!r}"
    return taken, parsed(headers, content)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the least value that so many percent do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"
