"""Health checks: overall status, caching and time-outs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import combinations

import pytest

from purser.exchanges.ping import ping
from purser.health import service
from purser.health.model import Status, overall
from purser.health.service import HealthChecks

NAMES = ("database", "identity", "keyManagement", "queues", "exchange")
VITAL = {"database", "identity", "keyManagement"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Dependencies:
    """Dependencies of which some are down, with a record of the checks made."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.asked: list[str] = []
        self.reported: list[tuple[str, BaseException]] = []

    def checks(self) -> dict[str, Callable[[], None]]:
        return {name: partial(self._check, name) for name in NAMES}

    def _check(self, name: str) -> None:
        self.asked.append(name)
        if name in self.down:
            raise ConnectionError(name)

    def report(self, name: str, trouble: BaseException) -> None:
        self.reported.append((name, trouble))


@pytest.mark.parametrize("down", [some for size in range(6) for some in combinations(NAMES, size)], ids=str)
def test_overall_health_follows_the_failing_checks(down: tuple[str, ...]) -> None:
    health = overall({name: name not in down for name in NAMES}, VITAL)
    expected = Status.UNHEALTHY if VITAL & {*down} else Status.DEGRADED if down else Status.HEALTHY
    assert health.status is expected
    assert {name for name, status in health.checks.items() if status is Status.UNHEALTHY} == {*down}
    assert tuple(health.checks) == NAMES


def test_each_dependency_is_checked_and_failures_are_reported() -> None:
    dependencies = Dependencies("queues")
    health = HealthChecks(dependencies.checks(), VITAL, dependencies.report).health()
    assert health.status is Status.DEGRADED
    assert sorted(dependencies.asked) == sorted(NAMES)
    assert [name for name, _ in dependencies.reported] == ["queues"]


def test_results_are_cached_for_five_seconds() -> None:
    dependencies, clock = Dependencies(), Clock()
    checks = HealthChecks(dependencies.checks(), VITAL, dependencies.report, clock)
    for clock.now in (0.0, 1.0, 4.9):
        assert checks.health().status is Status.HEALTHY
    assert len(dependencies.asked) == 5
    dependencies.down.add("database")
    clock.now = 5.0
    assert checks.health().status is Status.UNHEALTHY
    dependencies.down.clear()
    clock.now = 9.9
    assert checks.health().status is Status.UNHEALTHY
    clock.now = 10.0
    assert checks.health().status is Status.HEALTHY


def test_a_check_that_hangs_is_unhealthy_and_does_not_block_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LONGEST_CHECK_S", 0.5)
    monkeypatch.setattr(service, "KEPT_S", 0.0)
    released = threading.Event()

    def hang() -> None:
        released.wait(120)

    reported: list[str] = []
    checks = HealthChecks({"a": hang, "b": hang, "c": lambda: None}, set(), lambda name, _: reported.append(name))
    for _ in range(3):
        health = checks.health()
        assert not released.is_set()
        assert (health.checks["a"], health.checks["b"], health.checks["c"]) == ("unhealthy", "unhealthy", "healthy")
    assert reported == ["a", "b"] * 3
    released.set()
    assert checks.health().status is Status.HEALTHY


def test_a_late_result_of_an_earlier_check_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LONGEST_CHECK_S", 0.5)
    clock, frozen, looks = Clock(), threading.Event(), iter([True, False])

    def check() -> None:
        if next(looks):
            frozen.wait(120)
            raise TimeoutError

    checks = HealthChecks({"a": check}, {"a"}, lambda *_: None, lambda: time.monotonic() + clock.now)
    assert checks.health().status is Status.UNHEALTHY
    clock.now = service.KEPT_S
    assert checks.health().status is Status.HEALTHY
    frozen.set()
    assert checks.health().status is Status.HEALTHY


@pytest.fixture
def exchange() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) == 1 else 503)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_the_exchange_check_uses_the_ping_endpoint(exchange: tuple[str, list[str]]) -> None:
    url, asked = exchange
    ping(url)
    with pytest.raises(OSError, match="503"):
        ping(url)
    assert asked == ["/api/v3/ping"] * 2
    with pytest.raises(OSError, match="refused"):
        ping("http://127.0.0.1:9")
