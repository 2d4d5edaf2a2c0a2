"""Cold starts: a fresh process imports a function's handler and serves its first request."""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import artefacts, events
from bench.artefacts import ROOT, Artefact
from bench.processes import Reading, run
from bench.report import Table, mb, ms, times
from bench.world import World
from purser.clock import now_ms
from purser.http.wire import iso
from tests.support.events import claims, proxy_event
from tests.support.signals import alert
from tests.support.user_pool import PASSWORD

ROUNDS, NAIVE_ROUNDS = 5, 3

MakeEvent = Callable[[World], Any]


@dataclass(frozen=True)
class First:
    """A function's first request. Each process gets its own event. It must answer an API event with ``status``."""

    function: str
    what: str
    event: MakeEvent
    status: int = 200


def _live_balance(world: World) -> Any:
    account = world.new_account()
    path = f"/v1/priv/account/exchange/key/{account.id}/balance"
    return proxy_event("GET", path, caller=claims(account.user_id))


def _login(world: World) -> Any:
    return proxy_event("POST", "/api/v3/auth/login", {"email": world.users.add()["email"], "password": PASSWORD})


def _job(world: World) -> Any:
    return events.batch([world.new_job(1)])


def _cancellation(world: World) -> Any:
    return events.batch([world.end_account(world.new_account())])


def _alert(world: World) -> Any:
    path = f"/v1/pub/webhook/signal/{world.new_strategy().id}"
    return proxy_event("POST", path, alert("enter_long", now_ms()))


def _bus_signal(world: World) -> Any:
    detail = {"strategyId": world.new_strategy().id, "action": "ENTER", "side": "LONG", "stop": "19000"}
    return events.bodies([{"id": str(uuid.uuid4()), "time": iso(now_ms()), "detail": detail}])


OWN = (
    First("AccountExchange", "live balance", _live_balance),
    First("Session", "login", _login),
    First("BalanceSnapshotWorker", "a job of one key", _job),
    First("OrderCancellationWorker", "a cancellation", _cancellation),
    First("SignalWebhook", "an alert", _alert),
    First("SignalEventWorker", "a signal", _bus_signal),
)
"""Requests that need stored data. All other functions get their sample event."""

SAMPLES = {
    "AccountAdmin": "list of users",
    "AccountExchange": "list of keys",
    "BalanceSnapshotPlanner": "a run",
    "Credential": "an empty list",
    "Documentation": "the page",
    "EventPublisher": "an event",
    "JobSweeper": "a sweep",
    "Portfolio": "an empty list",
    "PublicExchange": "ticker",
    "PublicSubscription": "list of plans",
    "RouteNotFound": "an unknown route",
    "TradingAccount": "an empty list",
}
"""The items that the sample events ask for."""

NOT_FOUND = frozenset(
    {
        "Exchange",
        "PublicStrategy",
        "RouteNotFound",
        "SignalAdmin",
        "StrategyAdmin",
        "StrategyAutomated",
        "WalletTransaction",
    }
)
"""Functions whose sample events ask for something that does not exist. They look it up and do nothing else."""


STATUSES = {"StripeWebhook": 400}
"""Statuses other than 200. The sample of a Stripe webhook has an old signature."""


def _sample(function: str) -> First:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", function).lower()
    event = json.loads((ROOT / "events" / f"{snake}.json").read_text())
    status = 404 if function in NOT_FOUND else STATUSES.get(function, 200)
    return First(function, SAMPLES.get(function, "its sample event"), lambda _: event, status)


def _requests(functions: Iterable[str]) -> list[First]:
    special = {first.function for first in OWN} - SAMPLES.keys()
    return sorted([*OWN, *(_sample(name) for name in functions if name not in special)], key=lambda f: f.function)


@dataclass(frozen=True)
class Cost:
    """Medians over all rounds, after init and after the first request."""

    init: Reading
    first: Reading


@dataclass(frozen=True)
class _Case:
    artefact: Artefact
    first: First
    rounds: int


