"""Warm CPU: two routes of AccountExchange beside the same routes in FastAPI with Mangum. Both use the same fakes."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

from bench import artefacts
from bench.processes import PROBES, probe
from bench.report import Table, times
from bench.world import World
from tests.support.events import claims, proxy_event

PAIRS, REQUESTS = 40, 100

KEY = {
    "exchangeId": "BINANCE",
    "tradeType": "FUTURES",
    "strategyType": "MANUAL",
    "name": "Bench",
    "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "apiSecretKey": "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
}
EVENTS = {
    "GET …/key/list (five keys)": proxy_event("GET", "/v1/priv/account/exchange/key/list", caller=claims()),
    "POST …/key": proxy_event("POST", "/v1/priv/account/exchange/key", KEY, caller=claims()),
}


def measure(world: World, scratch: Path) -> list[Table]:
    """Measure the CPU time of one request."""
    function = artefacts.functions(scratch, world.physical)["AccountExchange"]
    fastapi = artefacts.fastapi_baseline(scratch, {}).path[0]
    code, *libraries = function.path
    artefact = replace(function, path=(code, artefacts.fastapi_layer(scratch), PROBES, *libraries))
    given = {"fastapi": str(fastapi / "app.py"), "events": EVENTS, "pairs": PAIRS, "requests": REQUESTS}
    measured = probe("warm.py", artefact, world.environment, given)
    rows = [
        [
            route,
            _us(statistics.median(purser for purser, _ in pairs)),
            _us(statistics.median(other for _, other in pairs)),
            times(statistics.median(purser / other for purser, other in pairs)),
        ]
        for route, pairs in measured.items()
    ]
    return [Table("Warm CPU of a request", ("route", "Purser", "FastAPI + Mangum", "ratio"), rows)]


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"
