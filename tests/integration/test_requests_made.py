"""Test how many requests to AWS and the exchange a route makes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from purser import process
from purser.bootstrap.exchanges import weight_budgets
from purser.lanes import DIRECT
from tests.support.aws import Aws
from tests.support.aws_requests import aws_requests
from tests.support.budget import own_budget
from tests.support.functions import forget_process
from tests.support.paper import Paper
from tests.support.samples import PLAN, ROUTES, Catalog, Request, Subject
from tests.support.senders import HandlerSender

SERVICES = ("dynamodb", "kms", "sqs")
OWNED = sorted(route for route in ROUTES if "/v1/priv/" in route and "{" in route)


@pytest.fixture(scope="module", autouse=True)
def _process(aws: Aws, _paper_server: Paper) -> Iterator[None]:
    forget_process()
    # Its requests depend on what the process has spent in this minute. The unit tests bound them.
    process.replace(weight_budgets, {DIRECT: own_budget()})
    yield
    forget_process()


@pytest.fixture
def new_subject(paper: Paper) -> Callable[[], Subject]:
    from purser.bootstrap.billing import subscriptions

    def make() -> Subject:
        user_id = str(uuid.uuid4())
        subscriptions().grant(user_id, PLAN)
        subject = Subject(HandlerSender(user_id, str(uuid.uuid4())), user_id, "", "", paper, Catalog())
        subject.__dict__["plan"] = PLAN  # The plan is granted already.
        return subject

    return make


@pytest.mark.parametrize("route", OWNED)
def test_an_id_of_another_user_makes_the_same_requests_as_an_unknown_id(
    new_subject: Callable[[], Subject], paper: Paper, route: str
) -> None:
    owner, stranger = new_subject(), new_subject()
    foreign = ROUTES[route].request(route, owner)
    (id,) = (part for part in foreign.path.partition("?")[0].split("/") if len(part) == 36)
    unknown = replace(foreign, path=foreign.path.replace(id, str(uuid.uuid4())))
    paper.clear_requests()

    def asked(request: Request) -> list[str]:
        with aws_requests(*SERVICES) as requests:
            assert stranger.send(request)[0] == 404
        return requests

    assert asked(foreign) == asked(unknown) == asked(foreign) != []
    assert paper.requests() == []


@pytest.mark.parametrize(
    ("route", "expected", "exchange_calls"),
    [
        ("GET /v1/priv/account/notification", ["dynamodb.GetItem"], 0),
        ("GET /v1/priv/account/profile", ["dynamodb.GetItem"], 0),
        ("GET /v1/priv/account/exchange/balance", ["dynamodb.Query"], 0),
        ("GET /v1/pub/strategy/{id}/history", ["dynamodb.GetItem", "dynamodb.Query"], 0),
        ("GET /v1/priv/exchange/position/{id}", ["dynamodb.BatchGetItem", "kms.Decrypt"], 1),
        (
            # Read settings, account, position, plain and conditional orders; cancel both kinds; read the position
            # again; place entry, stop and two take-profits. Binance combines none of them.
            "POST /v1/priv/exchange/order/{id}",
            ["dynamodb.BatchGetItem", "kms.Decrypt", "dynamodb.GetItem", *["dynamodb.TransactWriteItems"] * 2],
            12,
        ),
    ],
)
def test_a_route_makes_no_more_requests_than_needed(
    new_subject: Callable[[], Subject], paper: Paper, route: str, expected: list[str], exchange_calls: int
) -> None:
    subject = new_subject()
    # The first request fills the caches of markets and prices.
    assert subject.send(ROUTES[route].request(route, subject))[0] == 200
    request = ROUTES[route].request(route, subject)
    paper.clear_requests()
    with aws_requests(*SERVICES) as requests:
        assert subject.send(request)[0] == 200
    assert sorted(requests) == sorted(expected)
    assert len([call for call in paper.requests() if call["apiKey"]]) == exchange_calls
