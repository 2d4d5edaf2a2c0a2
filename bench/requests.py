"""The requests that one warm call of each route makes: to DynamoDB, other AWS services, the exchange and Stripe."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench import artefacts
from bench.report import Table
from bench.world import World
from purser.aws import clients
from tests.support.functions import forget_process
from tests.support.samples import ROUTES, Catalog, Subject
from tests.support.senders import HandlerSender
from tests.support.user_pool import PASSWORD

Asked = Counter[tuple[str, str]]
"""Requests by service and operation."""


def measure(world: World, scratch: Path) -> list[Table]:
    """Call each route once, after a first call that fills the caches of the process."""
    with _functions_environment(world, scratch), _counted() as asked:
        subject = _subject(world)
        rows = [_row(route, *_second(route, subject, world, asked)) for route in ROUTES]
    columns = ("route", "DynamoDB", "which", "other AWS", "exchange", "Stripe")
    return [Table("Calls that each route makes", columns, rows)]


@contextmanager
def _functions_environment(world: World, scratch: Path) -> Iterator[None]:
    """Give this process the environment of all functions together. They use the same names for the same things."""
    variables = {
        name: value
        for artefact in artefacts.functions(scratch, world.physical).values()
        for name, value in artefact.environment.items()
    }
    with patch.dict(os.environ, variables):
        forget_process()
        yield
    forget_process()


@contextmanager
def _counted() -> Iterator[Asked]:
    """Count the requests that this process sends to AWS in the block."""
    asked: Asked = Counter()

    def note(event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        asked[service, operation] += 1

    clients._session().events.register("before-send", note)  # noqa: SLF001 - there all clients come from
    try:
        yield asked
    finally:
        clients._session.cache_clear()  # noqa: SLF001


def _subject(world: World) -> Subject:
    user, admin = world.users.add(), world.users.add(admin=True)
    sender = HandlerSender(user["id"], admin["id"])
    return Subject(sender, user["id"], user["email"], PASSWORD, world.paper, Catalog())


def _second(route: str, subject: Subject, world: World, asked: Asked) -> tuple[Asked, int, int]:
    """Return the requests to AWS, the exchange and Stripe that the second of two calls has made."""
    for _ in range(2):
        request = ROUTES[route].request(route, subject)
        asked.clear()
        world.paper.clear_requests()
        world.stripe.requests.clear()
        status, answer = subject.send(request)
        assert 200 <= status < 300, f"{route}: {status} {answer}"
        requests, calls, payments = asked.copy(), len(world.paper.requests()), len(world.stripe.requests)
        ROUTES[route].clean(subject, answer)
    return requests, calls, payments


def _row(route: str, requests: Asked, calls: int, payments: int) -> list[str]:
    of_dynamodb = {operation: times for (service, operation), times in requests.items() if service == "dynamodb"}
    others = {f"{service} {name}": times for (service, name), times in requests.items() if service != "dynamodb"}
    return [route, f"{sum(of_dynamodb.values())}", _listed(of_dynamodb), _listed(others), f"{calls}", f"{payments}"]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{times} × {name}" if times > 1 else name for name, times in sorted(counts.items())) or "–"
