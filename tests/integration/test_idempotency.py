"""Test ``Idempotency-Key`` on DynamoDB Local: a repeated request gets the first answer and does nothing again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import boto3
import pytest
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from botocore.exceptions import EndpointConnectionError
from pydantic import BaseModel, SecretStr

from purser.errors import AlreadyConnected, IdempotencyKeyReused, RequestInFlight, Unavailable
from purser.http.app import App, entry_point
from purser.http.caller import Caller, SignedIn
from purser.http.customer import customer_app
from purser.http.desk import desk_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.wire import Instant, Number, WireModel
from tests.support.aws import Aws
from tests.support.events import LambdaContext, call, claims
from tests.support.functions import forget_process

EXACT = "123456789012345678901234567890.123456789"
ROUTE = "POST /v1/priv/things"


class Request(BaseModel):
    amount: Decimal
    secret: SecretStr = SecretStr("s")


class Made(WireModel):
    amount: Number
    at: Instant
    note: str | None = None


class Maker:
    """Returns answers, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Made:
        self.made += 1
        return Made(amount=Decimal(EXACT), at=1_700_000_000_123, note=f"number {self.made}")


@pytest.fixture(autouse=True)
def process(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_process()
    # A resolver sets it when a request comes in.
    monkeypatch.setattr(BaseRouter, "lambda_context", LambdaContext(), raising=False)
    yield
    forget_process()


@pytest.fixture
def caller() -> Caller:
    return Caller(str(uuid4()), "someone", False, frozenset())


@pytest.fixture
def make() -> Maker:
    return Maker()


def request(amount: str = "1.5", secret: str = "s") -> Request:
    return Request(amount=Decimal(amount), secret=SecretStr(secret))


def test_a_repeated_request_gets_the_first_answer(caller: Caller, make: Maker) -> None:
    first = once(caller, ROUTE, "key", request(), make, Made)
    again = once(caller, ROUTE, "key", request(), make, Made)
    assert first == again
    assert (again.amount, again.note) == (Decimal(EXACT), "number 1")
    assert make.made == 1


def test_without_an_idempotency_key_a_request_is_repeated(caller: Caller, make: Maker) -> None:
    for _ in range(2):
        once(caller, ROUTE, None, request(), make, Made)
    assert make.made == 2


def test_another_notation_of_a_number_is_the_same_request(caller: Caller, make: Maker) -> None:
    for amount in ("1.1", "1.10", "11E-1"):
        once(caller, ROUTE, "key", request(amount), make, Made)
    assert make.made == 1


@pytest.mark.parametrize("other", [request("1.6"), request(secret="another")])
def test_the_same_key_with_another_request_is_refused(caller: Caller, make: Maker, other: Request) -> None:
    once(caller, ROUTE, "key", request(), make, Made)
    with pytest.raises(IdempotencyKeyReused):
        once(caller, ROUTE, "key", other, make, Made)
    assert make.made == 1


def test_a_key_belongs_to_a_caller_and_a_route(caller: Caller, make: Maker) -> None:
    stranger = Caller(str(uuid4()), "other", False, frozenset())
    for who, route in ((caller, ROUTE), (stranger, ROUTE), (caller, "POST /v1/priv/others")):
        once(who, route, "key", request(), make, Made)
    assert make.made == 3


def test_a_failed_request_does_not_use_up_its_key(caller: Caller, make: Maker) -> None:
    def refuse() -> Made:
        raise AlreadyConnected

    for _ in range(2):
        with pytest.raises(AlreadyConnected):
            once(caller, ROUTE, "key", request(), refuse, Made)
    assert once(caller, ROUTE, "key", request("2"), make, Made).note == "number 1"


def test_a_second_request_is_refused_while_the_first_is_in_flight(caller: Caller, make: Maker) -> None:
    begun, go_on = Event(), Event()

    def slow() -> Made:
        begun.set()
        assert go_on.wait(10)
        return make()

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(once, caller, ROUTE, "key", request(), slow, Made)
        assert begun.wait(10)
        with pytest.raises(RequestInFlight):
            once(caller, ROUTE, "key", request(), make, Made)
        go_on.set()
        assert first.result() == once(caller, ROUTE, "key", request(), make, Made)
    assert make.made == 1


def test_of_concurrent_requests_with_one_key_one_acts(caller: Caller, make: Maker) -> None:
    together = Barrier(8)

    def attempt() -> Any:
        together.wait()
        try:
            return once(caller, ROUTE, "key", request(), make, Made)
        except RequestInFlight as refused:
            return refused

    with ThreadPoolExecutor(8) as threads:
        outcomes = [running.result() for running in [threads.submit(attempt) for _ in range(8)]]
    answers = [outcome for outcome in outcomes if isinstance(outcome, Made)]
    assert make.made == 1
    assert answers
    assert all(answer == answers[0] for answer in answers)


def test_a_key_is_free_again_when_the_time_of_a_crashed_request_is_over(
    caller: Caller, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def cut() -> Made:
        raise Cut

    # The record of the request then says that its time is over already.
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: -1)
    with pytest.raises(Cut):
        once(caller, ROUTE, "key", request(), cut, Made)
    assert once(caller, ROUTE, "key", request(), make, Made).note == "number 1"


def test_a_record_contains_no_request_and_no_key(caller: Caller, make: Maker) -> None:
    once(caller, ROUTE, "a-telling-key", request(secret="hidden"), make, Made)
    kept = str(boto3.client("dynamodb").scan(TableName="IdempotencyTable")["Items"])
    assert "a-telling-key" not in kept
    assert "hidden" not in kept


def test_records_expire_after_a_day(caller: Caller, make: Maker) -> None:
    once(caller, ROUTE, "key", request(), make, Made)
    records = boto3.client("dynamodb").scan(TableName="IdempotencyTable")["Items"]
    left = [float(record["expiration"]["N"]) - time.time() for record in records]
    assert 24 * 3600 < max(left) < 26 * 3600


def test_nothing_is_done_while_the_table_is_unavailable(caller: Caller, make: Maker) -> None:
    class Down:
        def put_item(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("purser.aws.clients.client", lambda service: Down())
        with pytest.raises(Unavailable):
            once(caller, ROUTE, "key", request(), make, Made)
    assert make.made == 0


def test_an_id_is_derived_from_caller_route_and_key(caller: Caller) -> None:
    assert new_id(caller, ROUTE, "key") == new_id(caller, ROUTE, "key")
    assert new_id(caller, ROUTE, "key") != new_id(caller, "other", "key")
    assert new_id(caller, ROUTE, None) != new_id(caller, ROUTE, None)


def _app(create: Callable[[], App], make: Callable[[], Made]) -> Any:
    app = create()

    @app.post("/v1/priv/things")
    def route(body: Request, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> Made:
        return once(caller, ROUTE, idempotency_key, body, make, Made)

    return entry_point(app)


def test_the_customer_api_repeats_the_answer_and_has_its_error_format(make: Maker) -> None:
    handler, who = _app(customer_app, make), claims(str(uuid4()))

    def post(amount: Any, key: str = "key") -> Any:
        headers = {"idempotency-key": key}
        return call(handler, "POST", "/v1/priv/things", {"amount": amount}, headers=headers, caller=who)

    first, again = post(1.5), post("1.50")
    assert first.status == again.status == 200
    assert first.text == again.text == f'{{"amount":{EXACT},"at":"2023-11-14T22:13:20.123Z","note":"number 1"}}'
    reused = post(2)
    assert reused.status == 422
    error = {"value": None, "msg": "was used with another request", "param": "Idempotency-Key", "location": "headers"}
    assert reused.body == {"errors": [error]}
    for key in ("", "x" * 129, "é"):
        refused = post(1.5, key)
        assert refused.status == 422
        error = {"value": None, "msg": "must be 1 to 128 printable characters"}
        assert refused.body == {"errors": [error | {"param": "Idempotency-Key", "location": "headers"}]}


def test_the_desk_api_refuses_another_request_with_its_error_format(make: Maker) -> None:
    handler, who = _app(desk_app, make), claims(str(uuid4()))

    def post(amount: Any) -> Any:
        headers = {"Idempotency-Key": "key"}
        return call(handler, "POST", "/v1/priv/things", {"amount": amount}, headers=headers, caller=who)

    assert post(1).status == 200
    reused = post(2)
    assert (reused.status, reused.body["errno"]) == (400, -190409)
