"""The parts that all functions of an API share: bodies, field errors, callers and answers."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from purser.errors import Forbidden, Unavailable
from purser.http.accounts import accounts_app
from purser.http.app import App, Handler, entry_point
from purser.http.caller import AccessToken, Admin, Caller, SignedIn, caller_of
from purser.http.customer import customer_app
from purser.http.desk import Envelope, desk_app
from purser.http.wire import Number, Uuid, WireModel, iso
from tests.support.events import (
    OTHER_ID,
    USER_ID,
    Answered,
    LambdaContext,
    answered,
    call,
    claims,
    proxy_event,
    token_of,
)
from tests.support.logs import logs
from tests.support.work import Errand

THING = "/v1/priv/thing"
EXACT = "123456789012345678901234567.123456789012345678"


class Side(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"


class Target(BaseModel):
    price: Decimal = Field(gt=0, lt=1000)


class Body(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=5, strip_whitespace=True)]
    amount: Decimal | None = None
    count: int = Field(default=1, ge=1, le=3)
    side: Side = Side.LONG
    kind: Literal["a", "b"] = "a"
    flag: bool = Field(default=True, strict=True)
    targets: list[Target] = Field(default=[], max_length=3)
    apiSecretKey: SecretStr = Field(default=SecretStr("x"), min_length=2)


class Changes(BaseModel):
    name: str | None = None


class Thing(WireModel):
    name: str
    amount: Number | None = None


class Odd:
    """An object that cannot be serialized."""


def result_of(create: Callable[[], App]) -> Handler:
    app = create()

    @app.post(THING)
    def post(body: Body) -> Thing:
        return Thing(name=body.name, amount=body.amount)

    @app.patch("/v1/priv/changes")
    def patch(body: Changes) -> Thing:
        return Thing(name=body.name or "unchanged")

    @app.put(f"{THING}/<id>")
    def put(id: Annotated[Uuid, Path()], limit: Annotated[int, Query(ge=1)] = 5) -> Thing:
        return Thing(name=id, amount=Decimal(limit))

    @app.get("/v1/priv/me")
    def me(caller: SignedIn, token: AccessToken) -> Thing:
        return Thing(name=f"{caller.user_id} {token}")

    @app.post("/v1/admin/thing")
    def admin(body: Body, caller: Admin) -> Thing:
        return Thing(name=body.name)

    @app.get("/v1/fails/<how>")
    def fails(how: Annotated[str, Path()]) -> Thing:
        if how == "wrong":
            return {"name": {"secret": "s3cret"}}  # type: ignore[return-value]
        raise {
            "unavailable": Unavailable(),
            "forbidden": Forbidden("because"),
            "value": ValueError("s3cret"),
            "key": KeyError("s3cret"),
            "deep": RecursionError("s3cret"),
        }[how]

    @app.get("/v1/priv/work")
    def create_work() -> Thing:
        return Thing(name=str(Errand("one", due_at=0).correlation_id))

    return entry_point(app)


@pytest.fixture(scope="module")
def customer() -> Handler:
    return result_of(customer_app)


@pytest.fixture(scope="module")
def desk() -> Handler:
    return result_of(desk_app)


@pytest.fixture(scope="module")
def accounts() -> Handler:
    return result_of(accounts_app)


def errors_of(handler: Handler, body: Any) -> list[dict[str, Any]]:
    answer = call(handler, "POST", THING, body)
    assert answer.status == 422
    errors: list[dict[str, Any]] = json.loads(answer.text, parse_float=Decimal)["errors"]
    return errors


# Bodies


def test_numbers_keep_every_digit(customer: Handler) -> None:
    for sent in (f'{{"name": "x", "amount": {EXACT}}}', f'{{"name": "x", "amount": "{EXACT}"}}'):
        answer = call(customer, "POST", THING, sent)
        assert answer.text == f'{{"name":"x","amount":{EXACT}}}'


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"content-type": "application/json; charset=utf-8"},
        {"CONTENT-TYPE": "Application/JSON;charset=UTF-8"},
    ],
)
def test_json_is_accepted_with_any_spelling_of_its_content_type(customer: Handler, headers: dict[str, str]) -> None:
    assert call(customer, "POST", THING, {"name": "é"}, headers=headers).body["name"] == "é"


def test_a_body_without_a_content_type_is_read_as_json(customer: Handler) -> None:
    event = proxy_event("POST", THING, {"name": "x"})
    for headers in ("headers", "multiValueHeaders"):
        del event[headers]["Content-Type"]
    assert answered(customer(event, LambdaContext())).status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
def test_other_content_types_are_refused(
    customer: Handler, desk: Handler, accounts: Handler, content_type: str
) -> None:
    message = "content type must be application/json"
    headers = {"Content-Type": content_type}
    answers = [call(handler, "POST", THING, "name=x", headers=headers) for handler in (customer, desk, accounts)]
    assert [answer.status for answer in answers] == [400, 400, 400]
    assert answers[0].body == {"message": message}
    assert answers[1].body == {"data": None, "success": False, "errno": -190001, "error": message}
    assert answers[2].body == {"error": message}


def test_a_base64_encoded_body_is_accepted(customer: Handler) -> None:
    assert call(customer, "POST", THING, {"name": "é"}, binary=True).body["name"] == "é"


@pytest.mark.parametrize(
    "body",
    ["{", b"\xff\xfe{}", b'{"name": "\xc3"}', '{"name": NaN}', '{"name": "\\ud800"}', "[" * 50_000],
    ids=["cut", "utf-16", "cut utf-8", "nan", "half a pair", "deep"],
)
def test_malformed_json_is_refused(customer: Handler, desk: Handler, body: Any) -> None:
    answer = call(customer, "POST", THING, body)
    assert (answer.status, answer.body) == (400, {"message": "malformed JSON"})
    assert call(desk, "POST", THING, body).body["errno"] == -190001


@pytest.mark.parametrize("number", ["1e131", "-1e99999999", "9" * 65])
def test_a_number_that_is_too_long_is_a_field_error_and_ignored_in_an_unknown_field(
    customer: Handler, number: str
) -> None:
    assert call(customer, "POST", THING, f'{{"name": "x", "unknown": {number}}}').status == 200
    for field, msg in (("name", "must be string"), ("amount", "must be number"), ("count", "must be integer")):
        sent = f'{{"name": "x", "{field}": {number}}}'.replace('"name": "x", "name"', '"name"')
        assert errors_of(customer, sent) == [{"value": None, "msg": msg, "param": field, "location": "body"}]


def test_malformed_base64_is_refused(customer: Handler) -> None:
    for body in ("%%%é", "e30", "8J"):
        event = proxy_event("POST", THING, {"name": "x"}) | {"body": body, "isBase64Encoded": True}
        assert answered(customer(event, LambdaContext())).status in (400, 422)


@pytest.mark.parametrize("body", ["[]", '[{"name": "x"}]', "1", "null", '"name"', "true"])
def test_a_body_that_is_not_a_json_object_is_refused(
    customer: Handler, desk: Handler, accounts: Handler, body: str
) -> None:
    message = "the request body must be a JSON object"
    assert call(customer, "POST", THING, body).body == {"message": message}
    assert call(desk, "POST", THING, body).body["error"] == message
    assert call(accounts, "POST", THING, body).body == {"error": message}


@pytest.mark.parametrize("binary", [False, True])
def test_a_body_of_more_than_256_kb_is_refused_unread(
    customer: Handler, desk: Handler, accounts: Handler, binary: bool
) -> None:
    def ask(app: Handler, size: int) -> Answered:
        content = '{"name": "x"}'.ljust(size * 3 // 4 if binary else size)
        event = proxy_event("POST", THING, content, binary=binary)
        assert len(event["body"]) == size
        return answered(app(event, LambdaContext()))

    assert ask(customer, 256_000).status == 200
    answers = [ask(app, 256_004) for app in (customer, desk, accounts)]
    assert [answer.status for answer in answers] == [413, 413, 413]
    too_large = "Payload Too Large"
    envelope = {"data": None, "success": False, "errno": -190413, "error": too_large}
    assert [answer.body for answer in answers] == [{"message": too_large}, envelope, None]


@pytest.mark.parametrize("body", [None, "", "{}"])
def test_an_empty_body_lacks_every_required_field(customer: Handler, body: Any) -> None:
    assert errors_of(customer, body) == [
        {"value": None, "msg": "must be provided", "param": "name", "location": "body"},
    ]


@pytest.mark.parametrize("body", [None, ""])
def test_a_missing_body_is_refused_also_where_no_field_is_required(
    customer: Handler, desk: Handler, accounts: Handler, body: Any
) -> None:
    message = "the request body must be a JSON object"
    answers = [call(app, "PATCH", "/v1/priv/changes", body) for app in (customer, desk, accounts)]
    assert [answer.status for answer in answers] == [400, 400, 400]
    assert (answers[0].body, answers[2].body) == ({"message": message}, {"error": message})
    assert (answers[1].body["errno"], answers[1].body["error"]) == (-190001, message)
    assert call(customer, "PATCH", "/v1/priv/changes", {}).body == {"name": "unchanged", "amount": None}


# Field errors


@pytest.mark.parametrize(
    ("field", "value", "msg"),
    [
        ("name", 5, "must be string"),
        ("name", None, "must be string"),
        ("name", "", "must not be empty"),
        ("name", "  ", "must not be empty"),
        ("name", "123456", "length must be less than 6"),
        ("amount", "x", "must be number"),
        ("amount", True, "must be number"),
        ("amount", "NaN", "must be number"),
        ("amount", "Infinity", "must be number"),
        ("count", "x", "must be integer"),
        ("count", 1.5, "must be integer"),
        ("count", 0, "must be at least 1"),
        ("count", 4, "must be at most 3"),
        ("count", 10**40, "must be at most 3"),
        ("side", "UP", "must be one of LONG, SHORT"),
        ("side", 10**30, "must be one of LONG, SHORT"),
        ("kind", "c", "must be one of a, b"),
        ("flag", "yes", "must be boolean"),
        ("flag", 1, "must be boolean"),
    ],
)
def test_a_field_error_names_the_rule_and_the_value_sent(customer: Handler, field: str, value: Any, msg: str) -> None:
    sent = {"name": "x"} | {field: value}
    echo = Decimal(str(value)) if isinstance(value, float) else value
    assert errors_of(customer, sent) == [{"value": echo, "msg": msg, "param": field, "location": "body"}]


def test_all_field_errors_are_answered_at_once(customer: Handler) -> None:
    sent = {"name": 5, "side": "UP", "targets": [{"price": 1}, {"price": 0}, {}], "apiSecretKey": "s"}
    assert [(field_error["param"], field_error["msg"]) for field_error in errors_of(customer, sent)] == [
        ("name", "must be string"),
        ("side", "must be one of LONG, SHORT"),
        ("targets.1.price", "must be greater than 0"),
        ("targets.2.price", "must be provided"),
        ("apiSecretKey", "length must be at least 2"),
    ]


@pytest.mark.parametrize(
    ("value", "msg"),
    [({}, "must be array"), ([1], "must be object"), ([{"price": 1}] * 4, "must have at most 3 items")],
)
def test_field_errors_name_the_rules_of_lists(customer: Handler, value: Any, msg: str) -> None:
    [field_error] = errors_of(customer, {"name": "x", "targets": value})
    assert field_error["msg"] == msg


def test_a_secret_is_not_echoed(customer: Handler, desk: Handler) -> None:
    for secret in ("s", 5.25, ["s3cret"], {"s3cret": 1}):
        [field_error] = errors_of(customer, {"name": "x", "apiSecretKey": secret})
        assert field_error["value"] is None
        assert "s3cret" not in str(field_error)
        assert "s3cret" not in call(desk, "POST", THING, {"name": "x", "apiSecretKey": secret}).text


def test_a_long_value_is_truncated_in_the_error(customer: Handler) -> None:
    [field_error] = errors_of(customer, {"name": "x" * 100_000})
    assert field_error["value"] == "x" * 256


def test_field_errors_tell_the_path_from_the_query(customer: Handler) -> None:
    answer = call(customer, "PUT", f"{THING}/nonsense", query={"limit": ["0"]})
    assert answer.body == {
        "errors": [
            {"value": "nonsense", "msg": "must be UUID", "param": "id", "location": "params"},
            {"value": "0", "msg": "must be at least 1", "param": "limit", "location": "query"},
        ]
    }


@pytest.mark.parametrize("value", ["9" * 5000, "1e5", "0x5", "", " ", "٣", "NaN", "1,2", "\ud800"])
def test_any_query_is_accepted_or_refused_as_invalid(customer: Handler, value: str) -> None:
    answer = call(customer, "PUT", f"{THING}/{USER_ID}", query={"limit": value})
    assert answer.status in (200, 422)


def test_a_repeated_query_parameter_is_refused(customer: Handler) -> None:
    assert call(customer, "PUT", f"{THING}/{USER_ID}", query={"limit": ["1", "2"]}).status == 422


def test_errors_of_the_accounts_api_mirror_the_structure_of_the_body(accounts: Handler) -> None:
    answer = call(accounts, "POST", THING, {"name": 5, "targets": [{"price": 0}]})
    assert (answer.status, answer.body) == (
        422,
        {"name": "must be string", "targets": {"0": {"price": "must be greater than 0"}}},
    )


# Callers


@pytest.mark.parametrize(
    ("groups", "is_admin"),
    [
        (["admin"], True),
        (["other", "admin"], True),
        (["x,admin", "admin"], True),
        (["administrators"], False),
        (["other", "administrators"], False),
        (["x,admin"], False),
        (["admin,x"], False),
        (["[admin]"], False),
        (["[admin"], False),
        (["x admin"], False),
        ([" admin"], False),
        (["ADMIN"], False),
        ([["admin"]], False),
        ([], False),
        ("admin", False),
        ({"admin": "admin"}, False),
        (None, False),
    ],
)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  ", ""])
def test_groups_are_read_from_the_verified_token(groups: Any, is_admin: bool, scheme: str) -> None:
    text = ",".join(map(str, groups or ()))
    headers = {"authorization": scheme + token_of(groups)}
    event = proxy_event("GET", "/", caller=claims(**{"cognito:groups": text}), headers=headers)
    caller, request_id = caller_of(event), event["requestContext"]["requestId"]
    person = frozenset({"aws.cognito.signin.user.admin"})
    assert caller == Caller(USER_ID, USER_ID, is_admin, person, request_id)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Authorization": []},
        {"Authorization": [token_of(["admin"]), token_of(["x,admin"])]},
        {"Authorization": [token_of(["x,admin"]), token_of(["admin"])]},
        {"Authorization": [token_of(["x,admin"])], "authorization": [token_of(["admin"])]},
        {"Authorization": ["Basic " + token_of(["admin"])]},
        {"Authorization": ["admin"]},
        {"Authorization": [token_of(["x", "admin"]) + ".x"]},
        {"Authorization": [token_of(["x", "admin"]).rpartition(".")[0]]},
        {"Authorization": ["a.%.c"]},
        {"Authorization": ["a.YWRtaW4.c"]},
        {"Authorization": ["a.W10.c"]},
        {"Authorization": [token_of(["admin", "more"])]},
        {"Authorization": [token_of(["admin"])]},
        {"Authorization": [token_of(["admin", "x"])]},
        {"Authorization": [token_of(["x", "admin"], OTHER_ID)]},
        {"Authorization": [token_of(["x", "admin"], token_id="another")]},
    ],
)
def test_a_caller_is_no_admin_unless_one_readable_token_agrees_with_the_claim(sent: dict[str, list[str]]) -> None:
    event = proxy_event("GET", "/", caller=claims(groups=["x", "admin"]))
    assert caller_of(event).is_admin
    del event["multiValueHeaders"]["Authorization"]
    event["multiValueHeaders"] |= sent
    assert not caller_of(event).is_admin


def test_a_token_that_the_authorizer_did_not_see_makes_no_admin() -> None:
    event = proxy_event("GET", "/", caller=claims(), headers={"Authorization": token_of(["admin"])})
    assert not caller_of(event).is_admin


@pytest.mark.parametrize("name", ["sub", "jti"])
def test_claims_that_do_not_identify_their_token_make_no_admin(name: str) -> None:
    event = proxy_event("GET", "/", caller=claims(groups=["admin"], client_id="web"))
    del event["requestContext"]["authorizer"]["claims"][name]
    assert not caller_of(event).is_admin


@pytest.mark.parametrize("groups", ["[x admin]", "['x', 'admin']", "x, admin", "x,admin,", "admin,x"])
def test_the_claim_must_hold_the_same_groups_as_the_token(groups: str) -> None:
    headers = {"Authorization": token_of(["x", "admin"])}
    event = proxy_event("GET", "/", caller=claims(**{"cognito:groups": groups}), headers=headers)
    assert not caller_of(event).is_admin


def test_a_machine_client_is_identified_by_its_client_id() -> None:
    message = {"client_id": OTHER_ID, "scope": "accounts/accounts.read accounts/accounts.write", "token_use": "access"}
    caller = caller_of(proxy_event("GET", "/", caller=message))
    assert (caller.user_id, caller.is_admin) == (OTHER_ID, False)
    assert caller.scopes == {"accounts/accounts.read", "accounts/accounts.write"}


@pytest.mark.parametrize("authorizer", [None, {}, {"claims": None}, {"claims": {}}, {"claims": {"sub": ""}}])
def test_requests_without_claims_are_unauthorized(
    customer: Handler, desk: Handler, accounts: Handler, authorizer: Any
) -> None:
    event = proxy_event("GET", "/v1/priv/me", headers={"Authorization": "Bearer x"})
    event["requestContext"]["authorizer"] = authorizer
    answers = [answered(handler(event, LambdaContext())) for handler in (customer, desk, accounts)]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert answers[0].body == {"message": "Unauthorized"}
    assert answers[1].body["errno"] == -190401
    assert answers[2].body is None


def test_callers_are_not_cached_between_requests(customer: Handler) -> None:
    for user_id in (USER_ID, OTHER_ID, USER_ID):
        sent = {"Authorization": f"Bearer {user_id[:4]}"}
        answer = call(customer, "GET", "/v1/priv/me", headers=sent, caller=claims(user_id))
        assert answer.body["name"] == f"{user_id} {user_id[:4]}"
    assert call(customer, "GET", "/v1/priv/me", headers=sent).status == 401


@pytest.mark.parametrize("body", [{"name": 5}, "{", {"name": "x"}])
def test_401_and_403_win_over_422(customer: Handler, desk: Handler, body: Any) -> None:
    path = "/v1/admin/thing"
    assert call(customer, "POST", path, body, caller=claims()).body == {"message": "Forbidden"}
    assert call(customer, "POST", path, body).body == {"message": "Unauthorized"}
    assert call(desk, "POST", path, body, caller=claims()).body["errno"] == -190403
    allowed = call(customer, "POST", path, body, caller=claims(groups=["admin"]))
    assert allowed.status in (200, 400, 422)


# Answers


@pytest.mark.parametrize(
    ("how", "status"),
    [("unavailable", 503), ("forbidden", 403), ("value", 500), ("key", 500), ("deep", 500), ("wrong", 500)],
)
def test_every_failure_is_answered_in_the_format_of_its_api(
    customer: Handler, desk: Handler, how: str, status: int
) -> None:
    answers = [call(handler, "GET", f"/v1/fails/{how}") for handler in (customer, desk)]
    assert [answer.status for answer in answers] == [status, status]
    assert set(answers[0].body) == {"message"}
    assert set(answers[1].body) == {"data", "success", "errno", "error"}
    assert "s3cret" not in answers[0].text + answers[1].text


def test_work_that_a_request_creates_has_its_id(customer: Handler) -> None:
    answer = call(customer, "GET", "/v1/priv/work", caller=claims(), request_id="the-request-id")
    assert answer.body["name"] == "the-request-id"
    assert Errand("one", due_at=0).correlation_id is None, "the request is over"


def test_the_log_of_a_failure_has_the_request_id(customer: Handler) -> None:
    with logs() as written:
        call(customer, "GET", "/v1/fails/value", request_id="the-request-id")
    [line] = written.lines
    assert (line["level"], line["correlation_id"]) == ("ERROR", "the-request-id")
    assert "ValueError" in line["exception"]


def test_the_log_has_the_id_of_the_caller(customer: Handler) -> None:
    machine = {"client_id": "a machine", "scope": "accounts/accounts.read"}
    with logs() as written:
        for caller in (claims("ann"), machine, None):
            call(customer, "GET", "/v1/fails/value", caller=caller)
    assert [line.get("caller_id") for line in written.lines] == ["ann", "a machine", None]


def test_lines_of_all_loggers_and_threads_have_the_ids_of_request_and_caller() -> None:
    app, of_lambda = customer_app(), logging.StreamHandler(io.StringIO())
    of_lambda.setFormatter(logging.Formatter("{message} {correlation_id} {caller_id}", style="{"))

    @app.get("/v1/priv/warned")
    def warned(caller: SignedIn) -> Thing:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(logging.getLogger("purser.any").warning, "a warning").result()
        return Thing(name="any")

    logging.getLogger().addHandler(of_lambda)
    try:
        call(entry_point(app), "GET", "/v1/priv/warned", caller=claims("ann"), request_id="the-request-id")
    finally:
        logging.getLogger().removeHandler(of_lambda)
    assert of_lambda.stream.getvalue() == "a warning the-request-id ann\n"


def test_an_answer_that_breaks_its_schema_is_not_logged(customer: Handler) -> None:
    with logs() as written:
        call(customer, "GET", "/v1/fails/wrong")
    assert written.lines[0]["message"] == "the answer breaks its own schema"
    assert "s3cret" not in written.text


def test_refused_requests_are_not_logged(customer: Handler) -> None:
    with logs() as written:
        call(customer, "GET", "/v1/fails/forbidden")
        call(customer, "POST", THING, {"name": 5})
        call(customer, "GET", "/nothing")
    assert written.text == ""


@pytest.mark.parametrize("rest", ["\n", "/\n", "\n/"])
def test_a_path_that_ends_in_a_line_feed_is_no_route(customer: Handler, rest: str) -> None:
    assert call(customer, "POST", THING + rest, {"name": "x"}).status == 404


def test_unknown_routes_and_methods_are_not_found(customer: Handler, desk: Handler, accounts: Handler) -> None:
    for method, path in (("GET", "/v1/priv/nothing"), ("PATCH", THING), ("GET", f"{THING}/")):
        assert call(customer, method, path).body == {"message": "route not found"}
        assert call(desk, method, path).body["errno"] == -190404
        answer = call(accounts, method, path)
        assert (answer.status, answer.body) == (404, None)


def test_answers_do_not_echo_header_values(customer: Handler, desk: Handler, accounts: Handler) -> None:
    headers = {
        name: f"SENT-{name}" for name in ("Authorization", "Idempotency-Key", "X-Request-Id", "Cookie", "Origin")
    }
    for handler in (customer, desk, accounts):
        for method, path in (("POST", THING), ("GET", "/v1/priv/me"), ("GET", "/nothing"), ("GET", "/v1/fails/value")):
            event = proxy_event(method, path, {"name": 5} if method == "POST" else None, headers=headers)
            assert "SENT-" not in str(handler(event, LambdaContext()))


def test_answers_of_the_desk_api_have_an_envelope() -> None:
    app = desk_app()

    @app.get("/api/v3/thing")
    def thing() -> Envelope[Thing | None]:
        return Envelope(data=Thing(name="x"))

    answer = call(entry_point(app), "GET", "/api/v3/thing")
    assert answer.text == '{"data":{"name":"x","amount":null},"success":true,"errno":0,"error":null}'


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(1663340989057, "2022-09-16T15:09:49.057Z"), (0, "1970-01-01T00:00:00.000Z"), (999, "1970-01-01T00:00:00.999Z")],
)
def test_an_instant_is_written_in_iso_8601(milliseconds: int, text: str) -> None:
    assert iso(milliseconds) == text