_Name = str | First | tuple[str, First]


def measure(world: World, scratch: Path) -> list[Table]:
    """Measure the cold starts of all functions."""
    functions = artefacts.functions(scratch, world.physical)
    keys = {"KEYS_TABLE": world.physical["KeysTable"]}
    query = First("", "one query", lambda _: proxy_event("GET", "/v1/priv/account/exchange/key/list", caller=claims()))
    requests = _requests(functions)
    cases: dict[_Name, _Case] = {
        "boto3": _Case(artefacts.boto3_baseline(scratch, keys), query, ROUNDS),
        "fastapi": _Case(artefacts.fastapi_baseline(scratch, keys), query, ROUNDS),
        **{first: _Case(functions[first.function], first, ROUNDS) for first in requests},
        **{
            ("naive", first): _Case(artefacts.naive(functions[first.function], scratch), first, NAIVE_ROUNDS)
            for first in requests
        },
    }
    return _tables(requests, _costs(world, cases))


def _costs(world: World, cases: dict[_Name, _Case]) -> dict[_Name, Cost]:
    """Return the cost of each case. Each round measures every case once, so that load hits all of them alike."""
    taken = defaultdict(list)
    for round_ in range(ROUNDS):
        for name, case in cases.items():
            if round_ < case.rounds:
                taken[name].append(_start(world, case))
    return {
        name: Cost(_median(init for init, _ in pairs), _median(first for _, first in pairs))
        for name, pairs in taken.items()
    }


def _start(world: World, case: _Case) -> tuple[Reading, Reading]:
    init, first = run(case.artefact, world.environment, [case.first.event(world)])
    # An early failure is cheap, so only requests that were really served count.
    if not _served(first.answer, case.first.status):
        raise RuntimeError(f"{case.first.function}, {case.first.what}: {first.answer}")
    return init, first


def _served(answer: Any, status: int) -> bool:
    """Return whether the answer is the expected one: no failed messages, and the right status if it has one."""
    report = answer if isinstance(answer, dict) else {}
    return not report.get("batchItemFailures") and report.get("statusCode", status) == status


def _median(readings: Iterable[Reading]) -> Reading:
    found = list(readings)
    return Reading(*(median(getattr(reading, name) for reading in found) for name in ("cpu", "wall", "rss")))


COLUMNS = ("CPU", "÷ boto3", "÷ FastAPI", "÷ naive", "peak memory", "÷ boto3", "÷ FastAPI", "÷ naive")


def _tables(requests: list[First], costs: dict[Any, Cost]) -> list[Table]:
    init = {first.function: _row(costs, first, "init") for first in reversed(requests)}
    return [
        Table(
            "Cold start: init",
            ("function", *COLUMNS),
            [
                ["(boto3 client)", *_baseline(costs["boto3"].init)],
                ["(FastAPI, Mangum, boto3 client)", *_baseline(costs["fastapi"].init)],
                *([name, *row] for name, row in sorted(init.items())),
            ],
        ),
        Table(
            "Cold start: init and first request",
            ("function", "first request", *COLUMNS),
            [
                ["(boto3 client)", "one query", *_baseline(costs["boto3"].first)],
                ["(FastAPI, Mangum, boto3 client)", "one query", *_baseline(costs["fastapi"].first)],
                *([first.function, first.what, *_row(costs, first, "first")] for first in requests),
            ],
        ),
    ]


def _baseline(reading: Reading) -> list[str]:
    return [ms(reading.cpu), *["–"] * 3, mb(reading.rss), *["–"] * 3]


def _row(costs: dict[Any, Cost], first: First, moment: str) -> list[str]:
    taken: Reading = getattr(costs[first], moment)
    others = [getattr(costs.get(name), moment, None) for name in ("boto3", "fastapi", ("naive", first))]
    return [
        ms(taken.cpu),
        *(times(taken.cpu / other.cpu) if other else "–" for other in others),
        mb(taken.rss),
        *(times(taken.rss / other.rss) if other else "–" for other in others),
    ]
